//! Making processes. The only file with `unsafe`: between fork and exec, and after the guard's fork,
//! the standard library can promise nothing, so each place says why it is right.

#![expect(unsafe_code, reason = "fork and pre_exec are unsafe by nature")]

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::mman::{MmapAdvise, madvise};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{ForkResult, Pid, fork, getppid, setsid};
use procfs::process::{MMPermissions, MMapPath, Process};

use super::plan::{CommandLine, InstanceSpec};

/// The most open files that we ask for: two for each process, and what else there is.
const FILES: rlim_t = 65536;

/// The limits of open files that we were started with, which are the programs' too.
static FILE_LIMITS: OnceLock<(rlim_t, rlim_t)> = OnceLock::new();

/// The signals whose ignoring a shell may hand down, and that a program has to start without. A
/// hang-up is left out: `nohup` means the programs too.
const HANDED_DOWN: [Signal; 9] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGCHLD,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
];

/// What whoever started us left to us.
#[derive(Clone, Copy, Debug)]
pub struct Inherited {
    /// `nohup`: the end of the terminal is not ours.
    pub ignores_hangup: bool,
}

/// Makes what we were started with our own: the ends of children are told (a caller may ignore them,
/// and then nobody would learn of them), the caller's open files go no further than us, and there are
/// files enough for many programs.
pub fn settle_in() -> nix::Result<Inherited> {
    // SAFETY: the default and ignoring are no handlers; nothing is run at a signal.
    let hangup = unsafe {
        signal(Signal::SIGCHLD, SigHandler::SigDfl)?;
        signal(Signal::SIGHUP, SigHandler::SigDfl)?
    };
    let ignores_hangup = matches!(hangup, SigHandler::SigIgn);
    if ignores_hangup {
        // SAFETY: as above.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn)? };
    }
    keep_files();
    let limits = *FILE_LIMITS.get_or_init(|| getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((0, 0)));
    let (soft, hard) = limits;
    if soft < hard.min(FILES) {
        // Where it is refused, the usual limit has to do.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(FILES), hard);
    }
    Ok(Inherited { ignores_hangup })
}

/// Hands no open file down but the three that each program has.
fn keep_files() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|&number| number > 2) {
        // SAFETY: the descriptor is only given a flag, which the kernel refuses if it is closed by now.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = fcntl(file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
}

/// Gives back the memory in which the system has put code of ours that only the beginning took: reading settings,
/// rendering, looking at everything. It maps a program in blocks, so that nearly all of it is there after a
/// start, and each bench would pay for code that it never runs, such as TLS. What is needed again comes back
/// by itself, from the system's own copy.
pub fn let_go_of_code() {
    // A system that does not show them keeps what it has.
    let Ok(maps) = Process::myself().and_then(|own| own.maps()) else { return };
    let Ok(program) = std::fs::read_link("/proc/self/exe") else { return };
    for map in maps {
        let is_code = map.perms == MMPermissions::READ | MMPermissions::EXECUTE | MMPermissions::PRIVATE
            && matches!(&map.pathname, MMapPath::Path(path) if *path == program);
        let (Ok(start), Ok(end)) = (usize::try_from(map.address.0), usize::try_from(map.address.1)) else {
            continue;
        };
        let Some(address) = std::ptr::NonNull::new(std::ptr::with_exposed_provenance_mut(start)) else {
            continue;
        };
        if is_code {
            // SAFETY: these are pages of a file that nobody can have written to through this mapping; the
            // next use reads the same bytes of the file again.
            let _ = unsafe { madvise(address, end - start, MmapAdvise::MADV_DONTNEED) };
        }
    }
}

/// Which side of a fork this is.
pub enum Side {
    /// The parent, with its child's process id.
    Parent(Pid),
    /// The child.
    Child,
}

/// Splits this process in two. Must be called while it has one thread.
pub fn split() -> nix::Result<Side> {
    // SAFETY: no thread but this one exists yet (`bench start` makes its threads in the supervisor,
    // after this call), so no lock can be held by a thread that the child does not have.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(Side::Parent(child)),
        ForkResult::Child => Ok(Side::Child),
    }
}

/// Starts an instance in a process group of its own, its output in one pipe so that the order of
/// its lines stays. Must be called on the main thread: the parent-death signal is tied to the thread.
pub fn instance(spec: &InstanceSpec, output: OwnedFd) -> io::Result<Pid> {
    let mut command = match &spec.command {
        CommandLine::Words(words) => {
            let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
            let mut command = Command::new(program);
            command.args(args);
            command
        }
        CommandLine::Shell(line) => shell(line),
    };
    let errors = output.try_clone()?;
    command
        .current_dir(&spec.cwd)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    end_with_parent(&mut command, Signal::SIGTERM);
    Ok(pid_of(&command.spawn()?))
}

/// A command for `/bin/sh`.
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command
}

/// Puts a command into a process group of its own and ends it, with this signal, when the thread
/// that starts it is gone.
pub fn end_with_parent(command: &mut Command, at_end: Signal) {
    let parent = Pid::this();
    let limits = FILE_LIMITS.get().copied();
    command.process_group(0);
    let prepare = move || {
        if let Some((soft, hard)) = limits {
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
        }
        for handed_down in HANDED_DOWN {
            // SAFETY: the default is no handler.
            unsafe { signal(handed_down, SigHandler::SigDfl)? };
        }
        // The supervisor reads its signals instead of being interrupted; a program must be.
        SigSet::empty().thread_set_mask()?;
        prctl::set_pdeathsig(at_end)?;
        // The parent may have died before the kernel was asked: then nobody would tell us.
        if getppid() == parent { Ok(()) } else { Err(io::Error::from(io::ErrorKind::NotConnected)) }
    };
    // SAFETY: the closure makes a few system calls and allocates nothing, which is all that may
    // happen between fork and exec.
    unsafe { command.pre_exec(prepare) };
}

/// Starts a command as the leader of a session of its own, so that no terminal's end reaches it.
pub fn detached(command: &mut Command, log: File) -> io::Result<Pid> {
    keep_files();
    let errors = log.try_clone()?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    // SAFETY: one system call, no allocation.
    unsafe { command.pre_exec(|| setsid().map(drop).map_err(io::Error::from)) };
    Ok(pid_of(&command.spawn()?))
}

fn pid_of(child: &std::process::Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}
