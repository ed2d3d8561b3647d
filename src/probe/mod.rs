//! Questions to running servers, and what the answers mean: is it ready, is it healthy, is it ours.
//!
//! Each probe is one blocking call with one deadline over all of it, safe to make from a short-lived
//! thread. Nothing here writes anywhere, knows of supervision or commands, or starts a process (but
//! for `server`, which asks a program for its version).

mod connect;
mod deadline;
mod http;
mod port;
mod redis;
mod redis_answer;
mod server;

pub use connect::{ConnectAnswer, tcp, unix};
pub use http::{HttpUrl, get as http_get};
pub use port::{Listener, PortProblem, check_free, listener};
pub use redis::ask as ask_redis;
pub use redis_answer::{RedisAnswer, unverified};
pub use server::{ServerProblem, find_server, server_version};
