//! One supervisor per bench: a lock that is held, not a file that exists. The guard and the
//! supervisor share it, so it is free when both are gone, however they ended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Problem, Result};
use crate::exit_code::ExitCode;

/// The lock's file, below the bench.
pub const LOCK_FILE: &str = "config/bench.lock";

/// How long somebody who only asks who holds the lock may hold it.
const ASKING: Duration = Duration::from_millis(100);

/// The lock, held for as long as this lives.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the bench's lock, or says who has it.
    pub fn take(bench: &Path) -> Result<Self> {
        let path = bench.join(LOCK_FILE);
        if let Some(folder) = path.parent() {
            // A bench may have no more than its sites.
            std::fs::create_dir_all(folder).map_err(|source| Error::io("make", folder, &source))?;
        }
        let mut file = open(&path)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => {
                    // Until it is signed, nobody is taken for the one before.
                    let _ = file.set_len(0);
                    return Ok(Self(file));
                }
                // Whoever only asks who holds it has it for a moment, too.
                Err(TryLockError::WouldBlock) if started.elapsed() < ASKING => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(TryLockError::WouldBlock) => return Err(held_by(bench, &mut file)),
                Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path, &source)),
            }
        }
    }

    /// Notes who holds it, and for which run, for the one who is refused.
    pub fn sign(&mut self, pid: u32, run_id: &str) {
        // A note only: the lock itself is what counts, and a full disk must not stop a bench.
        let _ = self
            .0
            .set_len(0)
            .and_then(|()| self.0.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(self.0, "{pid}\n{run_id}"));
    }

    /// The supervisor that holds the bench's lock, if one does. Its process id is what it noted.
    pub fn holder(bench: &Path) -> Result<Option<Holder>> {
        let path = bench.join(LOCK_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let mut file = open(&path)?;
        // Shared: two who ask don't take each other for a supervisor.
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(Holder::noted(&mut file))),
            Err(TryLockError::Error(source)) => Err(Error::io("lock", &path, &source)),
        }
    }

    /// Waits until nobody holds the lock; false after the deadline.
    pub fn wait_until_free(bench: &Path, deadline: Duration) -> Result<bool> {
        let started = Instant::now();
        while Self::holder(bench)?.is_some() {
            if started.elapsed() >= deadline {
                return Ok(false);
            }
            // flock has no wait with a deadline.
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(true)
    }
}

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The supervisor's process id, as noted in the file.
    pub pid: Option<u32>,
    /// Its run, as noted in the file.
    pub run_id: Option<String>,
}

impl Holder {
    fn noted(file: &mut File) -> Self {
        let mut text = String::new();
        // A note only: what can't be read of it is left out.
        let _ = file.take(128).read_to_string(&mut text);
        let mut lines = text.lines();
        let pid = lines.next().and_then(|line| line.trim().parse().ok());
        Self { pid, run_id: lines.next().map(|line| line.trim().to_owned()) }
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .map_err(|source| Error::io("open", path, &source))
}

fn held_by(bench: &Path, file: &mut File) -> Error {
    let who = Holder::noted(file).pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
    let problem = Problem::new(format!("this bench is already running{who}"))
        .at(bench.display())
        .fix("run `bench status` to look at it, `bench stop` to stop it");
    Error::with_code(ExitCode::AlreadyRunning, vec![problem])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench() -> tempfile::TempDir {
        let bench = tempfile::tempdir().unwrap();
        std::fs::create_dir(bench.path().join("config")).unwrap();
        bench
    }

    #[test]
    fn a_second_taker_is_refused_and_told_who_holds_it() {
        let bench = bench();
        let mut lock = Lock::take(bench.path()).unwrap();
        lock.sign(4711, "a run");
        let refused = Lock::take(bench.path()).unwrap_err();
        assert_eq!(refused.exit_code(), ExitCode::AlreadyRunning);
        assert!(refused.to_string().contains("pid 4711"), "{refused}");
    }

    #[test]
    fn the_file_alone_means_nothing() {
        let bench = bench();
        drop(Lock::take(bench.path()).unwrap());
        assert!(bench.path().join(LOCK_FILE).exists());
        assert_eq!(Lock::holder(bench.path()).unwrap(), None);
        assert!(Lock::take(bench.path()).is_ok());
    }

    #[test]
    fn whoever_asks_does_not_keep_a_bench_from_being_started() {
        let bench = bench();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    Lock::holder(bench.path()).unwrap();
                    std::thread::yield_now();
                }
            });
            for _ in 0..200 {
                let lock = Lock::take(bench.path());
                done.store(lock.is_err(), std::sync::atomic::Ordering::Relaxed);
                lock.unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
