//! Counts of what the cache did for this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::envelope::Rejection;
use crate::pickle::PickleError;
use crate::prefixes::Prefixes;
use crate::process;
use crate::times::Times;

/// Counts since the client was made, of all its clones together; in a forked child, since the fork.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// For how long it has been counted.
    pub counted_for: Duration,
    /// Reads that found a value, in Redis or in a request's own copy.
    pub hits: u64,
    /// Those of them that a request's own copy answered.
    pub local_hits: u64,
    /// Reads that found none, or one that had to be rejected.
    pub misses: u64,
    /// Calls that asked the server and failed, of any kind.
    pub errors: u64,
    /// Calls that did not ask the server because it was away a moment ago.
    pub skipped: u64,
    /// Writes that did not reach the server.
    pub dropped_writes: u64,
    /// Values whose signature, place or lifetime was not right. They count as misses too.
    pub rejected: u64,
    /// Values that could not be read though they were ours, or that anybody may have put there. They count as
    /// misses too.
    pub unreadable: u64,
    /// The same by reason.
    pub refusals: Refusals,
    /// Values that were stored.
    pub writes: u64,
    /// Keys and fields that were asked to be removed, by name.
    pub deletes: u64,
    /// Bytes of the values that were found in Redis, as they are stored.
    pub bytes_read: u64,
    /// Bytes of the values that were stored.
    pub bytes_written: u64,
    /// How long reads took that asked the server.
    pub read_times: Times,
    /// How long writes and removals took.
    pub write_times: Times,
    /// Times that the server was found away.
    pub outages: u64,
    /// Connections made.
    pub connects: u64,
}

/// Why a value that was found is of no use to its reader, beyond what [`Rejection`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Unreadable {
    /// It is cut off.
    Truncated,
    /// It nests too deep, or is too large.
    TooDeep,
    /// It is of a class that is not there.
    UnknownClass,
    /// It is not of the shape that was asked for.
    Shape,
    /// It is no value for any other reason.
    Malformed,
}

impl From<&PickleError> for Unreadable {
    fn from(error: &PickleError) -> Self {
        match error {
            PickleError::Truncated => Self::Truncated,
            PickleError::TooDeep | PickleError::TooLarge => Self::TooDeep,
            PickleError::Unsupported { .. } => Self::UnknownClass,
            _ => Self::Malformed,
        }
    }
}

/// Declares the reasons, their counters and where each is counted.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($pattern:pat_param)|+,)*) => {
        /// Values that were found and not taken, by reason.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Refusals {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Refusals {
            /// Each reason's name and number.
            #[must_use]
            pub fn by_name(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }

        #[derive(Debug, Default)]
        struct RefusalCounters {
            $($name: Counter,)*
        }

        impl RefusalCounters {
            fn snapshot(&self) -> Refusals {
                Refusals { $($name: self.$name.get(),)* }
            }

            fn of(&self, refusal: Refusal) -> &Counter {
                match refusal {
                    $($($pattern)|+ => &self.$name,)*
                }
            }

            fn clear(&self) {
                $(self.$name.take();)*
            }
        }
    };
}

#[derive(Clone, Copy)]
enum Refusal {
    Rejected(Rejection),
    Unreadable(Unreadable),
}

refusals! {
    /// No envelope, in a bench that signs.
    unsigned: Refusal::Rejected(Rejection::Unsigned),
    /// An envelope, and no key to check it with.
    no_key: Refusal::Rejected(Rejection::NoKey),
    /// Changed, cut off, signed with another key, or moved from another key, field or site.
    bad_signature: Refusal::Rejected(Rejection::Signature),
    /// Brought back after its end, or not yet thrown out by Redis.
    expired: Refusal::Rejected(Rejection::Expired),
    /// From a newer version.
    unknown_format: Refusal::Rejected(Rejection::Format(_)),
    /// Signed and not to be unpacked.
    bad_packing: Refusal::Rejected(Rejection::Packing),
    /// Cut off: before the end of its envelope's head, or of its pickle where nothing is signed.
    truncated: Refusal::Rejected(Rejection::Truncated) | Refusal::Unreadable(Unreadable::Truncated),
    /// Nested too deep, or too large.
    too_deep: Refusal::Rejected(Rejection::TooDeep) | Refusal::Unreadable(Unreadable::TooDeep),
    /// Of a class that is not there.
    unknown_class: Refusal::Unreadable(Unreadable::UnknownClass),
    /// Not of the shape that was asked for.
    wrong_shape: Refusal::Unreadable(Unreadable::Shape),
    /// No value for any other reason.
    malformed: Refusal::Unreadable(Unreadable::Malformed),
}

