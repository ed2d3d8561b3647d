//! The control socket, `config/bench.sock`: how `bench status`, `stop`, `restart` and `logs` reach a
//! running supervisor. One JSON object a line each way.

mod client;
mod connection;
mod protocol;
mod server;
mod socket;

pub use client::{Client, wait_until_up};
pub use protocol::{LastExit, ProgramStatus, Reply, Request, StatusReport};
pub use server::Server;
