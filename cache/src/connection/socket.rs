//! The plain socket below a connection: bytes out and in, each transfer within its limit.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::limit::Limit;
use crate::connect::remaining;
use crate::error::{Phase, RedisError};
use crate::interrupt::is_interrupted;
use crate::tls::TlsError;

/// Why no more bytes pass. The connection is of no more use.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server has closed it.
    Closed,
    /// The limit is reached.
    TimedOut,
    /// TLS has come to nothing.
    Tls(TlsError),
    /// A signal has come, and the program wants to go on with that.
    Interrupted,
    /// Anything else.
    Io(Errno),
}

impl Fault {
    /// As an error of the server at `address`; `mid_reply` says that a part of a reply had come.
    pub(super) fn into_error(
        self,
        address: String,
        phase: Phase,
        limit: Limit,
        mid_reply: bool,
    ) -> RedisError {
        match self {
            Self::Closed => RedisError::Closed { address, mid_reply },
            Self::TimedOut => RedisError::TimedOut { address, phase, deadline: limit.whole },
            Self::Tls(source) => RedisError::Tls { address, source },
            Self::Interrupted => RedisError::Interrupted { address },
            Self::Io(error) => RedisError::Io { address, source: error.into() },
        }
    }
}

impl From<TlsError> for Fault {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<Errno> for Fault {
    fn from(error: Errno) -> Self {
        match error {
            Errno::AGAIN | Errno::TIMEDOUT => Self::TimedOut,
            Errno::PIPE | Errno::CONNRESET => Self::Closed,
            error => Self::Io(error),
        }
    }
}

/// After a signal: whether to go on waiting.
fn interrupted() -> Result<(), Fault> {
    if is_interrupted() { Err(Fault::Interrupted) } else { Ok(()) }
}

#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// The socket's own time limits, so that they are set only when they must change.
    armed_receive: Duration,
    armed_send: Duration,
}

impl Socket {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd, armed_receive: Duration::ZERO, armed_send: Duration::ZERO }
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, bytes: &[u8], limit: Limit) -> Result<(), Fault> {
        let (mut sent, mut first) = (0, true);
        while sent < bytes.len() {
            self.arm(Timeout::Send, limit, first)?;
            first = false;
            // A closed peer must not raise SIGPIPE: the host program may not ignore it.
            match send(&self.fd, &bytes[sent..], SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => interrupted()?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for more bytes, and appends as many as there are and fit the spare capacity. `first` says
    /// that these begin a reply.
    pub(crate) fn receive(&mut self, into: &mut Vec<u8>, mut first: bool, limit: Limit) -> Result<(), Fault> {
        loop {
            self.arm(Timeout::Recv, limit, first)?;
            match recv(&self.fd, rustix::buffer::spare_capacity(into), RecvFlags::empty()) {
                Ok((0, _)) => return Err(Fault::Closed),
                Ok(_) => return Ok(()),
                // The next wait is for the time that is left: signals that keep coming must not put the end off.
                Err(Errno::INTR) => first = false,
                Err(error) => return Err(error.into()),
            }
            interrupted()?;
        }
    }

    /// What has arrived unasked, without waiting.
    pub(crate) fn receive_waiting<'a>(&self, into: &'a mut [u8]) -> &'a [u8] {
        let count = recv(&self.fd, &mut *into, RecvFlags::DONTWAIT).map_or(0, |(_, count)| count);
        &into[..count.min(into.len())]
    }

    /// Gives the socket its time limit for the next wait.
    ///
    /// The usual reply comes in one piece, and the socket still has the whole deadline from the command
    /// before: then there is nothing to do, not even to look at the clock. Later pieces get the time that
    /// is left, rounded up to sixteenths, so that a large reply does not set it at every piece.
    fn arm(&mut self, which: Timeout, limit: Limit, first: bool) -> Result<(), Fault> {
        let armed = match which {
            Timeout::Send => &mut self.armed_send,
            Timeout::Recv => &mut self.armed_receive,
        };
        if first && *armed == limit.whole {
            return Ok(());
        }
        let Some(left) = remaining(limit.end) else { return Err(Fault::TimedOut) };
        let time = limit.round_up(left);
        if *armed != time {
            set_socket_timeout(&self.fd, which, Some(time))?;
            *armed = time;
        }
        Ok(())
    }
}