/// What all clones of a client count.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) prefixes: Arc<Prefixes>,
    pub(crate) errors: Counter,
    pub(crate) skipped: Counter,
    pub(crate) dropped_writes: Counter,
    pub(crate) outages: Counter,
    pub(crate) connects: Counter,
    refusals: RefusalCounters,
    /// What the time below counts from.
    made: Instant,
    /// When the counts began, in nanoseconds.
    began: AtomicU64,
    /// The process that these are the counts of.
    generation: AtomicU32,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            prefixes: Arc::default(),
            errors: Counter::default(),
            skipped: Counter::default(),
            dropped_writes: Counter::default(),
            outages: Counter::default(),
            connects: Counter::default(),
            refusals: RefusalCounters::default(),
            made: Instant::now(),
            began: AtomicU64::new(0),
            generation: AtomicU32::new(process::generation()),
        }
    }

    pub(crate) fn snapshot(&self) -> Stats {
        self.renew();
        let total = self.prefixes.snapshot().total();
        Stats {
            counted_for: self
                .made
                .elapsed()
                .saturating_sub(Duration::from_nanos(self.began.load(Ordering::Relaxed))),
            hits: total.hits,
            local_hits: total.local_hits,
            misses: total.misses,
            errors: self.errors.get(),
            skipped: self.skipped.get(),
            dropped_writes: self.dropped_writes.get(),
            rejected: total.rejected,
            unreadable: total.unreadable,
            refusals: self.refusals.snapshot(),
            writes: total.writes,
            deletes: total.deletes,
            bytes_read: total.bytes_read,
            bytes_written: total.bytes_written,
            read_times: total.read_times,
            write_times: total.write_times,
            outages: self.outages.get(),
            connects: self.connects.get(),
        }
    }

    pub(crate) fn clear(&self) {
        self.prefixes.clear();
        self.clear_own();
    }

    fn clear_own(&self) {
        for counter in [&self.errors, &self.skipped, &self.dropped_writes, &self.outages, &self.connects] {
            counter.take();
        }
        self.refusals.clear();
        let now = u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.began.store(now, Ordering::Relaxed);
    }

    /// Begins anew in a forked child.
    pub(crate) fn renew(&self) {
        let (mine, now) = (self.generation.load(Ordering::Relaxed), process::generation());
        if mine != now
            && self.generation.compare_exchange(mine, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.clear_own();
        }
    }

    /// A value was rejected; that it is a miss is counted with its key.
    pub(crate) fn rejected(&self, rejection: Rejection) {
        self.refusals.of(Refusal::Rejected(rejection)).add();
    }

    /// A request's own copy answered.
    pub(crate) fn local_hit(&self, name: &[u8]) {
        self.prefixes.of(name).local_hits.add();
    }

    /// What was found at a key that the program names so, and is counted as a hit, is of no use to the reader.
    pub(crate) fn unreadable(&self, name: &[u8], why: Unreadable) {
        self.refusals.of(Refusal::Unreadable(why)).add();
        self.prefixes.of(name).unreadable.add();
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

    /// As [`add_many`](Self::add_many), for what is mostly none.
    pub(crate) fn add_some(&self, number: u64) {
        if number > 0 {
            self.add_many(number);
        }
    }

    /// As [`add`](Self::add), at a fifth of the price, where no other thread counts at the same moment, or
    /// it does not matter if one is lost.
    pub(crate) fn add_alone(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Not below zero: the counts may have begun anew meanwhile.
    pub(crate) fn take_back(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| number.checked_sub(1));
    }

    /// The number, which begins anew.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a client knows of its server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ServerState {
    /// Calls are sent to it.
    Up,
    /// It was found away, and calls do without it.
    Away {
        /// How long ago.
        since: Duration,
        /// When a call will look again; zero if the next one does.
        retry_in: Duration,
    },
}
