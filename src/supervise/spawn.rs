//! Making processes. The only file with `unsafe`: between fork and exec, and after the guard's fork,
//! the standard library can promise nothing, so each place says why it is right.

#![expect(unsafe_code, reason = "fork and pre_exec are unsafe by nature")]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, Pid, fork, getppid, setsid};

use super::plan::{CommandLine, InstanceSpec};

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
pub fn end_with_parent(command: &mut Command, signal: Signal) {
    let parent = Pid::this();
    command.process_group(0);
    let prepare = move || {
        // The supervisor reads its signals instead of being interrupted; a program must be.
        SigSet::empty().thread_set_mask()?;
        prctl::set_pdeathsig(signal)?;
        // The parent may have died before the kernel was asked: then nobody would tell us.
        if getppid() == parent { Ok(()) } else { Err(io::Error::from(io::ErrorKind::NotConnected)) }
    };
    // SAFETY: the closure makes three system calls and allocates nothing, which is all that may
    // happen between fork and exec.
    unsafe { command.pre_exec(prepare) };
}

/// Starts a command as the leader of a session of its own, so that no terminal's end reaches it.
pub fn detached(command: &mut Command, log: File) -> io::Result<Pid> {
    let errors = log.try_clone()?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    // SAFETY: one system call, no allocation.
    unsafe { command.pre_exec(|| setsid().map(drop).map_err(io::Error::from)) };
    Ok(pid_of(&command.spawn()?))
}

fn pid_of(child: &std::process::Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}
