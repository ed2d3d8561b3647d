//! A function whose answers are kept, and how.

use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::canonical::{Canonical, Digest};
use super::digests::Digests;
use super::stats::{MemoCounters, MemoStats};
use crate::cache::Cache;
use crate::key::Scope;
use crate::lifetime::Lifetime;

/// How the answers of a function are kept.
///
/// ```
/// use std::time::Duration;
/// use dontmanage_cache::{Lifetime, memo::MemoOptions};
///
/// let options = MemoOptions::new().lifetime(Lifetime::secs(60)).stale(Duration::from_secs(600));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoOptions {
    pub(super) lifetime: Lifetime,
    pub(super) stale: Lifetime,
    pub(super) lock: bool,
    pub(super) lease: Duration,
    pub(super) patience: Duration,
}

impl Default for MemoOptions {
    fn default() -> Self {
        Self {
            lifetime: Lifetime::secs(3600),
            stale: Lifetime::NONE,
            lock: true,
            lease: Duration::from_secs(5),
            patience: Duration::from_secs(30),
        }
    }
}

impl MemoOptions {
    /// An hour, fresh answers only, with the lock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long an answer is fresh.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// For how much longer an old answer serves the others while one caller refreshes it. Of no effect on
    /// answers without a lifetime, which never get old.
    #[must_use]
    pub fn stale(mut self, stale: impl Into<Lifetime>) -> Self {
        self.stale = stale.into();
        self
    }

    /// Whether one caller computes a missing answer while the others wait. An old one is refreshed by one
    /// caller in any case.
    #[must_use]
    pub fn lock(mut self, lock: bool) -> Self {
        self.lock = lock;
        self
    }

    /// How long the lock of a dead process lasts, a tenth of a second at least.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// How long a caller waits for another's answer.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether one caller computes while the others wait.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock
    }

    /// How long a caller waits for another's answer, as [`patience`](Self::patience) has set it.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        self.patience
    }

    /// How long an answer is fresh, as [`lifetime`](Self::lifetime) has set it.
    #[must_use]
    pub fn fresh_for(&self) -> Lifetime {
        self.lifetime
    }

    /// The time in Redis at the end of which an answer is old. None if it never is.
    pub(super) fn grace(&self) -> Option<Duration> {
        self.lifetime.as_secs()?;
        self.stale.as_secs().map(Duration::from_secs)
    }

    /// How long Redis keeps an answer.
    pub(super) fn kept(&self) -> Lifetime {
        match (self.lifetime.as_secs(), self.stale.as_secs()) {
            (Some(fresh), Some(stale)) => Lifetime::secs(fresh.saturating_add(stale)),
            _ => self.lifetime,
        }
    }
}

/// A function whose answers are kept. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Memo {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    /// Where it stands in the source, if that is known.
    place: Option<&'static str>,
    /// The name as it stands in keys, with the `::` behind it.
    stem: String,
    options: MemoOptions,
    digests: Digests,
    counters: Arc<MemoCounters>,
}

impl Memo {
    /// The function of that name: `module.qualified_name`, which must be no other function's.
    #[must_use]
    pub fn new(name: &str, options: MemoOptions) -> Self {
        Self::at(name, None, options)
    }

    pub(super) fn at(name: &str, place: Option<&'static str>, options: MemoOptions) -> Self {
        Self::counting(name, place, options, Arc::new(MemoCounters::new()))
    }

    /// A function that counts where another one does.
    pub(super) fn counting(
        name: &str,
        place: Option<&'static str>,
        options: MemoOptions,
        counters: Arc<MemoCounters>,
    ) -> Self {
        let (stem, name) = (escaped(name) + "::", name.to_owned());
        let digests = Digests::default();
        Self { inner: Arc::new(Inner { name, place, stem, options, digests, counters }) }
    }

