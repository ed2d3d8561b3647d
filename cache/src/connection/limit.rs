//! When an exchange has to be over.

use std::time::{Duration, Instant};

use crate::connect::remaining;

/// When the current exchange has to be over.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) end: Instant,
    pub(crate) whole: Duration,
}

impl Limit {
    pub(crate) fn starting_now(whole: Duration) -> Self {
        // The kernel takes zero for "no limit", and counts in microseconds.
        let whole = whole.max(Duration::from_micros(1));
        Self { end: Instant::now() + whole, whole }
    }

    /// What is left until `end`; none if nothing is.
    pub(crate) fn until(end: Instant) -> Option<Self> {
        remaining(end).map(|whole| Self { end, whole })
    }

    /// The same without its last quarter.
    #[cfg(feature = "tls")]
    pub(crate) fn but_its_end(self) -> Self {
        Self { end: self.end.checked_sub(self.whole / 4).unwrap_or(self.end), whole: self.whole }
    }

    pub(crate) fn round_up(self, left: Duration) -> Duration {
        let step = (self.whole / 16).max(Duration::from_micros(1));
        let steps = left.as_nanos().div_ceil(step.as_nanos());
        u32::try_from(steps).map_or(self.whole, |steps| (step * steps).min(self.whole))
    }
}
