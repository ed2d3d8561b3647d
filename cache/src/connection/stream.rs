//! What carries a connection's bytes: the socket itself, or TLS on it.

use super::limit::Limit;
#[cfg(feature = "tls")]
use super::listener;
use super::socket::{Fault, Socket};
use crate::connect;
use crate::error::{Phase, RedisError};
use crate::tls::TlsError;
use crate::url::{Address, RedisUrl, TlsOptions};

pub(super) enum Stream {
    Plain(Socket),
    #[cfg(feature = "tls")]
    Tls(Box<crate::tls::Session>),
}

impl Stream {
    /// Connects by `limit`, and shakes hands if the URL asks for TLS.
    pub(super) fn open(url: &RedisUrl, limit: Limit) -> Result<Self, RedisError> {
        let connect = || connect::open(url, limit.end, limit.whole).map(Socket::new);
        let Some(options) = url.tls() else { return connect().map(Self::Plain) };
        let failed = |fault: Fault| fault.into_error(url.address().to_string(), Phase::Connect, limit, false);
        // Without it a server need not be troubled.
        let prepared = Prepared::of(options).map_err(|error| failed(error.into()))?;
        prepared.secure(connect()?, url.address(), limit).map_err(failed)
    }

    /// Sends all of it.
    pub(super) fn send(&mut self, bytes: &[u8], limit: Limit) -> Result<(), Fault> {
        match self {
            Self::Plain(socket) => socket.send(bytes, limit),
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.send(bytes, limit),
        }
    }

    /// Waits for more bytes, and appends what has come. `first` says that these begin a reply.
    pub(super) fn receive(&mut self, into: &mut Vec<u8>, first: bool, limit: Limit) -> Result<(), Fault> {
        match self {
            Self::Plain(socket) => socket.receive(into, first, limit),
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.receive(into, first, limit),
        }
    }

    /// What has arrived unasked, without waiting.
    pub(super) fn receive_waiting(&mut self, into: &mut Vec<u8>, limit: Limit) -> Result<(), Fault> {
        let _ = limit;
        match self {
            Self::Plain(socket) => {
                into.extend_from_slice(socket.receive_waiting(&mut [0; 512]));
                Ok(())
            }
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.receive_waiting(into, limit),
        }
    }
}

/// What a handshake takes, as far as it can be had without the server.
#[cfg(feature = "tls")]
struct Prepared(crate::tls::Config);

#[cfg(feature = "tls")]
impl Prepared {
    fn of(options: &TlsOptions) -> Result<Self, TlsError> {
        crate::tls::Config::of(options).map(Self)
    }

    fn secure(self, socket: Socket, address: &Address, limit: Limit) -> Result<Stream, Fault> {
        let host = match address {
            Address::Tcp { host, .. } | Address::Tls { host, .. } => host,
            Address::Unix(_) => "localhost",
        };
        let is_plain = || listener::speaks_plainly(address, limit.end);
        crate::tls::Session::open(socket, host, self.0, limit, is_plain).map(Box::new).map(Stream::Tls)
    }
}

/// There is none.
#[cfg(not(feature = "tls"))]
enum Prepared {}

#[cfg(not(feature = "tls"))]
impl Prepared {
    fn of(_: &TlsOptions) -> Result<Self, TlsError> {
        Err(TlsError::NotBuilt)
    }

    fn secure(self, _: Socket, _: &Address, _: Limit) -> Result<Stream, Fault> {
        match self {}
    }
}
