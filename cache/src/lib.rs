//! The cache of a DontManage bench, for Rust workers and for the `bench` tool.
#![forbid(unsafe_code)]

mod connect;
mod connection;
mod error;
mod info;
mod resp;
mod server_error;
mod url;

pub use connection::{Connection, Deadlines, Pipeline};
pub use error::{Phase, RedisError};
pub use info::Info;
pub use resp::{ProtocolError, Reply, ReplyRef};
pub use server_error::{ServerError, ServerErrorKind};
pub use url::{Address, DEFAULT_PORT, MAX_SOCKET_PATH, RedisUrl, UrlError};
