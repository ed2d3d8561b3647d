//! When an exchange has to be over.

use std::time::{Duration, Instant};

/// When the current exchange has to be over.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) end: Instant,
    pub(super) whole: Duration,
}

impl Limit {
    pub(super) fn starting_now(whole: Duration) -> Self {
        // The kernel takes zero for "no limit", and counts in microseconds.
        let whole = whole.max(Duration::from_micros(1));
        Self { end: Instant::now() + whole, whole }
    }

    pub(super) fn round_up(self, left: Duration) -> Duration {
        let step = (self.whole / 16).max(Duration::from_micros(1));
        let steps = left.as_nanos().div_ceil(step.as_nanos());
        u32::try_from(steps).map_or(self.whole, |steps| (step * steps).min(self.whole))
    }
}
