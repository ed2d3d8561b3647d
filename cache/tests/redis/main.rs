//! The crate against a real redis-server, and against servers that misbehave.

mod connection;
mod server;
