//! Which redis-server this machine has. The one probe that starts a process: call it from the main
//! thread, and not while programs are supervised.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::deadline::{Deadline, timed_out};
use super::http::shown;
use crate::error::{Problem, plain_io};
use crate::settings::ServerVersion;

/// The programs that are looked for on the PATH, the better known first.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// More than this is not read of what a program says to `--version`.
const MAX_WORDS: usize = 4 * 1024;

/// Why there is no server to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerProblem {
    /// Nothing of these names on the PATH.
    NotInstalled,
    /// The settings name a program that is not there, or may not be run.
    NotFound(PathBuf),
    /// It could not be run.
    NotRunnable(PathBuf, String),
    /// It did not say its version in time.
    TimedOut(PathBuf, Duration),
    /// It says something else than a version of a server.
    NotAServer(PathBuf, String),
}

impl ServerProblem {
    /// What is wrong and how to mend it.
    pub fn problem(&self) -> Problem {
        let name_another = "correct it with `bench config set redis_cache.binary PATH`";
        match self {
            Self::NotInstalled => Problem::new("no redis-server is installed").fix(
                "install it with `apt-get install redis-server`, or name it with `bench config set \
                 redis_cache.binary PATH`",
            ),
            Self::NotFound(path) => {
                Problem::new(format!("`{}` is no program that can be run", path.display())).fix(name_another)
            }
            Self::NotRunnable(path, why) => {
                Problem::new(format!("cannot run `{} --version`: {why}", path.display())).fix(name_another)
            }
            Self::TimedOut(path, limit) => {
                let limit = limit.as_secs_f64();
                Problem::new(format!("`{} --version` did not answer within {limit} s", path.display()))
                    .fix(name_another)
            }
            Self::NotAServer(path, said) => {
                Problem::new(format!("`{}` is no redis-server: it says `{said}`", path.display()))
                    .fix(name_another)
            }
        }
    }
}

/// The server's program: the one that the settings name, else redis-server, else valkey-server of the PATH.
pub fn find_server(binary: Option<&Path>) -> Result<PathBuf, ServerProblem> {
    match binary {
        Some(named) => which::which(named).map_err(|_| ServerProblem::NotFound(named.to_owned())),
        None => PROGRAMS.iter().find_map(|name| which::which(name).ok()).ok_or(ServerProblem::NotInstalled),
    }
}

/// Asks the program for its version.
pub fn server_version(program: &Path, limit: Duration) -> Result<ServerVersion, ServerProblem> {
    let failed = |error: &io::Error| {
        if timed_out(error) {
            ServerProblem::TimedOut(program.to_owned(), limit)
        } else {
            ServerProblem::NotRunnable(program.to_owned(), plain_io(error))
        }
    };
    let mut child = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&error))?;
    let said = first_line(&mut child, Deadline::after(limit));
    // Whatever it is doing still, and whatever it started, it has said what was asked, or never will.
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        // It may have ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
    }
    // Killed, so this does not wait.
    let _ = child.wait();
    let said = said.map_err(|error| failed(&error))?;
    ServerVersion::parse(&String::from_utf8_lossy(&said))
        .ok_or_else(|| ServerProblem::NotAServer(program.to_owned(), shown(&said)))
}

/// What it says until its version is known, the end, or the limit. Does not wait for the end itself: a
/// process that it started may hold the pipe.
fn first_line(child: &mut Child, deadline: Deadline) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let Some(mut pipe) = child.stdout.take() else { return Ok(said) };
    loop {
        let left = PollTimeout::try_from(deadline.left()?).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(&pipe), PollFlags::POLLIN)];
        match poll(&mut fds, left) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut chunk = [0; 512];
        let count = pipe.read(&mut chunk)?;
        said.extend_from_slice(&chunk[..count]);
        let known = said.contains(&b'\n') && ServerVersion::parse(&String::from_utf8_lossy(&said)).is_some();
        if count == 0 || known || said.len() > MAX_WORDS {
            return Ok(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("server");
        // Written by another process: a file that this one has open for writing could not be run if a
        // test beside this one forked just now.
        let written = Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .arg(script)
            .status();
        assert!(written.is_ok_and(|status| status.success()), "a written file");
        path
    }

    #[test]
    fn the_installed_server_is_found_and_says_its_version() {
        let path = find_server(None).expect("redis-server; install it with `apt-get install redis-server`");
        let version = server_version(&path, SOON).expect("a version");
        assert!(version.understands_redis(6, 0), "{version}");
    }

    #[test]
    fn the_server_that_the_settings_name_is_the_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = program(folder.path(), "echo 'Valkey server v=8.1.3 sha=0'");
        assert_eq!(find_server(Some(&path)), Ok(path.clone()));
        assert_eq!(server_version(&path, SOON).map(|v| v.to_string()), Ok("valkey 8.1.3".to_owned()));

        let none = folder.path().join("none");
        assert_eq!(find_server(Some(&none)), Err(ServerProblem::NotFound(none.clone())));
        std::fs::write(&none, "").expect("a written file");
        assert_eq!(find_server(Some(&none)), Err(ServerProblem::NotFound(none)));
    }

    #[test]
    fn a_program_that_is_no_server_is_named_with_its_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = program(folder.path(), "printf 'Python \\033[2J 3.11\\n'");
        let Err(problem) = server_version(&path, SOON) else { panic!("it is no server") };
        assert!(problem.problem().to_string().contains("it says `Python \\u{1b}[2J 3.11`"), "{problem:?}");
    }

    #[test]
    fn a_version_that_is_never_said_is_given_up_and_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let pids = folder.path().join("pids");
        let path = program(folder.path(), &format!("sleep 600 & echo $$ $! > {}; wait", pids.display()));
        let started = Instant::now();
        let limit = Duration::from_millis(300);
        assert_eq!(server_version(&path, limit), Err(ServerProblem::TimedOut(path, limit)));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        for pid in std::fs::read_to_string(pids).expect("two process ids").split_whitespace() {
            let pid: i32 = pid.parse().expect("a number");
            crate::testing::until("it is gone", || {
                let stat = procfs::process::Process::new(pid).and_then(|process| process.stat());
                stat.map_or(Some(()), |stat| (stat.state == 'Z').then_some(()))
            });
        }
    }

    #[test]
    fn a_flood_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = program(folder.path(), "yes");
        assert_eq!(server_version(&path, SOON), Err(ServerProblem::NotAServer(path, "y".to_owned())));
    }
}
