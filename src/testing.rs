//! What the unit tests share with the end-to-end tests: a real redis-server, and waiting.

#![allow(dead_code, missing_docs, reason = "each test uses a part of it")]

#[path = "../tests/support/redis.rs"]
mod redis;
#[path = "../tests/support/wait.rs"]
mod wait;

pub use redis::TestRedis;
pub use wait::until;
