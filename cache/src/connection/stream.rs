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
        let socket = Socket::new(connect::open(url, limit.end, limit.whole)?);
        let Some(options) = url.tls() else { return Ok(Self::Plain(socket)) };
        Self::secured(socket, url.address(), options, limit)
            .map_err(|fault| fault.into_error(url.address().to_string(), Phase::Connect, limit, false))
    }

    #[cfg(feature = "tls")]
    fn secured(socket: Socket, address: &Address, options: &TlsOptions, limit: Limit) -> Result<Self, Fault> {
        let Address::Tls { host, .. } = address else { return Err(TlsError::NotBuilt.into()) };
        let is_plain = || listener::speaks_plainly(address, limit.end);
        Ok(Self::Tls(Box::new(crate::tls::Session::open(socket, host, options, limit, is_plain)?)))
    }

    #[cfg(not(feature = "tls"))]
    fn secured(_: Socket, _: &Address, _: &TlsOptions, _: Limit) -> Result<Self, Fault> {
        Err(TlsError::NotBuilt.into())
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
