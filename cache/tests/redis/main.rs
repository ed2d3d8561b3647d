//! The crate against a real redis-server, and against servers that misbehave.

mod cache;
mod connection;
mod faults;
mod flush;
mod memo;
mod proxy;
mod server;
#[cfg(feature = "serde")]
mod typed;
