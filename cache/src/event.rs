//! What is worth a line in a log: the begin and the end of an outage, and nothing in between.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::error::RedisError;
use crate::url::Verification;

/// A change in how well the cache can be used. `Display` is the line for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server is away; calls are misses until it is back.
    OutageBegan {
        /// How it was found out.
        error: &'a RedisError,
    },
    /// The server answers again.
    OutageEnded {
        /// The server's address.
        address: &'a str,
        /// Since the begin.
        lasted: Duration,
        /// Calls that were answered without asking the server.
        skipped: u64,
    },
    /// The server answers, but takes no writes: it is full, a replica, or can't save.
    WritesRefused {
        /// Its words.
        error: &'a RedisError,
    },
    /// The server takes writes again.
    WritesTaken {
        /// The server's address.
        address: &'a str,
    },
    /// A connection by TLS whose URL asks less of the server's certificate than is safe. Told once.
    Unverified {
        /// The server's address.
        address: &'a str,
        /// What is asked of it.
        verification: Verification,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutageBegan { error } => {
                write!(f, "the cache is away, values are computed anew until it is back: {error}")
            }
            Self::OutageEnded { address, lasted, skipped } => write!(
                f,
                "the cache at {address} is back after {:.1} s ({skipped} calls did without it)",
                lasted.as_secs_f64()
            ),
            Self::WritesRefused { error } => {
                write!(f, "the cache takes no new values, old ones are still read: {error}")
            }
            Self::WritesTaken { address } => write!(f, "the cache at {address} takes new values again"),
            Self::Unverified { address, verification } => {
                let (what, option) = match verification {
                    Verification::AnyHost => ("may be that of any host", "ssl_check_hostname=false"),
                    _ => (
                        "is not verified: anybody in between can read and change values",
                        "ssl_cert_reqs=none",
                    ),
                };
                write!(f, "the certificate of the cache at {address} {what} (`{option}`)")
            }
        }
    }
}

/// Takes events where they are wanted; by default, a line on standard error.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn(&Event<'_>) + Send + Sync>);

impl Listener {
    pub(crate) fn new(listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}

impl Default for Listener {
    fn default() -> Self {
        // A log that can't be written must not become a failure of the cache.
        Self::new(|event| drop(writeln!(std::io::stderr(), "dontmanage-cache: {event}")))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
