//! The processes that are ours by descent. We are a child subreaper: whatever loses its parent below
//! us, also a grandchild that called `setsid()`, becomes our own child. A process id of a child can't be
//! given to another process before we wait for it, so a signal to a child never reaches a stranger.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use procfs::process::Process;

use super::exit::Exit;

/// Adopts what loses its parent below us.
pub fn become_subreaper() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// The children of the main thread, those that ended but were not waited for among them. What a
/// probe's thread runs is that thread's affair.
pub fn children() -> io::Result<Vec<Pid>> {
    let me = std::process::id();
    let list = match std::fs::read_to_string(format!("/proc/self/task/{me}/children")) {
        Ok(text) => {
            text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
        }
        // A kernel without CONFIG_PROC_CHILDREN.
        Err(source) if source.kind() == io::ErrorKind::NotFound => children_by_parent(me.cast_signed())?,
        Err(source) => return Err(source),
    };
    Ok(list)
}

fn children_by_parent(me: i32) -> io::Result<Vec<Pid>> {
    let processes = procfs::process::all_processes().map_err(io::Error::other)?;
    let stats = processes.filter_map(|process| process.and_then(|process| process.stat()).ok());
    Ok(stats.filter(|stat| stat.ppid == me).map(|stat| Pid::from_raw(stat.pid)).collect())
}

/// How a child ended, if it did. It is not waited for: its process id, and with it the id of its
/// process group, stays taken.
pub fn peek(pid: Pid) -> Option<Exit> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    exit_of(waitid(Id::Pid(pid), flags).ok()?)
}

/// Whether a child of ours ended.
pub fn has_ended(pid: Pid) -> bool {
    peek(pid).is_some()
}

/// Waits for a child that ended; its process id may be given away after this.
pub fn reap(pid: Pid) -> Option<Exit> {
    exit_of(waitpid(pid, Some(WaitPidFlag::WNOHANG)).ok()?)
}

const fn exit_of(status: WaitStatus) -> Option<Exit> {
    match status {
        WaitStatus::Exited(_, status) => Some(Exit::Status(status)),
        WaitStatus::Signaled(_, signal, _) => Some(Exit::Signal(signal as i32)),
        _ => None,
    }
}

/// Whether a process is in the group that this child leads.
pub fn is_in_group(pid: Pid, leader: Pid) -> bool {
    nix::unistd::getpgid(Some(pid)).is_ok_and(|group| group == leader)
}

/// Whether a child belongs to an instance: by its process group, or by the marks in its environment. A
/// bench that a program runs has programs of the same names, in a run of its own.
pub fn belongs_to(pid: Pid, leader: Pid, run: &str, instance: &str) -> bool {
    let Ok(process) = Process::new(pid.as_raw()) else { return false };
    if process.stat().is_ok_and(|stat| stat.pgrp == leader.as_raw()) {
        return true;
    }
    process.environ().is_ok_and(|env| {
        let has = |name: &str, value: &str| env.get(OsStr::new(name)).is_some_and(|found| found == value);
        has(super::RUN_VARIABLE, run) && has(super::INSTANCE_VARIABLE, instance)
    })
}

/// The resident memory of each of these process groups, in bytes.
pub fn group_memory(leaders: &[Pid]) -> Vec<u64> {
    let mut sums = vec![0; leaders.len()];
    let Ok(processes) = procfs::process::all_processes() else { return sums };
    let page = procfs::page_size();
    for stat in processes.filter_map(|process| process.and_then(|process| process.stat()).ok()) {
        if let Some(index) = leaders.iter().position(|leader| leader.as_raw() == stat.pgrp) {
            sums[index] += stat.rss.saturating_mul(page);
        }
    }
    sums
}

/// How long a process that was killed may take to go. One that took another user's rights, or hangs in
/// the kernel, never does.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Ends every child, and what turns into a child as its parents end: asks first, kills what is left
/// after the grace period. Says which ones there were, and which of them would not end.
pub fn end_all(grace: Duration) -> Ended {
    let started = Instant::now();
    let mut asked: Vec<Pid> = Vec::new();
    loop {
        let Ok(children) = children() else { return Ended { asked: asked.len(), alive: Vec::new() } };
        let alive: Vec<Pid> =
            children.into_iter().filter(|&pid| peek(pid).is_none() || reap(pid).is_none()).collect();
        if alive.is_empty() || started.elapsed() >= grace + LAST_PATIENCE {
            return Ended { asked: asked.len(), alive };
        }
        let patient = started.elapsed() < grace;
        for &pid in &alive {
            if !patient {
                signal(pid, Signal::SIGKILL);
            } else if !asked.contains(&pid) {
                signal(pid, Signal::SIGTERM);
                signal(pid, Signal::SIGCONT);
            }
            if !asked.contains(&pid) {
                asked.push(pid);
            }
        }
        // Children end in their own time, and a grandchild turns up here only when its parent ended:
        // there is no single event to wait for.
        thread::sleep(Duration::from_millis(2));
    }
}

/// What became of the last processes.
pub struct Ended {
    /// How many were asked to end.
    pub asked: usize,
    /// Those that can't be ended.
    pub alive: Vec<Pid>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} processes were ended", self.asked - self.alive.len())?;
        for pid in &self.alive {
            let stat = Process::new(pid.as_raw()).and_then(|process| process.stat());
            let program = stat.map_or_else(|_| "?".to_owned(), |stat| stat.comm);
            write!(f, ", pid {pid} ({program}) can't be")?;
        }
        Ok(())
    }
}

/// Signals one child that was not waited for.
pub fn signal(pid: Pid, signal: Signal) {
    // It may have ended already, or have taken another user's rights: neither can be helped.
    let _ = kill(pid, signal);
}

/// Signals the process group that a child leads. The child must not have been waited for.
pub fn signal_group(leader: Pid, signal: Signal) {
    // As above.
    let _ = kill(Pid::from_raw(-leader.as_raw()), signal);
}
