//! Asking readiness and health questions. Each is asked on a short-lived thread, because an answer
//! may take its whole timeout, and the supervisor never waits.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid};

use super::machine::Id;
use super::plan::Question;
use super::{family, spawn};
use crate::error::plain_io;
use crate::probe::{self, HttpUrl, RedisAnswer};
use crate::settings::Probe;

/// The most of an exec probe's output that is read for its complaint.
const COMPLAINT: u64 = 4096;

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
    Well,
    /// Not (yet), and why.
    NotWell {
        /// The reason, for the user.
        why: String,
        /// It is alive and at work: loading, or busy.
        at_work: bool,
    },
}

impl Verdict {
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
                Verdict::Well
            } else {
                Verdict::not_well(format!("port {port}: {}", answer.describe()))
            }
        }
        Question::Plain(Probe::Http { url, host }) => match HttpUrl::parse(&url) {
            Ok(target) => {
                let answer = probe::http_get(&target, host.as_deref(), ask.timeout);
                if answer.is_ok() {
                    Verdict::Well
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
        Verdict::Well
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
    let mut command = spawn::shell(line);
    command.current_dir(cwd).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    spawn::end_with_parent(&mut command, Signal::SIGKILL);
    let mut child = command.spawn()?;
    // Its ends of the pipe.
    drop(command);
    let leader = Pid::from_raw(child.id().cast_signed());
    while family::peek(leader).is_none() {
        if started.elapsed() >= timeout {
            family::signal_group(leader, Signal::SIGKILL);
            child.wait()?;
            return Ok(Verdict::not_well(format!("`{line}` did not end within {timeout:?}")));
        }
        thread::sleep(Duration::from_millis(2));
    }
    // What it left behind is not part of the answer; the leader still holds the group's id.
    family::signal_group(leader, Signal::SIGKILL);
    let status = child.wait()?;
    if status.success() {
        return Ok(Verdict::Well);
    }
    let mut said = String::new();
    // Only a complaint: what can't be read of it is left out.
    let _ = reader.take(COMPLAINT).read_to_string(&mut said);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).map(|line| format!(": {}", line.trim()));
    Ok(Verdict::not_well(format!("`{line}` ended with {status}{}", last.unwrap_or_default())))
}
