//! A command's end of the control socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::protocol::{Greeting, Reply, Request, StatusReport};
use super::socket;
use crate::error::{Error, Problem, Result, plain_io};
use crate::exit_code::ExitCode;
use crate::supervise::{Lock, has_ended};

/// How long a supervisor that holds the lock may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a running supervisor.
#[derive(Debug)]
pub struct Client {
    bench: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the bench's supervisor, or says that there is none.
    pub fn connect(bench: &Path) -> Result<Self> {
        let started = Instant::now();
        loop {
            let Some(holder) = Lock::holder(bench)? else { return Err(not_running(bench)) };
            match Self::try_connect(bench) {
                Ok(client) => return Ok(client),
                // It may be just about to listen, or to end.
                Err(_) if started.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
                Err(source) => {
                    let pid = holder.pid.map_or_else(String::new, |pid| format!(", pid {pid},"));
                    return Err(Problem::new(format!(
                        "the supervisor{pid} does not answer: {}",
                        plain_io(&source)
                    ))
                    .at(socket::path(bench).display())
                    .fix("if it is stuck, end it with SIGKILL: its guard ends the rest")
                    .into());
                }
            }
        }
    }

    fn try_connect(bench: &Path) -> io::Result<Self> {
        let stream = socket::connect(bench)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { bench: bench.to_owned(), stream: BufReader::new(stream) };
        // Whatever its version: the requests that both know still work.
        let _: Greeting = serde_json::from_str(&client.line()?)?;
        Ok(client)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }

    /// Sends a request.
    pub fn send(&mut self, request: &Request) -> Result<()> {
        let mut line = serde_json::to_string(request).unwrap_or_default();
        line.push('\n');
        let stream = self.stream.get_mut();
        stream.write_all(line.as_bytes()).map_err(|source| self.lost(&source))
    }

    /// Waits for the next reply; none when the supervisor has ended.
    pub fn receive(&mut self, patience: Option<Duration>) -> Result<Option<Reply>> {
        self.stream.get_ref().set_read_timeout(patience).map_err(|source| self.lost(&source))?;
        match self.line() {
            Ok(line) => serde_json::from_str(&line).map(Some).map_err(|error| self.lost(&error.into())),
            Err(source)
                if matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) =>
            {
                Ok(None)
            }
            Err(source) => Err(self.lost(&source)),
        }
    }

    /// Sends a request and waits for its one reply.
    pub fn ask(&mut self, request: &Request, patience: Option<Duration>) -> Result<Reply> {
        self.send(request)?;
        match self.receive(patience)? {
            Some(Reply::Failed { what, fix }) => {
                let problem = Problem::new(what);
                Err(fix.map_or_else(|| problem.clone(), |fix| problem.clone().fix(fix)).into())
            }
            Some(reply) => Ok(reply),
            None => Err(not_running(&self.bench)),
        }
    }

    fn lost(&self, source: &io::Error) -> Error {
        let what = match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                "the supervisor did not answer in time".to_owned()
            }
            _ => format!("lost the supervisor: {}", plain_io(source)),
        };
        Problem::new(what).at(socket::path(&self.bench).display()).into()
    }
}

/// Waits until every program of a bench that was just started is ready or has failed; none when the
/// process that was started ended instead.
pub fn wait_until_up(bench: &Path, pid: Pid) -> Result<Option<StatusReport>> {
    loop {
        if has_ended(pid) {
            return Ok(None);
        }
        let report =
            Client::try_connect(bench).ok().map(|mut client| client.ask(&Request::Status, Some(PATIENCE)));
        if let Some(Ok(Reply::Status(report))) = report
            && report
                .programs
                .iter()
                .all(|program| matches!(program.state.as_str(), "ready" | "failed" | "stopped"))
        {
            return Ok(Some(report));
        }
        // There is no message for "all are ready": each state is looked at.
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn not_running(bench: &Path) -> Error {
    let problem =
        Problem::new("the bench is not running").at(bench.display()).fix("start it with `bench start`");
    Error::with_code(ExitCode::NotRunning, vec![problem])
}
