//! How long a value is kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a value is kept: for good (until it is evicted), or a number of whole seconds.
///
/// ```
/// use std::time::Duration;
/// use dontmanage_cache::Lifetime;
///
/// assert_eq!(Lifetime::from(Duration::from_millis(1500)).as_secs(), Some(2));
/// assert_eq!(Lifetime::secs(0), Lifetime::NONE);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Lifetime {
    /// Zero is none.
    seconds: u64,
}

impl Lifetime {
    /// No limit.
    pub const NONE: Self = Self { seconds: 0 };

    /// An hour.
    pub const HOUR: Self = Self { seconds: 60 * 60 };

    /// Redis counts milliseconds since 1970 in 63 bits; three thousand years are enough.
    const LONGEST: u64 = 100_000_000_000;

    /// So many seconds; 0 is no limit.
    #[must_use]
    pub fn secs(seconds: u64) -> Self {
        Self { seconds: seconds.min(Self::LONGEST) }
    }

    /// The seconds, if there is a limit.
    #[must_use]
    pub fn as_secs(self) -> Option<u64> {
        (self.seconds > 0).then_some(self.seconds)
    }

    /// When a value that is set now ends, in milliseconds since 1970; 0 is never.
    pub(crate) fn ends_at(self) -> u64 {
        self.as_secs().map_or(0, |seconds| now_ms().saturating_add(seconds * 1000))
    }
}

impl From<Duration> for Lifetime {
    /// Parts of a second are rounded up; zero is no limit.
    fn from(duration: Duration) -> Self {
        Self::secs(duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)))
    }
}

impl From<Option<Duration>> for Lifetime {
    fn from(duration: Option<Duration>) -> Self {
        duration.map_or(Self::NONE, Self::from)
    }
}

/// The time left to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ttl {
    /// There is no such key.
    Missing,
    /// It has no limit.
    Unlimited,
    /// It ends after this.
    Left(Duration),
}

impl Ttl {
    /// The time left so much later.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dontmanage_cache::Ttl;
    ///
    /// assert_eq!(Ttl::Left(Duration::from_secs(3)).after(Duration::from_secs(1)), Ttl::Left(Duration::from_secs(2)));
    /// assert_eq!(Ttl::Unlimited.after(Duration::from_secs(1)), Ttl::Unlimited);
    /// ```
    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        match self {
            Self::Left(left) => Self::Left(left.saturating_sub(elapsed)),
            other => other,
        }
    }
}

/// The time left to what has just been stored.
impl From<Lifetime> for Ttl {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.as_secs().map_or(Self::Unlimited, |seconds| Self::Left(Duration::from_secs(seconds)))
    }
}

/// Milliseconds since 1970, by the clock on the wall: other processes must agree.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_second_are_rounded_up() {
        assert_eq!(Lifetime::from(Duration::from_nanos(1)).as_secs(), Some(1));
        assert_eq!(Lifetime::from(Duration::from_secs(60)).as_secs(), Some(60));
        assert_eq!(Lifetime::from(Duration::ZERO), Lifetime::NONE);
        assert_eq!(Lifetime::from(None), Lifetime::NONE);
    }

    #[test]
    fn the_longest_lifetime_is_one_that_redis_takes() {
        assert_eq!(Lifetime::from(Duration::MAX).as_secs(), Some(Lifetime::LONGEST));
        assert!(Lifetime::from(Duration::MAX).ends_at() > now_ms());
    }
}
