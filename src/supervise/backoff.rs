//! How long a program that ended waits before it is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// A program that stays up for so long starts counting afresh.
pub const STABLE: Duration = Duration::from_secs(60);

/// Random numbers for jitter: xorshift64*, which is enough to keep restarts apart.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// From any seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number from 0 to `below`, without `below`.
    fn pick(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % below.max(1)
    }
}

/// The wait before restart number `attempt` (from 1): doubling from 100 ms to 30 s, of which the
/// later half is random, so that programs which fell together do not rise together.
pub fn delay(attempt: u32, jitter: &mut Jitter) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let full = doubled.min(LONGEST);
    let half = full / 2;
    let random = jitter.pick(u64::try_from(half.as_millis()).unwrap_or(u64::MAX));
    half + Duration::from_millis(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_at_most_twice_the_last_and_never_over_the_cap() {
        let mut jitter = Jitter::new(7);
        for attempt in 1..200 {
            let wait = delay(attempt, &mut jitter);
            let full = FIRST.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(LONGEST);
            assert!(wait >= full / 2 && wait < full, "attempt {attempt}: {wait:?} of {full:?}");
        }
    }

    #[test]
    fn two_programs_that_fell_together_rise_apart() {
        let (mut one, mut two) = (Jitter::new(1), Jitter::new(2));
        assert!((5..10).any(|attempt| delay(attempt, &mut one) != delay(attempt, &mut two)));
    }
}
