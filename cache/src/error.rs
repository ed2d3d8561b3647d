//! What can go wrong between us and a Redis server, so that callers never read messages to tell.

use std::io;
use std::time::Duration;

use crate::resp::ProtocolError;
use crate::server_error::ServerError;
use crate::tls::TlsError;

/// What the deadline was for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Phase {
    /// Making a connection ready: connecting, logging in, choosing the database.
    Connect,
    /// One command: sending it and getting its whole reply.
    Reply,
}

/// A command that got no usable reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// Nothing listens there.
    #[error("no redis-server listens on {address}: {source}")]
    Refused {
        /// The server's address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The address can't be reached: unknown name, no route, no permission.
    #[error("{address} can't be reached: {source}")]
    Unreachable {
        /// The server's address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server is there but took longer than it may. It may be stopped, stuck or overloaded.
    #[error("{address} did not {} within {} ms", match phase { Phase::Connect => "accept a connection", Phase::Reply => "answer" }, deadline.as_millis())]
    TimedOut {
        /// The server's address.
        address: String,
        /// What it was slow at.
        phase: Phase,
        /// How long it had.
        deadline: Duration,
    },
    /// The connection ended before the reply did.
    #[error("{address} closed the connection{}", if *mid_reply { " in the middle of a reply" } else { "" })]
    Closed {
        /// The server's address.
        address: String,
        /// Whether a part of the reply had arrived. If not, the connection may just have been old.
        mid_reply: bool,
    },
    /// Something answers there, but it does not speak Redis' protocol, or not as it should.
    #[error("{address} does not answer as a redis-server does: {source}")]
    NotRedis {
        /// The server's address.
        address: String,
        /// What is wrong with its answer.
        source: ProtocolError,
    },
    /// There is no TLS connection, or there would have to be one. It is never made up for by a plain one.
    #[error("{address}: {source}; {}", source.advice())]
    Tls {
        /// The server's address.
        address: String,
        /// What is wrong.
        source: TlsError,
    },
    /// The server's own refusal.
    #[error("{address} answers: {source}")]
    Server {
        /// The server's address.
        address: String,
        /// The refusal.
        source: ServerError,
    },
    /// Not tried: the server was away a moment ago, and it is not yet time to look again.
    #[error("{address} was away a moment ago; it is tried again in {} ms", retry_in.as_millis())]
    Paused {
        /// The server's address.
        address: String,
        /// When the next call will try.
        retry_in: Duration,
    },
    /// A signal ended the wait, as [`set_interrupt_check`](crate::set_interrupt_check) had it.
    #[error("a signal ended the wait for {address}")]
    Interrupted {
        /// The server's address.
        address: String,
    },
    /// Any other failure of the socket.
    #[error("talking to {address} failed: {source}")]
    Io {
        /// The server's address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

impl RedisError {
    /// The server's refusal, if it answered with one.
    #[must_use]
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            Self::Server { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the server as a whole is away: asking again at once would only cost time.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Server { source, .. } => source.is_outage(),
            // The program had enough of it.
            Self::Interrupted { .. } => false,
            // One value that is too large says nothing about the server.
            Self::NotRedis { source, .. } => !matches!(source, ProtocolError::TooLarge { .. }),
            _ => true,
        }
    }

    /// Whether nothing listens at the address.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether a deadline passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }
}
