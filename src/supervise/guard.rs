//! The guard: the small process that the user started. The supervisor is its child, and it adopts
//! whatever loses its parent below it; so when the supervisor is killed, all it leaves behind are
//! the guard's own children, which it ends without ever having to guess whose a process is.
//!
//! The other way round, the supervisor holds the reading end of a pipe whose other end only the
//! guard has: when the guard is killed, the pipe says so, and the supervisor stops everything.

use std::io::PipeReader;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getppid, setpgid};

use super::exit::Exit;
use super::family;
use super::spawn::{self, Inherited, Side};
use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;

/// How long what a killed supervisor left behind has to end. A queue's redis-server saves its data
/// in this time.
const GRACE: Duration = Duration::from_secs(5);

/// The signals that ask for the end.
pub const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// What the supervisor knows of its guard.
pub struct Guarded {
    /// At its end when the guard is gone.
    pub guard: PipeReader,
    /// The guard's process id, for as long as it lives.
    pub guard_pid: Pid,
    /// The signals, as they come.
    pub signals: SignalFd,
}

/// Splits into guard and supervisor. Returns in the supervisor; the guard stays inside until
/// everything is gone, and returns the supervisor's exit status.
pub fn divide() -> Result<Divided> {
    let problem = |doing: &str, errno: nix::errno::Errno| {
        Error::failed(Problem::new(format!("cannot {doing}: {}", errno.desc().to_lowercase())))
    };
    let inherited = spawn::settle_in().map_err(|errno| problem("catch signals", errno))?;
    let signals = catch_signals(inherited).map_err(|errno| problem("catch signals", errno))?;
    family::become_subreaper().map_err(|errno| problem("adopt processes", errno))?;
    let guard_pid = Pid::this();
    let (reader, writer) = std::io::pipe()
        .map_err(|source| Error::failed(Problem::new(format!("cannot make a pipe: {source}"))))?;
    match spawn::split().map_err(|errno| problem("start the supervisor", errno))? {
        Side::Parent(supervisor) => {
            drop(reader);
            spawn::let_go_of_code();
            Ok(Divided::Guard(watch(supervisor, &signals, writer.into())))
        }
        Side::Child => {
            drop(writer);
            // A group of its own: Ctrl-C and a closed terminal reach the guard alone, which passes
            // them on, once.
            setpgid(Pid::from_raw(0), Pid::from_raw(0))
                .map_err(|errno| problem("make a process group", errno))?;
            family::become_subreaper().map_err(|errno| problem("adopt processes", errno))?;
            // The old descriptor reads this process's signals as well, but its queue is the guard's.
            let signals = catch_signals(inherited).map_err(|errno| problem("catch signals", errno))?;
            Ok(Divided::Supervisor(Guarded { guard: reader, guard_pid, signals }))
        }
    }
}

impl Guarded {
    /// Wakes a guard that was stopped, if it still lives.
    pub fn wake_guard(&self) {
        // Its process id is its own for as long as it is our parent.
        if getppid() == self.guard_pid {
            family::signal(self.guard_pid, Signal::SIGCONT);
        }
    }
}

/// Which of the two this process became.
pub enum Divided {
    /// The guard, at its end.
    Guard(ExitCode),
    /// The supervisor, at its beginning.
    Supervisor(Guarded),
}

/// Signals are read, not handled: nothing happens between two lines of code.
fn catch_signals(inherited: Inherited) -> nix::Result<SignalFd> {
    let mut set: SigSet = ENDING.into_iter().collect();
    if inherited.ignores_hangup {
        // `nohup bench start`: blocked it would be read, and not ignored any more.
        set.remove(Signal::SIGHUP);
    }
    set.add(Signal::SIGCHLD);
    // A background process may write to its terminal: that is what `bench start` is for.
    let mut blocked = set;
    blocked.add(Signal::SIGTTOU);
    blocked.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC)
}

fn watch(supervisor: Pid, signals: &SignalFd, lifeline: OwnedFd) -> ExitCode {
    let end = loop {
        if let Some(exit) = family::reap(supervisor) {
            break exit;
        }
        let Ok(Some(info)) = signals.read_signal() else { continue };
        if let Ok(signal) = Signal::try_from(info.ssi_signo.cast_signed())
            && ENDING.contains(&signal)
        {
            family::signal(supervisor, signal);
        }
        reap_strangers(supervisor);
    };
    drop(lifeline);
    let ended = family::end_all(GRACE);
    match end {
        Exit::Status(status) => ExitCode::Own(u8::try_from(status).unwrap_or(u8::MAX)),
        Exit::Signal(signal) => {
            anstream::eprintln!("error: the supervisor was {end}; {ended}");
            ExitCode::Signal(u8::try_from(signal).unwrap_or(0))
        }
    }
}

/// What was adopted while the supervisor lives and has ended. Usually the supervisor adopts first.
fn reap_strangers(supervisor: Pid) {
    for pid in family::children().unwrap_or_default() {
        if pid != supervisor {
            family::reap(pid);
        }
    }
}
