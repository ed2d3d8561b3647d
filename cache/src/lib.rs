//! The cache of a DontManage bench, for Rust workers and for the `bench` tool.
//!
//! Values are Python's plain data in Python's own format, so a Rust worker and a Python worker read each
//! other's. Every site of a bench has its own keys in the one Redis server that they share. A server
//! that is away, slow, full or talking nonsense costs speed, and nothing else.
//!
//! ```no_run
//! use dontmanage_cache::{Cache, Client, KeyPrefix, Lifetime, RedisUrl, SigningKey, Value};
//!
//! fn slow_add(cache: &Cache, a: i64, b: i64) -> i64 {
//!     let key = format!("slow_addition|{a}+{b}"); // unique key representing this computation
//!     if let Some(Value::Int(sum)) = cache.get_value(&key) {
//!         return sum;
//!     }
//!     std::thread::sleep(std::time::Duration::from_secs(1)); // fake workload
//!     let sum = a + b;
//!     // In an hour it is computed anew. A server that is away only means that it is not kept.
//!     let _ = cache.set_value(&key, &sum.into(), Lifetime::secs(60 * 60));
//!     sum
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("redis://127.0.0.1:13000".parse::<RedisUrl>()?);
//! let key = SigningKey::from_file_text(&std::fs::read_to_string("config/cache.key")?)?;
//! let cache = Cache::new(client, KeyPrefix::new("_3f1b8c2a")?).with_signing_key(key);
//! println!("{}", slow_add(&cache, 40, 2)); // takes a second
//! println!("{}", slow_add(&cache, 40, 2)); // takes microseconds, in every worker
//! # Ok(())
//! # }
//! ```
//!
//! Shorter, and with one of many callers computing while the others wait: `#[redis_cache]`, for functions
//! that find their cache by themselves.
//!
#![cfg_attr(
    feature = "macros",
    doc = r#"
```no_run
use dontmanage_cache::{redis_cache, with_cache};

#[redis_cache(ttl = "1h")]
fn slow_add(a: i64, b: i64) -> i64 {
    std::thread::sleep(std::time::Duration::from_secs(1)); // fake workload
    a + b
}

# let cache: dontmanage_cache::Cache = unimplemented!();
with_cache(&cache, || println!("{}", slow_add(40, 2)));
```
"#
)]
//!
//! The layers, from the ground up, each usable by itself:
//!
//! * [`Connection`]: one connection, with a deadline for everything (probes use it alone);
//! * [`Client`]: connections shared by a process's threads, behind a circuit breaker;
//! * [`Cache`]: a site's keys and values; [`Strict`] is the same with errors instead of misses;
//! * [`Request`]: the same during one request, which asks for nothing twice;
//! * [`Store`]: pickles at full keys, for bindings that pickle values themselves;
//! * [`SharedCopy`], [`LocalCopy`]: what a request keeps, for bindings that keep objects;
//! * [`Stats`], [`PrefixStats`], [`ServerState`]: what the cache did in this process, and what it knows of the server;
//! * [`Flush`]: all keys of a site, and nobody else's;
//! * `redis_cache`, [`with_cache`], [`set_default`]: functions that keep their answers by an attribute;
//! * [`Documents`]: documents of a database, never older than it;
//! * [`memo`]: functions whose answers are kept, for `redis_cache` in Rust and Python;
//! * [`pickle`] and [`Value`]: the values.
//!
//! The crate knows nothing of bench directories: it is given a [`RedisUrl`], a [`KeyPrefix`] and, if the
//! bench signs its values, a [`SigningKey`].
#![forbid(unsafe_code)]

mod breaker;
mod cache;
mod client;
mod connect;
mod connection;
mod current;
#[cfg(feature = "macros")]
mod decorated;
mod documents;
mod envelope;
mod error;
mod event;
mod flush;
mod info;
mod interrupt;
mod key;
mod lifetime;
mod local_copy;
mod many;
pub mod memo;
#[cfg(feature = "async")]
mod offload;
mod packing;
pub mod pickle;
mod pool;
mod prefixes;
mod process;
mod questions;
mod request;
mod resp;
mod scan;
#[cfg(feature = "serde")]
pub mod serde;
mod server_error;
mod shared_copy;
mod signing_key;
mod stats;
mod store;
mod strict;
mod tag;
mod tally;
mod times;
mod tls;
#[cfg(feature = "serde")]
mod typed;
mod url;
mod value;

#[cfg(feature = "serde")]
pub use crate::serde::{ShapeError, from_value, to_value};
pub use breaker::Backoff;
pub use cache::{Cache, CacheError};
pub use client::{Call, Client, ClientOptions};
pub use connection::{Connection, Deadlines, Pipeline};
#[cfg(feature = "async")]
pub use current::with_cache_async;
pub use current::{current_cache, current_user, set_default, with_cache, with_user};
pub use documents::{DOCUMENT_LIFETIME, Documents, Lease, Look, Writes};
#[cfg(feature = "macros")]
#[doc = include_str!("redis_cache.md")]
pub use dontmanage_cache_macros::redis_cache;
pub use envelope::Rejection;
pub use error::{Phase, RedisError};
pub use event::Event;
pub use flush::{Flush, FlushError, FlushReport};
pub use info::Info;
pub use interrupt::set_interrupt_check;
pub use key::{Beginning, Key, KeyPrefix, KeyPrefixError, Scope, escape_glob};
pub use lifetime::{Lifetime, Ttl};
pub use local_copy::{Limits, LocalCopy};
#[cfg(feature = "async")]
pub use offload::set_offload;
pub use prefixes::{LocalHits, PrefixStats};
pub use process::after_fork;
pub use questions::{Answer, Question};
pub use request::Request;
pub use resp::{ProtocolError, Reply, ReplyRef};
pub use server_error::{ServerError, ServerErrorKind};
pub use shared_copy::{Changed, SharedCopy};
pub use signing_key::{SigningKey, SigningKeyError};
pub use stats::{Refusals, ServerState, Stats, Unreadable};
pub use store::{Fields, Found, Store};
pub use strict::Strict;
pub use tally::Tally;
pub use times::Times;
pub use tls::TlsError;
#[cfg(feature = "serde")]
pub use typed::StoreError;
pub use url::{Address, DEFAULT_PORT, MAX_SOCKET_PATH, RedisUrl, TlsOptions, UrlError, Verification};
pub use value::{BigInt, BigIntError, Date, DateTime, Time, TimeError, Timedelta, UtcOffset, Value};

/// The README's example compiles.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// What the code that `#[redis_cache]` writes calls; nobody else should.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use crate::decorated::*;
}
