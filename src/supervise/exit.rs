//! How a process ended, in words and in facts.

use std::fmt;

use nix::sys::signal::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    /// Whether it counts as done: status 0.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Status(0))
    }

    /// Killed, by whomever: the kernel does it too, to whoever takes the last memory.
    pub const fn is_kill(self) -> bool {
        matches!(self, Self::Signal(number) if number == Signal::SIGKILL as i32)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(number) => match Signal::try_from(number) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
        }
    }
}
