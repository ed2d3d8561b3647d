//! The cache of a DontManage bench, for Rust workers and for the `bench` tool.
#![forbid(unsafe_code)]

mod breaker;
mod client;
mod connect;
mod connection;
mod error;
mod event;
mod info;
pub mod pickle;
mod pool;
mod resp;
mod server_error;
mod stats;
mod url;
mod value;

pub use breaker::Backoff;
pub use client::{Call, Client, ClientOptions};
pub use connection::{Connection, Deadlines, Pipeline};
pub use error::{Phase, RedisError};
pub use event::Event;
pub use info::Info;
pub use resp::{ProtocolError, Reply, ReplyRef};
pub use server_error::{ServerError, ServerErrorKind};
pub use stats::Stats;
pub use url::{Address, DEFAULT_PORT, MAX_SOCKET_PATH, RedisUrl, UrlError};
pub use value::{BigInt, BigIntError, Date, DateTime, Time, TimeError, Timedelta, UtcOffset, Value};