    /// Where the function stands in the source, if that is known.
    #[must_use]
    pub fn place(&self) -> Option<&'static str> {
        self.inner.place
    }

    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How its answers are kept.
    #[must_use]
    pub fn options(&self) -> &MemoOptions {
        &self.inner.options
    }

    /// What the cache did for the function in this process.
    #[must_use]
    pub fn stats(&self) -> MemoStats {
        crate::after_fork();
        self.counters().snapshot()
    }

    /// Lets the counts begin anew.
    pub fn reset_stats(&self) {
        crate::after_fork();
        self.counters().clear();
    }

    /// The key of a call, to be made a full one for a site or user.
    #[must_use]
    pub fn key(&self, arguments: &Canonical) -> String {
        let digest = self.digest(arguments);
        let mut key = String::with_capacity(self.stem().len() + digest.len());
        key.push_str(self.stem());
        key.extend(digest.iter().map(|&digit| char::from(digit)));
        key
    }

    /// What stands for these arguments in the key of a call.
    #[must_use]
    pub fn digest(&self, arguments: &Canonical) -> Digest {
        self.inner.digests.of(arguments)
    }

    /// The call whose full key a binding has made itself: a site's, a user's or nobody's [`stem`](Self::stem)
    /// with a [`digest`](Self::digest) behind it. To be made on the thread that calls.
    #[must_use]
    pub fn call_at(&self, cache: &Cache, full_key: Vec<u8>) -> Call {
        Call::at(self.clone(), cache, full_key)
    }

    /// Counts a hit that a binding's own copy answered. One is lost if two threads count at the same moment:
    /// it is for bindings whose interpreter lets only one of them run.
    pub fn note_local_hit(&self) {
        self.counters().local_hits.add_alone();
    }

    /// Counts an answer that was found, and was of no use to a binding: not a hit, but a miss.
    pub fn note_unreadable(&self) {
        let counters = self.counters();
        counters.hits.take_back();
        counters.misses.add();
        counters.refused.add();
    }

    /// A call of the function, on behalf of a site, a user or all sites. To be made on the thread that calls.
    #[must_use]
    pub fn call(&self, cache: &Cache, scope: Scope<'_>, arguments: &Canonical) -> Call {
        Call::new(self.clone(), cache, self.key(arguments).as_bytes(), scope)
    }

    /// As [`call`](Self::call), for the call that the program names itself.
    #[must_use]
    pub fn call_named(&self, cache: &Cache, scope: Scope<'_>, name: &str) -> Call {
        let mut arguments = Canonical::new();
        arguments.named("key", 1).text(name);
        self.call(cache, scope, &arguments)
    }

    /// What the keys of all calls of the function begin with, behind the site's prefix.
    #[must_use]
    pub fn stem(&self) -> &str {
        &self.inner.stem
    }

    pub(super) fn counters(&self) -> &MemoCounters {
        self.inner.counters.renewed()
    }

    /// What of a call's full key is the call's own name: the stem, and the digest.
    pub(super) fn name_in<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        let length = self.stem().len() + super::canonical::HASH_DIGITS;
        &key[key.len().saturating_sub(length)..]
    }

    pub(super) fn shared_counters(&self) -> Arc<MemoCounters> {
        self.inner.counters.clone()
    }
}

/// A name in which nothing ends it before its end, or means something in a pattern.
fn escaped(name: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(name.len() + 2 + super::canonical::HASH_DIGITS);
    for c in name.chars() {
        if matches!(c, ':' | '|' | '*' | '%') || c.is_control() {
            // Writing to a string can't fail.
            let _ = write!(out, "%{:02X};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_key_of_a_call_begins_with_the_functions_name() {
        let memo = Memo::new("shop.prices.slow_add", MemoOptions::new());
        let key = memo.key(&Canonical::new());
        let hash = key.strip_prefix("shop.prices.slow_add::").expect("the name");
        assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    }

    #[test]
    fn an_answer_without_a_lifetime_never_gets_old() {
        let options = MemoOptions::new().lifetime(Lifetime::NONE).stale(Duration::from_secs(9));
        assert_eq!((options.grace(), options.kept()), (None, Lifetime::NONE));
        let options = options.lifetime(Lifetime::secs(60));
        assert_eq!((options.grace(), options.kept()), (Some(Duration::from_secs(9)), Lifetime::secs(69)));
    }

    proptest! {
        #[test]
        fn no_two_names_give_the_same_key(a in "[a:%|*3;A]{0,5}", b in "[a:%|*3;A]{0,5}") {
            prop_assert_eq!(escaped(&a) == escaped(&b), a == b);
        }
    }
}
