//! TLS below a connection: who is trusted, the handshake, and what can be wrong with either.
//!
//! Nothing of it is touched before the first connection to a `rediss://` URL. There is no way back to a
//! plain connection: what the URL asks for is got, or nothing.

#[cfg(feature = "tls")]
mod config;
mod error;
#[cfg(feature = "tls")]
mod refusal;
#[cfg(feature = "tls")]
mod session;
#[cfg(feature = "tls")]
mod verifier;

pub use error::TlsError;
#[cfg(feature = "tls")]
pub(crate) use {config::Config, session::Session};
