//! What the user is told about an instance, and its wording.

use std::fmt;
use std::time::Duration;

use super::super::exit::Exit;

/// One remark of the supervisor's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It does its work, so long after its start.
    Ready(Duration),
    /// It is not ready after a long time, and why.
    SlowStart(String),
    /// It was given up, and why.
    NeverReady(String),
    /// It can't be started, and why.
    NotSpawned(String),
    /// Its process ended.
    Ended {
        /// How.
        exit: Exit,
        /// Whether it was asked to.
        expected: bool,
    },
    /// It is started again after a while.
    Backoff {
        /// How long.
        wait: Duration,
        /// Which restart in a row this is.
        attempt: u32,
        /// How many there may be.
        limit: u32,
    },
    /// It stays down, after this last end. Its last lines follow.
    Failed(Option<Exit>),
    /// Without it there is no bench.
    EndsTheBench,
    /// What it had left behind is gone too.
    Swept,
    /// It did not stop in time.
    Killed(Duration),
    /// What it had started did not end in time.
    LeftoversKilled,
    /// Its health is in doubt.
    Unanswered {
        /// Why.
        why: String,
        /// How many times in a row.
        failures: u32,
        /// How many there may be.
        limit: u32,
    },
    /// Its health is no longer in doubt.
    HealthyAgain,
    /// It holds too much memory.
    OverMemory(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(after) => write!(f, "ready after {}", short(*after)),
            Self::SlowStart(why) if why.is_empty() => f.write_str("is not ready yet"),
            Self::SlowStart(why) => write!(f, "is not ready yet: {why}"),
            Self::NeverReady(why) if why.is_empty() => f.write_str("did not get ready, starting it again"),
            Self::NeverReady(why) => write!(f, "did not get ready, starting it again: {why}"),
            Self::NotSpawned(why) => write!(f, "can't be started: {why}"),
            Self::Ended { exit, expected: true } => write!(f, "stopped ({exit})"),
            Self::Ended { exit, expected: false } if exit.is_kill() => {
                write!(f, "ended: {exit}, perhaps because memory ran out")
            }
            Self::Ended { exit, expected: false } => write!(f, "ended: {exit}"),
            Self::Backoff { wait, attempt, limit } => {
                write!(f, "starting again in {} (restart {attempt} of {limit})", short(*wait))
            }
            Self::Failed(Some(exit)) => write!(f, "failed: {exit}; it stays down"),
            Self::Failed(None) => f.write_str("failed; it stays down"),
            Self::EndsTheBench => f.write_str("the bench can't run without it, stopping"),
            Self::Swept => f.write_str("and all it had started are gone"),
            Self::Killed(waited) => write!(f, "did not stop within {}, killing it", short(*waited)),
            Self::LeftoversKilled => f.write_str("left processes that did not end, killing them"),
            Self::Unanswered { why, failures, limit } => {
                write!(f, "unhealthy ({failures} of {limit}): {why}")
            }
            Self::HealthyAgain => f.write_str("healthy again"),
            Self::OverMemory(how_much) => write!(f, "holds {how_much}, starting it again"),
        }
    }
}

/// A duration to read at a glance: `12 ms`, `3.4 s`, `2 min`.
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        format!("{} ms", duration.as_millis())
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min", duration.as_secs() / 60)
    }
}
