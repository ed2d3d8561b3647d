//! What the unit tests share with the end-to-end tests: a real redis-server, and waiting.

#![allow(dead_code, missing_docs, reason = "each test uses a part of it")]

#[path = "../cache/tests/redis/certificates.rs"]
mod certificates;
#[path = "../tests/support/redis.rs"]
mod redis;
#[path = "../tests/support/wait.rs"]
mod wait;

pub use certificates::Authority;
pub use redis::TestRedis;
pub use wait::until;
