//! Counts of what the cache did for this process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the counters and their snapshot side by side, so that neither lacks one of the other.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the client was made, of all its clones together.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Reads that found a value.
    hits,
    /// Reads that a request's own copy answered. They count as hits too.
    local_hits,
    /// Reads that found none, or one that had to be rejected.
    misses,
    /// Calls that asked the server and failed.
    errors,
    /// Calls that did not ask the server because it was away a moment ago.
    skipped,
    /// Writes that did not reach the server.
    dropped_writes,
    /// Values whose signature, place or lifetime was not right. They count as misses too.
    rejected,
    /// Values that are no plain data for this crate. They count as misses too.
    unreadable,
    /// Times that the server was found away.
    outages,
    /// Connections made.
    connects,
}

impl Counters {
    /// What was found is of no use to the reader: it was counted as a hit and is a miss.
    pub(crate) fn unreadable(&self) {
        self.hits.take_back();
        self.misses.add();
        self.unreadable.add();
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_many(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn take_back(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
