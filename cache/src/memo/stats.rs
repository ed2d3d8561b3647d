//! What the cache does for a function, counted.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::process;
use crate::stats::Counter;
use crate::times::{Clock, Times};

/// Counts for one function, in this process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MemoStats {
    /// Calls answered with a fresh answer, from Redis or from a request's own copy.
    pub hits: u64,
    /// Those of them that a request's own copy answered.
    pub local_hits: u64,
    /// Calls answered with an old one while another caller refreshed it.
    pub stale: u64,
    /// Calls that found no answer.
    pub misses: u64,
    /// Answers that were found and were rejected, or could not be read. They count as misses too.
    pub refused: u64,
    /// Answers handed in.
    pub computed: u64,
    /// Tickets given back without an answer: the function failed.
    pub failed: u64,
    /// Answers that came after their call was cleared, or after the lock was lost, and were not kept.
    pub outdated: u64,
    /// Calls that waited for another's answer.
    pub waited: u64,
    /// Calls that could not ask the server, and answers that could not be kept.
    pub errors: u64,
    /// Bytes of the answers that were found in Redis, as they are stored.
    pub bytes_read: u64,
    /// Bytes of the answers that were handed in, as they are stored.
    pub bytes_written: u64,
    /// How long first looks for an answer took that asked the server.
    pub read_times: Times,
    /// Times between getting a ticket and handing the answer in.
    pub compute_times: Times,
    /// Time waited for others.
    pub wait_time: Duration,
}

#[derive(Debug)]
pub(super) struct MemoCounters {
    pub(super) hits: Counter,
    pub(super) local_hits: Counter,
    pub(super) stale: Counter,
    pub(super) misses: Counter,
    pub(super) refused: Counter,
    pub(super) computed: Counter,
    pub(super) failed: Counter,
    pub(super) outdated: Counter,
    pub(super) waited: Counter,
    pub(super) errors: Counter,
    pub(super) bytes_read: Counter,
    pub(super) bytes_written: Counter,
    pub(super) read_times: Clock,
    pub(super) compute_times: Clock,
    pub(super) wait_micros: Counter,
    /// The process that these are the counts of.
    generation: AtomicU32,
}

impl MemoCounters {
    pub(super) fn new() -> Self {
        Self {
            hits: Counter::default(),
            local_hits: Counter::default(),
            stale: Counter::default(),
            misses: Counter::default(),
            refused: Counter::default(),
            computed: Counter::default(),
            failed: Counter::default(),
            outdated: Counter::default(),
            waited: Counter::default(),
            errors: Counter::default(),
            bytes_read: Counter::default(),
            bytes_written: Counter::default(),
            read_times: Clock::default(),
            compute_times: Clock::default(),
            wait_micros: Counter::default(),
            generation: AtomicU32::new(process::generation()),
        }
    }

    pub(super) fn snapshot(&self) -> MemoStats {
        let local_hits = self.local_hits.get();
        MemoStats {
            // Counted once, where it costs most.
            hits: self.hits.get().saturating_add(local_hits),
            local_hits,
            stale: self.stale.get(),
            misses: self.misses.get(),
            refused: self.refused.get(),
            computed: self.computed.get(),
            failed: self.failed.get(),
            outdated: self.outdated.get(),
            waited: self.waited.get(),
            errors: self.errors.get(),
            bytes_read: self.bytes_read.get(),
            bytes_written: self.bytes_written.get(),
            read_times: self.read_times.snapshot(),
            compute_times: self.compute_times.snapshot(),
            wait_time: Duration::from_micros(self.wait_micros.get()),
        }
    }

    pub(super) fn clear(&self) {
        let counters = [
            &self.hits,
            &self.local_hits,
            &self.stale,
            &self.misses,
            &self.refused,
            &self.computed,
            &self.failed,
            &self.outdated,
            &self.waited,
            &self.errors,
            &self.bytes_read,
            &self.bytes_written,
            &self.wait_micros,
        ];
        for counter in counters {
            counter.take();
        }
        self.read_times.clear();
        self.compute_times.clear();
    }

    /// Begins anew in a forked child.
    pub(super) fn renewed(&self) -> &Self {
        let (mine, now) = (self.generation.load(Ordering::Relaxed), process::generation());
        if mine != now
            && self.generation.compare_exchange(mine, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.clear();
        }
        self
    }
}
