//! Functions whose answers are kept: what `redis_cache` is made of, in Rust and in Python alike.
//!
//! A [`Memo`] is one decorated function: its name and how its answers are kept. A [`Call`] is one call of
//! it: function, arguments, and whose answer it is. The call is *looked up* until it is known who computes
//! the answer, and that one hands it in with its [`Ticket`]:
//!
//! ```
//! # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
//! # let (_server, cache) = example::cache();
//! use dontmanage_cache::memo::{Canonical, Look, Memo, MemoOptions};
//! use dontmanage_cache::{Cache, Lifetime, Scope, Value, pickle};
//!
//! fn slow_add(cache: &Cache, memo: &Memo, a: i64, b: i64) -> i64 {
//!     let mut arguments = Canonical::new();
//!     arguments.int(a).int(b);
//!     let mut call = memo.call(cache, Scope::Site, &arguments);
//!     loop {
//!         match call.look(|pickled| pickle::read(pickled).ok()?.as_int()) {
//!             Look::Fresh(sum) | Look::Stale(sum) => return sum,
//!             Look::Busy => std::thread::sleep(call.pause()),
//!             Look::Compute(ticket) | Look::Refresh(_, ticket) => {
//!                 ticket.hold();
//!                 let sum = a + b;
//!                 let _ = ticket.store(|out| pickle::write(&Value::from(sum), out));
//!                 return sum;
//!             }
//!         }
//!     }
//! }
//!
//! let memo = Memo::new("shop.prices.slow_add", MemoOptions::new().lifetime(Lifetime::secs(3600)));
//! assert_eq!((slow_add(&cache, &memo, 40, 2), slow_add(&cache, &memo, 40, 2)), (42, 42));
//! assert_eq!((memo.stats().computed, memo.stats().hits), (1, 1));
//! ```
//!
//! # Promises
//!
//! * **Keys.** `{function}::{hash}`, made a full key for site, user or all sites as any other. The hash is
//!   of [`Canonical`] bytes, which differ for any two calls that differ, and are the same in every
//!   process. `:`, `|`, `*`, `%` and control characters of a function's name are escaped, so that a name
//!   always ends where it ends and [`Memo::clear`] reaches exactly this function's answers.
//! * **Lifetimes.** An answer is *fresh* for its lifetime. With [`MemoOptions::stale`] it is kept for that
//!   much longer: the first caller to find it old gets [`Look::Refresh`] and computes it anew, all
//!   others get the old one meanwhile.
//! * **One computes.** With [`MemoOptions::lock`] (the default), one caller computes a missing answer, and the
//!   others, in all processes, wait for it ([`Look::Busy`]). The lock is a key in Redis with a short lease,
//!   renewed for as long as the ticket lives: if the process dies or stops, the lease runs out and one of
//!   the waiting goes on. Nobody waits longer than [`MemoOptions::patience`]; then they compute for
//!   themselves. A ticket that is dropped (an error, a panic) lets the next one go on at once.
//! * **A clear is a clear.** An answer whose computing began before [`Memo::clear`] or [`Call::clear`] is not
//!   kept (with the lock on): the clear takes the lock away, and a ticket without its lock stores nothing.
//! * **Recursion** passes through: a call that is being computed on the same thread ([`Ticket::hold`]) is
//!   not waited for.
//! * **No server**, no cache: every call computes, at the cost of microseconds.
//!
//! What a translator of another language adds: its own canonical bytes for arguments, its own pickles, and
//! waiting as its language waits ([`Call::look`] itself never sleeps, so that signals and event loops get
//! their turn between looks).

#[cfg(feature = "serde")]
mod argument;
mod call;
mod canonical;
mod clear;
mod digests;
mod heart;
mod options;
mod registry;
mod stats;
mod ticket;

pub use call::{Call, Look};
pub use canonical::{Canonical, Digest};
pub use clear::Calls;
#[cfg(feature = "async")]
pub(crate) use heart::wake;
pub use options::{Memo, MemoOptions};
pub use registry::{function_stats, reset_function_stats};
pub use stats::MemoStats;
pub use ticket::Ticket;
pub(crate) use ticket::token;
