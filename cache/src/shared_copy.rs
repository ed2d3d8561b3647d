//! A request's copy, as the request's threads and tasks share it.
//!
//! An exchange with the server takes its time, and others may change meanwhile what it is about. So whoever is
//! to keep what comes of one watches from before its begin: what was found is not kept where the key has been
//! changed since, and of what two have stored at once nobody knows which was the last, so that neither is kept.
//! Only keys that are changed while somebody watches are noted, and nothing but two counters is asked else.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use crate::local_copy::{Limits, LocalCopy};

/// How many changed keys are told apart.
const REMEMBERED: usize = 8192;

/// A [`LocalCopy`] that several threads may use at once, each for exchanges of its own.
///
/// ```
/// use dontmanage_cache::{Changed, SharedCopy, Ttl};
///
/// let shared = SharedCopy::default();
/// let since = shared.watch();
/// // Here the server is asked, and answers "old"; meanwhile another thread stores "new".
/// shared.change(Changed::Key(b"site|k"), |copy| copy.put(b"site|k", "new", 3, Ttl::Unlimited));
/// shared.keep(since, b"site|k", |copy| copy.put(b"site|k", "old", 3, Ttl::Unlimited));
/// shared.unwatch(since);
/// assert_eq!(shared.look(|copy| copy.get(b"site|k").copied()), Some("new"));
/// ```
#[derive(Debug)]
pub struct SharedCopy<V> {
    kept: Mutex<Kept<V>>,
    /// How many changes have been noted.
    noted: AtomicU64,
    /// How many exchanges are under way.
    watchers: AtomicUsize,
}

#[derive(Debug)]
struct Kept<V> {
    copy: LocalCopy<V>,
    /// The number of the last change of a key, by the key's hash.
    changes: HashMap<u64, u64, RandomState>,
    /// The number of the last change that may have been one of any key.
    all: u64,
}

/// What a change concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changed<'a> {
    /// One full key.
    Key(&'a [u8]),
    /// Any key, perhaps.
    Any,
}

impl<V> Default for SharedCopy<V> {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl<V> SharedCopy<V> {
    /// An empty copy.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let kept = Kept { copy: LocalCopy::that_gives_back(limits), changes: HashMap::default(), all: 0 };
        Self { kept: Mutex::new(kept), noted: AtomicU64::new(0), watchers: AtomicUsize::new(0) }
    }

    /// Looks into the copy. No other thread gets at it meanwhile.
    pub fn look<T>(&self, work: impl FnOnce(&mut LocalCopy<V>) -> T) -> T {
        work(&mut self.lock().copy)
    }

    /// Changes the copy, after the server was told, if it is told at all: who asked it before may know what is
    /// over.
    pub fn change<T>(&self, what: Changed<'_>, work: impl FnOnce(&mut LocalCopy<V>) -> T) -> T {
        self.within(|kept| {
            self.note(kept, 0, what);
            work(&mut kept.copy)
        })
    }

    /// To be called before the server is asked for what may be kept, or told what has to be;
    /// [`unwatch`](Self::unwatch) ends it. The answer is what the other methods want to know.
    pub fn watch(&self) -> u64 {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        self.noted.load(Ordering::SeqCst)
    }

    /// Ends what [`watch`](Self::watch) began.
    pub fn unwatch(&self, since: u64) {
        let watching = self.watchers.fetch_sub(1, Ordering::SeqCst);
        if watching == 1 && self.noted.load(Ordering::SeqCst) != since {
            let mut kept = self.lock();
            // Who has begun to watch by now wants to know of later changes only.
            if self.watchers.load(Ordering::SeqCst) == 0 {
                kept.changes = HashMap::default();
            }
        }
    }

    /// Keeps what a watcher has found, unless the key was changed since.
    pub fn keep(&self, since: u64, key: &[u8], work: impl FnOnce(&mut LocalCopy<V>)) {
        self.within(|kept| {
            if !self.is_changed(kept, since, key) {
                work(&mut kept.copy);
            }
        });
    }

    /// Changes the copy for a watcher who has changed the key at the server. `work` is told whether nobody
    /// else has since; if somebody has, it is unknown what is there.
    pub fn settle<T>(&self, since: u64, key: &[u8], work: impl FnOnce(&mut LocalCopy<V>, bool) -> T) -> T {
        self.within(|kept| {
            let is_known = !self.is_changed(kept, since, key);
            // The watcher himself need not be told.
            self.note(kept, 1, Changed::Key(key));
            work(&mut kept.copy, is_known)
        })
    }

    /// Changes what is kept. Values that are let go of are dropped after that: their end may be code of the
    /// program's own, which may ask this very copy.
    fn within<T>(&self, work: impl FnOnce(&mut Kept<V>) -> T) -> T {
        let mut kept = self.lock();
        let done = work(&mut kept);
        let gone = kept.copy.take_gone();
        drop(kept);
        drop(gone);
        done
    }

    /// Notes a change if there are more watchers than so many.
    fn note(&self, kept: &mut Kept<V>, own: usize, what: Changed<'_>) {
        if self.watchers.load(Ordering::SeqCst) <= own {
            return;
        }
        let number = self.noted.fetch_add(1, Ordering::SeqCst) + 1;
        match what {
            Changed::Key(key) if kept.changes.len() < REMEMBERED => {
                let hash = kept.hash(key);
                kept.changes.insert(hash, number);
            }
            _ => {
                kept.changes.clear();
                kept.all = number;
            }
        }
    }

    /// Rather yes than no.
    fn is_changed(&self, kept: &Kept<V>, since: u64, key: &[u8]) -> bool {
        self.noted.load(Ordering::SeqCst) != since
            && (kept.all > since || kept.changes.get(&kept.hash(key)).is_some_and(|last| *last > since))
    }

