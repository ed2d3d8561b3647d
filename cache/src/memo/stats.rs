//! What the cache does for a function, counted.

use std::time::Duration;

use crate::stats::Counter;

/// Counts for one function, in this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MemoStats {
    /// Calls answered with a fresh answer.
    pub hits: u64,
    /// Calls answered with an old one while another caller refreshed it.
    pub stale: u64,
    /// Calls that found no answer.
    pub misses: u64,
    /// Answers handed in.
    pub computed: u64,
    /// Tickets given back without an answer: the function failed.
    pub failed: u64,
    /// Answers that came after their call was cleared, or after the lock was lost, and were not kept.
    pub outdated: u64,
    /// Calls that waited for another's answer.
    pub waited: u64,
    /// Calls that could not ask the server.
    pub errors: u64,
    /// Bytes of the answers that were found.
    pub bytes_read: u64,
    /// Bytes of the answers that were handed in.
    pub bytes_written: u64,
    /// Time between getting a ticket and handing the answer in.
    pub compute_time: Duration,
    /// Time waited for others.
    pub wait_time: Duration,
}

#[derive(Debug, Default)]
pub(super) struct MemoCounters {
    pub(super) hits: Counter,
    pub(super) stale: Counter,
    pub(super) misses: Counter,
    pub(super) computed: Counter,
    pub(super) failed: Counter,
    pub(super) outdated: Counter,
    pub(super) waited: Counter,
    pub(super) errors: Counter,
    pub(super) bytes_read: Counter,
    pub(super) bytes_written: Counter,
    pub(super) compute_micros: Counter,
    pub(super) wait_micros: Counter,
}

impl MemoCounters {
    pub(super) fn snapshot(&self) -> MemoStats {
        MemoStats {
            hits: self.hits.get(),
            stale: self.stale.get(),
            misses: self.misses.get(),
            computed: self.computed.get(),
            failed: self.failed.get(),
            outdated: self.outdated.get(),
            waited: self.waited.get(),
            errors: self.errors.get(),
            bytes_read: self.bytes_read.get(),
            bytes_written: self.bytes_written.get(),
            compute_time: Duration::from_micros(self.compute_micros.get()),
            wait_time: Duration::from_micros(self.wait_micros.get()),
        }
    }
}
