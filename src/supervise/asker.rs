//! Asking readiness and health questions. Each is asked on a short-lived thread, because an answer
//! may take its whole timeout, and the supervisor never waits.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid};

use super::machine::Id;
use super::plan::Question;
use super::{family, spawn};
use crate::error::plain_io;
use crate::probe::{self, HttpUrl, RedisAnswer};
use crate::settings::Probe;

/// The most of an exec probe's output that is kept for its complaint.
const COMPLAINT: usize = 4096;
/// How many of these fill a pipe.
const PIPE_BLOCKS: usize = 16;
/// How often it is looked at whether an exec probe ended, in milliseconds.
const LOOK_EVERY: u8 = 2;

/// The questions that are being asked, and their answers.
pub struct Asker {
    answers: Receiver<Answer>,
    sender: Sender<Answer>,
    bell: Arc<EventFd>,
}

/// The answer to a question about one process.
#[derive(Debug)]
pub struct Answer {
    /// Whom it was about.
    pub id: Id,
    /// The process it was asked of: it may be gone by now.
    pub pid: i32,
    /// The answer.
    pub verdict: Verdict,
}

/// Whether all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Well {
        /// The process that answered, where the answer says so.
        server: Option<i32>,
    },
    /// Not (yet), and why.
    NotWell {
        /// The reason, for the user.
        why: String,
        /// It is alive and at work: loading, or busy.
        at_work: bool,
    },
}

impl Verdict {
    const WELL: Self = Self::Well { server: None };

    fn not_well(why: impl Into<String>) -> Self {
        Self::NotWell { why: why.into(), at_work: false }
    }
}

/// A question, and all that asking it takes.
pub struct Ask {
    /// Whom it is about.
    pub id: Id,
    /// Its process.
    pub pid: i32,
    /// The question.
    pub question: Question,
    /// How long the answer may take.
    pub timeout: Duration,
    /// For an exec probe: where it runs, and its environment.
    pub cwd: PathBuf,
    /// The same environment as the program's.
    pub env: Vec<(std::ffi::OsString, std::ffi::OsString)>,
}

impl Asker {
    /// Nothing is asked yet.
    pub fn new() -> io::Result<Self> {
        let (sender, answers) = mpsc::channel();
        let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        Ok(Self { answers, sender, bell })
    }

    /// Asks.
    pub fn ask(&self, ask: Ask) -> io::Result<()> {
        let (sender, bell) = (self.sender.clone(), Arc::clone(&self.bell));
        thread::Builder::new().name("probe".into()).stack_size(128 * 1024).spawn(move || {
            let (id, pid) = (ask.id, ask.pid);
            let verdict = answer(ask);
            // Gone only when the supervisor is.
            if sender.send(Answer { id, pid, verdict }).is_ok() {
                let _ = bell.write(1);
            }
        })?;
        Ok(())
    }

    /// Readable when there are answers.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// The answers that came.
    pub fn take(&self) -> Vec<Answer> {
        // Empty already: nothing to clear.
        let _ = self.bell.read();
        self.answers.try_iter().collect()
    }
}

fn answer(ask: Ask) -> Verdict {
    match ask.question {
        Question::Redis(url) => redis(&probe::ask_redis(&url, ask.timeout), ask.pid, &url.to_string()),
        Question::Plain(Probe::Tcp(port)) => {
            let answer = probe::tcp("127.0.0.1", port.number(), ask.timeout);
            if answer.is_open() {
                Verdict::WELL
            } else {
                Verdict::not_well(format!("port {port}: {}", answer.describe()))
            }
        }
        Question::Plain(Probe::Http { url, host }) => match HttpUrl::parse(&url) {
            Ok(target) => {
                let answer = probe::http_get(&target, host.as_deref(), ask.timeout);
                if answer.is_ok() {
                    Verdict::WELL
                } else {
                    Verdict::not_well(format!("{url}: {}", answer.describe()))
                }
            }
            Err(error) => Verdict::not_well(error.to_string()),
        },
        Question::Plain(Probe::Exec(line)) => exec(&line, &ask.cwd, &ask.env, ask.timeout)
            .unwrap_or_else(|source| Verdict::not_well(plain_io(&source))),
        // Answered by what the program itself says; being asked, there is nothing to know.
        Question::Plain(Probe::Notify) => Verdict::not_well("it has not said READY=1"),
        Question::Plain(Probe::Log(text)) => Verdict::not_well(format!("its output has not said `{text}`")),
        Question::Plain(Probe::Redis) => Verdict::not_well("no address is known for it"),
    }
}