    fn lock(&self) -> MutexGuard<'_, Kept<V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Kept<V> {
    fn hash(&self, key: &[u8]) -> u64 {
        self.changes.hasher().hash_one(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifetime::Ttl;
    use std::sync::Arc;

    type Copy = SharedCopy<&'static str>;

    fn put(key: &[u8], value: &'static str) -> impl FnOnce(&mut LocalCopy<&'static str>) {
        move |copy| copy.put(key, value, 0, Ttl::Unlimited)
    }

    fn found(shared: &Copy, since: u64, key: &[u8], value: &'static str) {
        shared.keep(since, key, put(key, value));
        shared.unwatch(since);
    }

    fn stored(shared: &Copy, since: u64, key: &[u8], value: &'static str) {
        shared.settle(
            since,
            key,
            |copy, is_known| {
                if is_known { put(key, value)(copy) } else { copy.remove(key) }
            },
        );
        shared.unwatch(since);
    }

    fn known(shared: &Copy, key: &[u8]) -> Option<&'static str> {
        shared.look(|copy| copy.get(key).copied())
    }

    #[test]
    fn what_was_found_before_a_change_is_not_kept_after_it() {
        let shared = Copy::default();
        let (early, other) = (shared.watch(), shared.watch());
        shared.change(Changed::Key(b"k"), |copy| copy.remove(b"k"));
        let late = shared.watch();
        found(&shared, early, b"k", "old");
        assert_eq!(known(&shared, b"k"), None);
        found(&shared, other, b"other", "its own");
        assert_eq!(known(&shared, b"other"), Some("its own"));
        found(&shared, late, b"k", "new");
        assert_eq!(known(&shared, b"k"), Some("new"));
    }

    #[test]
    fn of_writes_that_overlap_none_is_known_in_the_end() {
        let shared = Copy::default();
        let (first, second) = (shared.watch(), shared.watch());
        stored(&shared, second, b"k", "second");
        stored(&shared, first, b"k", "first");
        assert_eq!(known(&shared, b"k"), None);
        // One that lies wholly within another, too.
        let around = shared.watch();
        let within = shared.watch();
        stored(&shared, within, b"k", "within");
        stored(&shared, around, b"k", "around");
        assert_eq!(known(&shared, b"k"), None);
        let alone = shared.watch();
        stored(&shared, alone, b"k", "alone");
        assert_eq!(known(&shared, b"k"), Some("alone"));
    }

    #[test]
    fn a_change_of_any_key_and_one_too_many_concern_all() {
        let shared = Copy::default();
        let since = shared.watch();
        shared.change(Changed::Any, LocalCopy::clear);
        found(&shared, since, b"k", "old");
        assert_eq!(known(&shared, b"k"), None);
        let since = shared.watch();
        for number in 0..REMEMBERED {
            shared.change(Changed::Key(&number.to_be_bytes()), |_| ());
        }
        shared.keep(since, b"k", put(b"k", "kept"));
        assert_eq!(known(&shared, b"k"), Some("kept"));
        shared.change(Changed::Key(b"one more"), |copy| copy.remove(b"k"));
        found(&shared, since, b"k", "perhaps old");
        assert_eq!(known(&shared, b"k"), None);
    }

    #[test]
    fn the_end_of_a_value_may_ask_the_copy_that_it_was_in() {
        struct Asks(Arc<SharedCopy<Asks>>, Arc<AtomicUsize>);
        impl Drop for Asks {
            fn drop(&mut self) {
                self.0.look(|copy| copy.len());
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (shared, ended) = (Arc::new(SharedCopy::default()), Arc::new(AtomicUsize::new(0)));
        let put = |key: &[u8], field: &[u8], weight| {
            let value = Asks(Arc::clone(&shared), Arc::clone(&ended));
            shared.change(Changed::Key(key), |copy| match field {
                [] => copy.put(key, value, weight, Ttl::Unlimited),
                _ => copy.put_field(key, field, value, weight, Ttl::Unlimited),
            });
        };
        let ended = || ended.load(Ordering::SeqCst);
        put(b"k", b"", 0);
        put(b"k", b"", 0);
        assert_eq!(ended(), 1, "what was replaced");
        put(b"k", b"", usize::MAX);
        assert_eq!(ended(), 3, "what is too large, and what it replaces");
        put(b"h", b"f", 0);
        put(b"h", b"g", 0);
        shared.change(Changed::Key(b"h"), |copy| copy.remove(b"h"));
        assert_eq!(ended(), 5, "what was removed");
        put(b"k", b"", 0);
        put(b"h", b"f", 0);
        shared.change(Changed::Any, LocalCopy::clear);
        assert_eq!(ended(), 7, "what was cleared");
        for number in 0..=Limits::default().entries {
            put(&number.to_be_bytes(), b"", 0);
        }
        assert!(ended() > 7, "what had to make room");
        shared.change(Changed::Any, LocalCopy::clear);
    }

    #[test]
    fn nothing_is_noted_that_nobody_waits_for() {
        let shared = Copy::default();
        for key in [&b"a"[..], b"b"] {
            let since = shared.watch();
            stored(&shared, since, key, "v");
            shared.change(Changed::Key(key), |_| ());
        }
        assert_eq!(shared.noted.load(Ordering::SeqCst), 0);
        let since = shared.watch();
        shared.change(Changed::Key(b"k"), |_| ());
        assert_eq!(shared.lock().changes.len(), 1);
        shared.unwatch(since);
        assert_eq!(shared.lock().changes.len(), 0);
    }
}
