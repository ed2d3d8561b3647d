//! The cache and the user on whose behalf the program runs at the moment, for code that is handed neither:
//! functions under `#[redis_cache]`.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError, RwLock};

use crate::cache::Cache;

static DEFAULT: RwLock<Option<Cache>> = RwLock::new(None);

thread_local! {
    static CURRENT: RefCell<Current> = const { RefCell::new(Current { cache: None, user: None }) };
}

#[derive(Clone, Default)]
struct Current {
    cache: Option<Cache>,
    user: Option<Arc<str>>,
}

/// Makes `cache` the one that is used where no other is: for programs that serve a single site. To be called
/// at the start.
///
/// ```
/// use dontmanage_cache::{Cache, Client, KeyPrefix, RedisUrl, set_default};
///
/// let client = Client::new("redis://127.0.0.1:13000".parse::<RedisUrl>()?);
/// set_default(Cache::new(client, KeyPrefix::new("_3f1b")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_default(cache: Cache) {
    *DEFAULT.write().unwrap_or_else(PoisonError::into_inner) = Some(cache);
}

/// Runs `work` with `cache` as the current one of this thread: what a program that serves several sites
/// does for each request or job. A user of an outer [`with_user`] does not reach into it.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// use dontmanage_cache::{current_cache, current_user, with_cache, with_user};
///
/// with_cache(&cache.request(), || {
///     assert!(current_cache().is_some());
///     with_user("ann@x.co", || assert_eq!(current_user().as_deref(), Some("ann@x.co")));
/// });
/// assert!(current_cache().is_none(), "no program for a single site has called set_default");
/// ```
pub fn with_cache<T>(cache: &Cache, work: impl FnOnce() -> T) -> T {
    let _restored = Restore::put(Current { cache: Some(cache.clone()), user: None });
    work()
}

/// Runs `work` on behalf of `user`, whom functions under `#[redis_cache(user)]` keep their answers for.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// use dontmanage_cache::{redis_cache, with_cache, with_user};
///
/// #[redis_cache(user, ttl = "1h")]
/// fn theme() -> String {
///     format!("as {} likes it", dontmanage_cache::current_user().expect("a user"))
/// }
///
/// with_cache(&cache, || {
///     assert_eq!(with_user("ann", theme), "as ann likes it");
///     assert_eq!(with_user("bob", theme), "as bob likes it");
/// });
/// ```
pub fn with_user<T>(user: &str, work: impl FnOnce() -> T) -> T {
    let current = CURRENT.with_borrow(|current| current.cache.clone());
    let _restored = Restore::put(Current { cache: current, user: Some(user.into()) });
    work()
}

/// The cache of the innermost [`with_cache`], else the one of [`set_default`].
#[must_use]
pub fn current_cache() -> Option<Cache> {
    CURRENT
        .with_borrow(|current| current.cache.clone())
        .or_else(|| DEFAULT.read().unwrap_or_else(PoisonError::into_inner).clone())
}

/// The user of the innermost [`with_user`].
#[must_use]
pub fn current_user() -> Option<Arc<str>> {
    CURRENT.with_borrow(|current| current.user.clone())
}

/// As [`with_cache`], and [`with_user`] if there is a user, for a task of any runtime: both hold whenever the
/// task has its turn, on whatever thread, and at no other time.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(answer) = future.as_mut().poll(&mut context) {
/// #             return answer;
/// #         }
/// #         std::thread::yield_now();
/// #     }
/// # }
/// use dontmanage_cache::{redis_cache, with_cache_async};
///
/// #[redis_cache(ttl = "60s")]
/// async fn slow_add(a: i64, b: i64) -> i64 {
///     a + b
/// }
///
/// // In a task of any runtime.
/// let sum = with_cache_async(&cache, None, async { slow_add(40, 2).await + slow_add(40, 2).await });
/// assert_eq!(block_on(sum), 84);
/// assert_eq!(slow_add::cache_stats().computed, 1);
/// ```
#[cfg(feature = "async")]
pub async fn with_cache_async<T>(cache: &Cache, user: Option<&str>, work: impl Future<Output = T>) -> T {
    let current = Current { cache: Some(cache.clone()), user: user.map(Into::into) };
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(move |context| {
        let _restored = Restore::put(current.clone());
        work.as_mut().poll(context)
    })
    .await
}

/// Puts the thread's state back, also when the work panics.
struct Restore {
    outer: Option<Current>,
}

impl Restore {
    fn put(current: Current) -> Self {
        Self { outer: Some(CURRENT.replace(current)) }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(outer) = self.outer.take() {
            CURRENT.set(outer);
        }
    }
}
