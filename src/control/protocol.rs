//! What is said over the control socket. The server greets with [`Greeting`]; then each request line
//! gets reply lines.

use serde::{Deserialize, Serialize};

/// The version of this protocol. A client that meets another one still may ask to stop.
pub const VERSION: u32 = 1;

/// The longest line either side accepts.
pub const LONGEST_LINE: usize = 1024 * 1024;

/// The first line of the server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Greeting {
    /// [`VERSION`] of the server.
    pub protocol: u32,
    /// The version of the server's program.
    pub bench: String,
    /// The supervisor's process id.
    pub pid: u32,
}

/// A request. Program names are `web`, for all its instances, or `web.1`; none means all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Answered by [`Reply::Status`].
    Status,
    /// Stop these; without names, everything, and the supervisor ends. Answered when they are down.
    Stop {
        /// Which.
        programs: Vec<String>,
    },
    /// Start these again. Answered when they are ready, or failed.
    Restart {
        /// Which.
        programs: Vec<String>,
    },
    /// Their last lines, each a [`Reply::Line`], then [`Reply::Done`]; or all that follow.
    Logs {
        /// Which.
        programs: Vec<String>,
        /// How many of the last lines.
        lines: usize,
        /// Whether later lines are wanted too.
        follow: bool,
    },
}

/// A line of the server's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The answer to [`Request::Status`].
    Status(StatusReport),
    /// What was asked for is done.
    Done,
    /// It was not.
    Failed {
        /// What happened.
        what: String,
        /// What to do about it.
        fix: Option<String>,
    },
    /// A line of an instance's.
    Line {
        /// The instance's name.
        program: String,
        /// The line, without its end.
        text: String,
    },
    /// So many lines were not sent, because the client did not take them.
    Lost {
        /// How many.
        lines: u64,
    },
}

/// The state of a bench: what `bench status --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The bench's directory.
    pub bench: String,
    /// The supervisor's process id.
    pub pid: u32,
    /// Each instance, in the plan's order.
    pub programs: Vec<ProgramStatus>,
}

/// The state of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgramStatus {
    /// `web.1`, or `web` where it is the only one.
    pub name: String,
    /// `web`
    pub program: String,
    /// waiting, starting, ready, unhealthy, stopping, stopped, backoff or failed.
    pub state: String,
    /// Its process, while it has one.
    pub pid: Option<i32>,
    /// How often it was started again.
    pub restarts: u32,
    /// For how many seconds its process has run.
    pub uptime_s: Option<u64>,
    /// The resident memory of its process group.
    pub rss_bytes: Option<u64>,
    /// How its process last ended.
    pub last_exit: Option<LastExit>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastExit {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}