/// Ready means: this very server answers. A stranger on the same address is not it.
fn redis(answer: &RedisAnswer, pid: i32, address: &str) -> Verdict {
    if !answer.is_ready() {
        return Verdict::NotWell { why: answer.describe(), at_work: answer.is_alive() };
    }
    let Some(process_id) = answer.process_id() else {
        return Verdict::not_well(format!("{address} answers, but does not say its process id"));
    };
    let process_id = process_id.cast_signed();
    // A wrapper script may stand between: then the server is in its process group.
    let in_its_group = || getpgid(Some(Pid::from_raw(process_id))).is_ok_and(|group| group.as_raw() == pid);
    if process_id == pid || in_its_group() {
        Verdict::Well { server: Some(process_id) }
    } else {
        Verdict::not_well(format!("another server answers at {address}: pid {process_id}"))
    }
}

/// Runs a line to its end, or kills it and all it started.
fn exec(
    line: &str,
    cwd: &std::path::Path,
    env: &[(std::ffi::OsString, std::ffi::OsString)],
    timeout: Duration,
) -> io::Result<Verdict> {
    let started = Instant::now();
    let (reader, writer) = io::pipe()?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut command = spawn::shell(line);
    command.current_dir(cwd).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    spawn::end_with_parent(&mut command, Signal::SIGKILL);
    let mut child = command.spawn()?;
    // Its ends of the pipe.
    drop(command);
    let leader = Pid::from_raw(child.id().cast_signed());
    let mut said = Complaint { reader, last: Vec::new() };
    while family::peek(leader).is_none() {
        if started.elapsed() >= timeout {
            family::signal_group(leader, Signal::SIGKILL);
            child.wait()?;
            return Ok(Verdict::not_well(format!("`{line}` did not end within {timeout:?}")));
        }
        said.wait();
    }
    // What it left behind is not part of the answer; the leader still holds the group's id.
    family::signal_group(leader, Signal::SIGKILL);
    let status = child.wait()?;
    if status.success() {
        return Ok(Verdict::WELL);
    }
    let last = said.last_line().map(|line| format!(": {line}"));
    Ok(Verdict::not_well(format!("`{line}` ended with {status}{}", last.unwrap_or_default())))
}

/// What an exec probe says. It may say more than a pipe holds, and leave somebody behind who never
/// closes it: it is read as it comes, only its end is kept, and nobody waits for it to be closed.
struct Complaint {
    reader: PipeReader,
    last: Vec<u8>,
}

impl Complaint {
    /// Waits a moment, or until something is said, and takes it in.
    fn wait(&mut self) {
        let mut fds = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::from(LOOK_EVERY));
        let hung_up = fds[0].revents().is_some_and(|events| !events.contains(PollFlags::POLLIN));
        if ready.is_ok_and(|count| count > 0) && hung_up {
            // Closed already, and still running: only time can tell.
            thread::sleep(Duration::from_millis(LOOK_EVERY.into()));
        }
        self.take_in();
    }

    /// Takes in what there is, at most a pipe full.
    fn take_in(&mut self) {
        let mut block = [0; COMPLAINT];
        for _ in 0..PIPE_BLOCKS {
            match self.reader.read(&mut block) {
                Ok(length) if length > 0 => self.last.extend_from_slice(&block[..length]),
                _ => return,
            }
            self.last.drain(..self.last.len().saturating_sub(COMPLAINT));
        }
    }

    fn last_line(&mut self) -> Option<String> {
        self.take_in();
        let said = String::from_utf8_lossy(&self.last);
        said.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    }
}
