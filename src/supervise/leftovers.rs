//! Processes that an earlier run of a bench started and nobody ended, because its supervisor and its
//! guard were killed. They are no children of anybody who knows them, so a process id alone proves
//! nothing: each is held by a descriptor of the process itself (a pidfd), is checked while that is held,
//! and is signalled only through it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procfs::process::Process;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::RUN_VARIABLE;

/// Where servers are noted, below the bench, and how such a note's name ends.
const NOTES: &str = "config/pids";
const NOTE: &str = ".run";
/// How often it is looked at what is left.
const STEP: Duration = Duration::from_millis(10);
/// How long a process that was killed may take to go.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// One of them.
#[derive(Debug)]
pub struct Leftover {
    /// Its process id.
    pub pid: i32,
    /// Its program: `redis-server`.
    pub program: String,
    /// The instance that it belonged to: `redis_cache`.
    pub instance: String,
    handle: OwnedFd,
}

impl Leftover {
    /// Takes hold of a process that bears the marks of a run.
    fn hold(pid: i32, marks: impl Fn(&Process) -> Option<Marks>) -> Option<Self> {
        let look = || marks(&Process::new(pid).ok()?);
        // Most are told apart without a descriptor.
        let before = look()?;
        let handle = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        // Between the two, the number could have gone to another process. Whoever has it now and is
        // still alive after it was looked at is the one that is held.
        let same = look()? == before;
        let held = Self { pid, program: before.program, instance: before.instance, handle };
        (same && !held.has_ended()).then_some(held)
    }

    /// A descriptor of a process is readable once the process ended.
    fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    fn signal(&self, signal: Signal) {
        // It may have ended already, or have taken another user's rights: neither can be helped.
        let _ = pidfd_send_signal(&self.handle, signal);
    }
}

/// What tells a process of a run from all others.
#[derive(PartialEq, Eq)]
struct Marks {
    run: String,
    instance: String,
    program: String,
    started: u64,
}

fn marks(process: &Process, bench: &Path, but: Option<&str>) -> Option<Marks> {
    let env = process.environ().ok()?;
    let variable = |name: &str| env.get(OsStr::new(name));
    let run = variable(RUN_VARIABLE)?.to_str()?.to_owned();
    let of_this_bench = variable("BENCH_DIR").is_some_and(|dir| Path::new(dir) == bench);
    if !of_this_bench || but.is_some_and(|but| but == run) {
        return None;
    }
    let stat = process.stat().ok()?;
    let instance =
        variable(super::INSTANCE_VARIABLE).map_or_else(String::new, |name| name.to_string_lossy().into());
    (stat.state != 'Z').then_some(Marks { run, instance, program: stat.comm, started: stat.starttime })
}

/// All of them. `but`: the run that is under way.
pub fn find(bench: &Path, but: Option<&str>) -> Vec<Leftover> {
    let Ok(processes) = procfs::process::all_processes() else { return Vec::new() };
    let me = std::process::id().cast_signed();
    // A program of this very bench may have called us: it is then an ancestor of ours.
    let ancestors = ancestors(me);
    let notes = notes(bench);
    processes
        .filter_map(Result::ok)
        .filter(|process| process.pid != me && !ancestors.contains(&process.pid))
        .filter_map(|process| {
            let server = notes.iter().find(|note| note.pid == process.pid);
            let marks = |process: &Process| {
                marks(process, bench, but).or_else(|| server.and_then(|note| note.marks(process, but)))
            };
            Leftover::hold(process.pid, marks)
        })
        .collect()
}

/// A server that answered, as it was noted.
struct Note {
    instance: String,
    run: String,
    pid: i32,
    started: u64,
}

impl Note {
    /// Of a file that was written since the machine was booted.
    fn read(path: &Path) -> Option<Self> {
        let instance = path.file_name()?.to_str()?.strip_suffix(NOTE)?.to_owned();
        let mut text = String::new();
        File::open(path).ok()?.take(256).read_to_string(&mut text).ok()?;
        let mut words = text.split_ascii_whitespace();
        if words.next() != Some(boot_id()?.as_str()) {
            return None;
        }
        let (pid, started) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { instance, run: words.next()?.to_owned(), pid, started })
    }

    fn marks(&self, process: &Process, but: Option<&str>) -> Option<Marks> {
        let stat = process.stat().ok()?;
        let is_it = process.pid == self.pid && stat.starttime == self.started && stat.state != 'Z';
        (is_it && but != Some(self.run.as_str())).then(|| Marks {
            run: self.run.clone(),
            instance: self.instance.clone(),
            program: stat.comm,
            started: stat.starttime,
        })
    }
}

/// Notes the process that answered as an instance's server.
pub(super) fn note(bench: &Path, instance: &str, run: &str, pid: i32) {
    let stat = Process::new(pid).and_then(|process| process.stat());
    let (Ok(stat), Some(boot)) = (stat, boot_id()) else { return };
    let path = bench.join(NOTES).join(format!("{instance}{NOTE}"));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path);
    // For the day when supervisor and guard are both killed; a full disk must not stop a bench.
    let _ = file.and_then(|mut file| writeln!(file, "{boot} {pid} {} {run}", stat.starttime));
}

fn notes(bench: &Path) -> Vec<Note> {
    let Ok(entries) = std::fs::read_dir(bench.join(NOTES)) else { return Vec::new() };
    entries.flatten().filter_map(|entry| Note::read(&entry.path())).collect()
}

fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

fn ancestors(mut pid: i32) -> BTreeSet<i32> {
    let mut ancestors = BTreeSet::new();
    while pid > 1
        && let Ok(stat) = Process::new(pid).and_then(|process| process.stat())
    {
        pid = stat.ppid;
        ancestors.insert(pid);
    }
    ancestors
}

/// Asks them to end, and what they start meanwhile; kills what is left after the grace period. Says
/// which ones ended, and which would not.
pub fn end(bench: &Path, but: Option<&str>, grace: Duration) -> (Vec<Leftover>, Vec<Leftover>) {
    let started = Instant::now();
    let mut known: Vec<Leftover> = Vec::new();
    loop {
        for found in find(bench, but) {
            if !known.iter().any(|one| one.pid == found.pid && !one.has_ended()) {
                found.signal(Signal::TERM);
                // A stopped process can't act on any other signal.
                found.signal(Signal::CONT);
                known.push(found);
            }
        }
        let alive = known.iter().filter(|one| !one.has_ended());
        if started.elapsed() >= grace {
            alive.clone().for_each(|one| one.signal(Signal::KILL));
        }
        if alive.count() == 0 || started.elapsed() >= grace + LAST_PATIENCE {
            return known.into_iter().partition(Leftover::has_ended);
        }
        thread::sleep(STEP);
    }
}
