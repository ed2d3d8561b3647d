//! One end for a whole probe, however many steps it takes: a peer that sends a byte a second, or that
//! has many addresses, gains no time by it.

use std::io;
use std::time::{Duration, Instant};

/// The moment at which a probe gives up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        // A year is as good as for ever, and no sum overflows.
        Self(now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600)))
    }

    /// What is left of it; an error of kind `TimedOut` once nothing is.
    pub fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// Whether an error of a socket with a timeout says that the time is up: Linux says `WouldBlock`.
pub fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_is_over_leaves_an_error() {
        let error = Deadline::after(Duration::ZERO).left().expect_err("no time is left");
        assert!(timed_out(&error));
        assert!(Deadline::after(Duration::MAX).left().is_ok());
    }
}
