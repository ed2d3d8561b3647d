//! What the cache did for the keys of one prefix, counted.

use std::time::Duration;

use crate::error::RedisError;
use crate::stats::Counter;
use crate::times::{Clock, Times};

/// Declares the counters and their snapshot side by side, so that neither lacks one of the other.
macro_rules! tally {
    (
        counts: $($(#[$doc:meta])* $name:ident,)*;
        times: $($(#[$times_doc:meta])* $times:ident,)*
    ) => {
        /// What the cache did for some keys, in this process.
        ///
        /// Bytes are those of the values as they are stored: signed, and compressed if they are. Times are of
        /// calls that asked the server, as a program sees them: with a wait for a connection, and with
        /// checking what came; without making Python objects of it. A call about several keys counts its time
        /// under the first of them.
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Tally {
            $($(#[$doc])* pub $name: u64,)*
            $($(#[$times_doc])* pub $times: Times,)*
        }

        // Local hits stand near the begin: see the rows of `Prefixes`.
        #[derive(Debug, Default)]
        #[repr(C)]
        pub(crate) struct Counts {
            $(pub(crate) $name: Counter,)*
            $(pub(crate) $times: Clock,)*
        }

        impl Tally {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
                $(self.$times.add(&other.$times);)*
            }
        }

        impl Counts {
            pub(crate) fn snapshot(&self) -> Tally {
                let mut tally = Tally {
                    $($name: self.$name.get(),)*
                    $($times: self.$times.snapshot(),)*
                };
                // Each is counted once: a local hit as such, and what turned out to be unreadable as a hit
                // before or after that.
                let hits = tally.hits.saturating_add(tally.local_hits);
                tally.hits = hits.saturating_sub(tally.unreadable);
                tally.misses = tally.misses.saturating_add(tally.unreadable);
                tally
            }

            /// Moves what the other has counted here.
            pub(crate) fn absorb(&self, other: &Self) {
                $(self.$name.add_many(other.$name.take());)*
                $(self.$times.absorb(&other.$times);)*
            }

            pub(crate) fn clear(&self) {
                $(self.$name.take();)*
                $(self.$times.clear();)*
            }
        }
    };
}

tally! {
    counts:
    /// Reads that found a value, in Redis or in a request's own copy.
    hits,
    /// Those of them that a request's own copy answered.
    local_hits,
    /// Reads that found none, or one that had to be rejected.
    misses,
    /// Calls that asked the server and failed.
    errors,
    /// Calls that did not ask the server because it was away a moment ago.
    skipped,
    /// Values whose signature, place or lifetime was not right. They count as misses too.
    rejected,
    /// Values that could not be read though they were ours. They count as misses too.
    unreadable,
    /// Values that were stored.
    writes,
    /// Keys and fields that were asked to be removed, by name.
    deletes,
    /// Bytes of the values that were found in Redis.
    bytes_read,
    /// Bytes of the values that were stored.
    bytes_written,;
    times:
    /// How long reads took.
    read_times,
    /// How long writes and removals took.
    write_times,
}

impl Counts {
    /// How much there is to lose: calls of any kind.
    pub(crate) fn calls(&self) -> u64 {
        [&self.hits, &self.local_hits, &self.misses, &self.writes, &self.deletes, &self.errors, &self.skipped]
            .iter()
            .map(|counter| counter.get())
            .fold(0, u64::saturating_add)
    }
}

/// What one exchange with the server has brought, to be counted when it is over.
#[derive(Debug, Default)]
pub(crate) struct Note {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) rejected: u64,
    pub(crate) bytes: u64,
}

impl Note {
    pub(crate) fn hit(&mut self, bytes: &[u8]) {
        self.hits += 1;
        self.bytes += bytes.len() as u64;
    }

    pub(crate) fn miss(&mut self) {
        self.misses += 1;
    }

    pub(crate) fn rejected(&mut self) {
        self.misses += 1;
        self.rejected += 1;
    }
}

impl Counts {
    pub(crate) fn read(&self, note: &Note, took: Option<Duration>) {
        self.hits.add_some(note.hits);
        self.misses.add_some(note.misses);
        self.rejected.add_some(note.rejected);
        self.bytes_read.add_some(note.bytes);
        if let Some(took) = took {
            self.read_times.note(took);
        }
    }

    /// Counts an exchange that failed, if it did. Whether the server was asked.
    pub(crate) fn asked(&self, error: Option<&RedisError>) -> bool {
        match error {
            Some(RedisError::Paused { .. }) => self.skipped.add(),
            Some(_) => self.errors.add(),
            None => {}
        }
        !matches!(error, Some(RedisError::Paused { .. }))
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.writes.add();
        self.bytes_written.add_many(bytes as u64);
    }
}
