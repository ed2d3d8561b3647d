//! The crate against a real redis-server, and against servers that misbehave.

#[cfg(feature = "async")]
mod asynchronous;
mod cache;
mod certificates;
mod connection;
#[cfg(feature = "macros")]
mod decorated;
mod documents;
mod documents_property;
mod faults;
mod flush;
mod memo;
mod proxy;
mod questions;
mod request;
mod server;
mod stats;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "serde")]
mod typed;
