//! Every decorated function of the process, by name.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::options::{Memo, MemoOptions};
use super::stats::MemoStats;

/// As many functions as a process can have; those that only seem to be new, because they are made anew at
/// each call, do not fill the memory.
const MOST: usize = 1000;

/// What the rest counts under.
const OTHER: &str = "(other functions)";

static FUNCTIONS: Mutex<BTreeMap<String, Memo>> = Mutex::new(BTreeMap::new());

impl Memo {
    /// The function of that name, of which there is one in the process: with the options that it was first
    /// asked for with. Its counts are among [`function_stats`].
    #[must_use]
    pub fn registered(name: &str, options: MemoOptions) -> Self {
        Self::register(name, None, options)
    }

    /// The function of that name, at that place of the source unless it was registered before.
    #[cfg(feature = "macros")]
    pub(crate) fn registered_at(name: &str, place: &'static str, options: MemoOptions) -> Self {
        Self::register(name, Some(place), options)
    }

    /// A function with options of its own, whose counts are among [`function_stats`], together with those of
    /// others of that name: for bindings whose functions can be made more than once. Beyond a thousand names,
    /// the rest counts as one.
    #[must_use]
    pub fn counted(name: &str, options: MemoOptions) -> Self {
        let Some(mut functions) = functions() else { return Self::new(name, options) };
        let known = if functions.len() < MOST || functions.contains_key(name) { name } else { OTHER };
        if let Some(first) = functions.get(known) {
            return Self::counting(name, None, options, first.shared_counters());
        }
        let memo = Self::new(known, options);
        functions.insert(known.to_owned(), memo.clone());
        if known == name { memo } else { Self::counting(name, None, options, memo.shared_counters()) }
    }

    fn register(name: &str, place: Option<&'static str>, options: MemoOptions) -> Self {
        let Some(mut functions) = functions() else { return Self::at(name, place, options) };
        if let Some(memo) = functions.get(name) {
            return memo.clone();
        }
        let memo = Self::at(name, place, options);
        functions.insert(name.to_owned(), memo.clone());
        memo
    }
}

/// What the cache did in this process for every registered function, by name; in a forked child, since the
/// fork.
///
/// ```
/// for (name, stats) in dontmanage_cache::memo::function_stats() {
///     println!("{name}: {} hits, half of the answers took {:?}", stats.hits, stats.compute_times.quantile(0.5));
/// }
/// ```
#[must_use]
pub fn function_stats() -> Vec<(String, MemoStats)> {
    let Some(functions) = functions() else { return Vec::new() };
    functions.iter().map(|(name, memo)| (name.clone(), memo.stats())).collect()
}

/// Lets the counts of every registered function begin anew.
pub fn reset_function_stats() {
    let Some(functions) = functions() else { return };
    functions.values().for_each(Memo::reset_stats);
}

/// The lock is only tried: a fork may have copied it locked for ever. It is held for a moment at most.
fn functions() -> Option<MutexGuard<'static, BTreeMap<String, Memo>>> {
    for _ in 0..10_000 {
        match FUNCTIONS.try_lock() {
            Ok(functions) => return Some(functions),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    None
}
