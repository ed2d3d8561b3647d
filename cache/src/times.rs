//! How long calls took: their number, sum and longest, and about how they are spread.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Four to an octave, from 4 µs to a second; below, one for each µs.
const BUCKETS: usize = 76;
/// A bucket's unit is 1024 ns: near enough to a microsecond, and a shift instead of a division.
const UNIT_BITS: u32 = 10;
const FULL: u32 = 1 << 31;

/// How long calls took.
///
/// The sum and the longest are exact; what [`quantile`](Self::quantile) tells is an eighth off at most, and
/// counts what took longer than a second as the longest.
///
/// ```
/// # let client = dontmanage_cache::Client::new("redis://127.0.0.1:1".parse::<dontmanage_cache::RedisUrl>()?);
/// let reads = client.stats().read_times;
/// assert_eq!((reads.count(), reads.quantile(0.99)), (0, std::time::Duration::ZERO));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Times {
    count: u64,
    nanos: u64,
    longest: u64,
    buckets: [u64; BUCKETS],
}

impl Default for Times {
    fn default() -> Self {
        Self { count: 0, nanos: 0, longest: 0, buckets: [0; BUCKETS] }
    }
}

impl Times {
    /// How many calls.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// The longest of them.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// What such a part of the calls took at most, from 0 to 1: 0.5 is the median. Zero if there were none.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among so many calls need not be exact"
    )]
    pub fn quantile(&self, part: f64) -> Duration {
        let counted: u64 = self.buckets.iter().sum();
        if counted == 0 {
            return Duration::ZERO;
        }
        let rank = ((counted as f64 * part.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                let middle = if bucket + 1 < BUCKETS { middle(bucket) } else { self.longest };
                return Duration::from_nanos(middle.min(self.longest));
            }
        }
        self.longest()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.longest = self.longest.max(other.longest);
        for (mine, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += others;
        }
    }
}

/// The same while it is counted, by any number of threads.
#[derive(Debug)]
pub(crate) struct Clock {
    count: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
    buckets: [AtomicU32; BUCKETS],
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            buckets: [const { AtomicU32::new(0) }; BUCKETS],
        }
    }
}

impl Clock {
    pub(crate) fn note(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        if nanos > self.longest.load(Ordering::Relaxed) {
            self.longest.fetch_max(nanos, Ordering::Relaxed);
        }
        if self.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed) >= FULL {
            // The spread matters, not the numbers.
            for bucket in &self.buckets {
                bucket.fetch_sub(bucket.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn snapshot(&self) -> Times {
        Times {
            count: self.count.load(Ordering::Relaxed),
            nanos: self.nanos.load(Ordering::Relaxed),
            longest: self.longest.load(Ordering::Relaxed),
            buckets: std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed).into()),
        }
    }

    /// Moves what the other has counted here.
    pub(crate) fn absorb(&self, other: &Self) {
        self.count.fetch_add(other.count.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        self.nanos.fetch_add(other.nanos.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        self.longest.fetch_max(other.longest.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        for (mine, others) in self.buckets.iter().zip(&other.buckets) {
            let others = others.swap(0, Ordering::Relaxed);
            if others > 0 {
                mine.fetch_add(others.min(FULL), Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.count.store(0, Ordering::Relaxed);
        self.nanos.store(0, Ordering::Relaxed);
        self.longest.store(0, Ordering::Relaxed);
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }
}

fn bucket(nanos: u64) -> usize {
    let units = nanos >> UNIT_BITS;
    let at = if units < 4 {
        units
    } else {
        let octave = u64::from(units.ilog2());
        4 * (octave - 1) + ((units >> (octave - 2)) & 3)
    };
    usize::try_from(at).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The middle of a bucket, in nanoseconds.
fn middle(bucket: usize) -> u64 {
    let start = |at: u64| if at < 4 { at } else { (4 + at % 4) << (at / 4 - 1) };
    let bucket = bucket as u64;
    ((start(bucket) + start(bucket + 1)) << UNIT_BITS) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(micros: impl IntoIterator<Item = u64>) -> Times {
        let clock = Clock::default();
        micros.into_iter().for_each(|micros| clock.note(Duration::from_micros(micros)));
        clock.snapshot()
    }

    fn assert_about(time: Duration, micros: f64) {
        let off = time.as_secs_f64() * 1e6 / micros;
        assert!((0.85..1.18).contains(&off), "{time:?} is not about {micros} µs");
    }

    #[test]
    fn sum_and_longest_are_exact_and_quantiles_about_right() {
        let times = times(1..=1000);
        assert_eq!((times.count(), times.total()), (1000, Duration::from_micros(500_500)));
        assert_eq!(times.longest(), Duration::from_millis(1));
        assert_about(times.quantile(0.5), 500.0);
        assert_about(times.quantile(0.99), 990.0);
        assert!(times.quantile(1.0) <= times.longest());
    }

    #[test]
    fn what_took_longer_than_a_second_counts_as_the_longest() {
        assert_eq!(times([5_000_000, 9_000_000]).quantile(0.5), Duration::from_secs(9));
        assert_eq!(times([]).quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_is_absorbed_is_empty_and_nothing_is_lost() {
        let (mine, other) = (Clock::default(), Clock::default());
        mine.note(Duration::from_micros(1));
        other.note(Duration::from_micros(100));
        mine.absorb(&other);
        assert_eq!(other.snapshot(), Times::default());
        assert_eq!(mine.snapshot(), times([1, 100]));
        mine.clear();
        assert_eq!(mine.snapshot(), Times::default());
    }

    #[test]
    fn a_bucket_that_is_full_halves_all_of_them() {
        let clock = Clock::default();
        clock.buckets[3].store(FULL, Ordering::Relaxed);
        clock.buckets[9].store(FULL / 2, Ordering::Relaxed);
        clock.note(Duration::from_nanos(3 << UNIT_BITS));
        let times = clock.snapshot();
        assert!(times.buckets[3] <= u64::from(FULL / 2) + 1 && times.buckets[9] == u64::from(FULL / 4));
    }

    proptest! {
        #[test]
        fn a_time_lies_in_its_bucket(nanos in 0u64..1 << 30) {
            let at = bucket(nanos);
            prop_assert!(at < BUCKETS);
            let (middle, units) = (middle(at), nanos >> UNIT_BITS << UNIT_BITS);
            prop_assert!(middle.abs_diff(units) <= units / 7 + (1 << UNIT_BITS), "{} {}", middle, nanos);
        }
    }
}
