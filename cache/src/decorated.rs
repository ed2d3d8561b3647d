//! What stands behind a function under `#[redis_cache]`.
//!
//! Errors are not kept, so that a function's answer has to be told from a result that may be an error,
//! also under another name. That is told by the type: of two traits with the same method, the one whose
//! receiver needs fewer references is taken, and that one is there for `Result` only.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;
use crate::current::{current_cache, current_user};
use crate::key::Scope;
use crate::memo::{Call, Calls, Look};
use crate::pickle;
use crate::serde::{from_value, to_value};

pub use crate::lifetime::Lifetime;
pub use crate::memo::{Canonical, Memo, MemoOptions, MemoStats};
pub use crate::serde::ShapeError;

/// Whose answers a function keeps.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// The site's.
    Site,
    /// Everybody's.
    Shared,
    /// The current user's.
    CurrentUser,
    /// That user's.
    User(&'static str),
}

/// A call for the cache, or none if there is none to ask: no current cache or user, or an argument that has
/// no key.
pub fn call(
    memo: &Memo,
    whose: Whose,
    arguments: impl FnOnce(&mut Canonical) -> Result<(), ShapeError>,
) -> Option<Call> {
    let cache = current_cache()?;
    let mut canonical = Canonical::new();
    arguments(&mut canonical).ok()?;
    let user;
    let scope = match whose {
        Whose::Site => Scope::Site,
        Whose::Shared => Scope::Shared,
        Whose::User(user) => Scope::User(user),
        Whose::CurrentUser => {
            user = current_user()?;
            Scope::User(&user)
        }
    };
    Some(memo.call(&cache, scope, &canonical))
}

/// The name of the function whose companion type that is: its path, with the dots of Python.
#[must_use]
pub fn name_of<T: ?Sized>() -> String {
    std::any::type_name::<T>().replace("::", ".")
}

/// The name of a function in an `impl` block of `T`.
#[must_use]
pub fn method_name<T: ?Sized>(function: &str) -> String {
    format!("{}.{function}", name_of::<T>())
}

/// The memo of the function of that name at that place of the source.
///
/// # Panics
///
/// If another function has the name: they would get each other's answers.
#[must_use]
pub fn memo(name: &str, place: &'static str, options: MemoOptions) -> Memo {
    let memo = Memo::registered_at(name, place, options);
    assert!(
        memo.place() == Some(place),
        "two functions under `#[redis_cache]` are called `{name}`, at {} and at {place}: give one of them a `name = …`",
        memo.place().unwrap_or("a place of its own"),
    );
    memo
}

/// Removes the function's answers from the current cache. How many there were.
#[expect(clippy::must_use_candidate, reason = "how many rarely matters")]
pub fn clear(memo: &Memo, whose: Whose) -> u64 {
    let Some(cache) = current_cache() else { return 0 };
    let calls = match whose {
        Whose::Site => Calls::Site,
        Whose::Shared => Calls::Shared,
        Whose::User(user) => Calls::User(user),
        Whose::CurrentUser => Calls::EveryUser,
    };
    memo.clear(&cache, calls).unwrap_or_else(|_| {
        dropped(&cache);
        0
    })
}

fn dropped(cache: &Cache) {
    cache.client.counters().dropped_writes.add();
}

/// What a function returns.
pub struct Returns<R>(PhantomData<fn() -> R>);

impl<R> Returns<R> {
    /// The type is all there is.
    #[expect(clippy::new_without_default, reason = "no value, only a type")]
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Functions whose errors are not kept.
pub trait Fallible<T, E> {
    /// What the function returns for an answer from the cache.
    fn returned(&self, answer: T) -> Result<T, E>;
    /// The answer to keep, if there is one.
    fn kept<'r>(&self, returned: &'r Result<T, E>) -> Option<&'r T>;
}

impl<T, E> Fallible<T, E> for Returns<Result<T, E>> {
    fn returned(&self, answer: T) -> Result<T, E> {
        Ok(answer)
    }

    fn kept<'r>(&self, returned: &'r Result<T, E>) -> Option<&'r T> {
        returned.as_ref().ok()
    }
}

/// Functions whose every answer is kept.
pub trait Infallible<T> {
    /// What the function returns for an answer from the cache.
    fn returned(&self, answer: T) -> T;
    /// The answer to keep.
    fn kept<'r>(&self, returned: &'r T) -> Option<&'r T>;
}

impl<T> Infallible<T> for &Returns<T> {
    fn returned(&self, answer: T) -> T {
        answer
    }

    fn kept<'r>(&self, returned: &'r T) -> Option<&'r T> {
        Some(returned)
    }
}

/// What the function returns: from the cache, or computed now and kept.
pub fn answer<T: Serialize + DeserializeOwned, R>(
    call: Option<Call>,
    returned: impl FnOnce(T) -> R,
    kept: impl for<'r> FnOnce(&'r R) -> Option<&'r T>,
    compute: impl FnOnce() -> R,
) -> R {
    let Some(mut call) = call else { return compute() };
    match call.wait(read) {
        Look::Fresh(answer) | Look::Stale(answer) => returned(answer),
        Look::Compute(ticket) | Look::Refresh(_, ticket) => {
            ticket.hold();
            let answer = compute();
            if let Some(pickled) = kept(&answer).and_then(pickled) {
                ticket.store_pickle(&pickled);
            }
            answer
        }
        // Waiting does not end so.
        Look::Busy => compute(),
    }
}

fn read<T: DeserializeOwned>(pickled: &[u8]) -> Option<T> {
    from_value(pickle::read(pickled).ok()?).ok()
}

/// The pickle of an answer. What has none is computed anew each time; the caller has the answer.
fn pickled<T: Serialize>(answer: &T) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    pickle::write(&to_value(answer).ok()?, &mut out).ok()?;
    Some(out)
}

/// As [`answer`], for an asynchronous function: no turn of the task waits for the server.
#[cfg(feature = "async")]
pub async fn answer_async<T: Serialize + DeserializeOwned + Send + 'static, R, F: Future<Output = R>>(
    call: Option<Call>,
    returned: impl FnOnce(T) -> R,
    kept: impl for<'r> FnOnce(&'r R) -> Option<&'r T>,
    compute: impl FnOnce() -> F,
) -> R {
    use crate::offload::{TaskTicket, offloaded, sleep};

    let Some(mut call) = call else { return compute().await };
    let ticket = loop {
        let looked = offloaded(move || {
            let look = call.look(read::<T>);
            (call, look)
        });
        match looked.await {
            None => return compute().await,
            Some((_, Look::Fresh(answer) | Look::Stale(answer))) => return returned(answer),
            Some((_, Look::Compute(ticket) | Look::Refresh(_, ticket))) => break TaskTicket::new(ticket),
            Some((busy, Look::Busy)) => {
                call = busy;
                sleep(call.pause()).await;
            }
        }
    };
    let answer = ticket.held(compute()).await;
    if let Some(pickled) = kept(&answer).and_then(pickled) {
        ticket.store(pickled).await;
    }
    answer
}
