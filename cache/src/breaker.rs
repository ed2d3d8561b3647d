//! The circuit breaker: while the server is away, calls cost no more than a look at the clock.
//!
//! Closed, every call goes through. A failure opens it until a retry time; then a single call may look
//! whether the server is back. Each vain look doubles the wait, up to a limit; the first answer closes
//! it. The state is a few atomic numbers, so nothing can be left locked by a fork or by a lost thread:
//! the right to look is given by moving the retry time on, and runs out by itself.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How long to leave a server alone that was found away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// From `first`, doubling up to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Half of the nominal wait at least, the rest by chance, so that workers do not all come back at
    /// the same moment.
    fn wait(self, step: u32, chance: u64) -> Duration {
        let nominal = self.first.saturating_mul(1u32.checked_shl(step).unwrap_or(u32::MAX)).min(self.longest);
        let half = nominal / 2;
        let share = u32::try_from(chance % 1024).unwrap_or(0);
        half + half * share / 1024
    }
}

/// What a call may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    /// Go ahead.
    Pass,
    /// Go ahead; the outcome decides for all.
    Probe,
    /// Leave the server alone for so long.
    Wait(Duration),
}

/// Times are counted from any moment that its owner keeps to; zero is never a retry time.
#[derive(Debug)]
pub(crate) struct Breaker {
    backoff: Backoff,
    /// A probe that ends without a word (its process died) gives the right to look back after this.
    claim: Duration,
    /// Nanoseconds; 0 is closed.
    retry_at: AtomicU64,
    opened_at: AtomicU64,
    step: AtomicU32,
}

impl Breaker {
    pub(crate) fn new(backoff: Backoff, claim: Duration) -> Self {
        Self {
            backoff,
            claim,
            retry_at: AtomicU64::new(0),
            opened_at: AtomicU64::new(0),
            step: AtomicU32::new(0),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.retry_at.load(Ordering::Acquire) != 0
    }

    /// How long ago the outage began, and when a call may look again; none if there is none.
    pub(crate) fn outage(&self, now: Duration) -> Option<(Duration, Duration)> {
        let retry_at = Duration::from_nanos(self.retry_at.load(Ordering::Acquire));
        let since = Duration::from_nanos(self.opened_at.load(Ordering::Relaxed));
        (!retry_at.is_zero()).then(|| (now.saturating_sub(since), retry_at.saturating_sub(now)))
    }

    pub(crate) fn admit(&self, now: impl FnOnce() -> Duration) -> Admission {
        let retry_at = self.retry_at.load(Ordering::Acquire);
        if retry_at == 0 {
            return Admission::Pass;
        }
        let now = nanos(now());
        if now < retry_at {
            return Admission::Wait(Duration::from_nanos(retry_at - now));
        }
        let claimed = now.saturating_add(nanos(self.claim));
        match self.retry_at.compare_exchange(retry_at, claimed, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Admission::Probe,
            // Closed in between, or another call was quicker.
            Err(0) => Admission::Pass,
            Err(other) => Admission::Wait(Duration::from_nanos(other.saturating_sub(now))),
        }
    }

    /// The server was found away by a call that `admit` let through. True if this began the outage.
    pub(crate) fn fail(&self, now: Duration, admission: Admission) -> bool {
        let at = |step| nanos(now).saturating_add(nanos(self.backoff.wait(step, chance(now)))).max(1);
        if admission == Admission::Probe {
            let step = self.step.load(Ordering::Relaxed).saturating_add(1).min(30);
            self.step.store(step, Ordering::Relaxed);
            self.retry_at.store(at(step), Ordering::Release);
            return false;
        }
        // Calls that were under way when another found out change nothing.
        if self.retry_at.compare_exchange(0, at(0), Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        self.step.store(0, Ordering::Relaxed);
        self.opened_at.store(nanos(now), Ordering::Relaxed);
        true
    }

    /// The server answered. If this ended an outage: how long it lasted.
    pub(crate) fn succeed(&self, now: impl FnOnce() -> Duration) -> Option<Duration> {
        if !self.is_open() || self.retry_at.swap(0, Ordering::AcqRel) == 0 {
            return None;
        }
        Some(now().saturating_sub(Duration::from_nanos(self.opened_at.load(Ordering::Relaxed))))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Chance enough to spread retries: the hasher's keys differ by process, the pid by fork.
fn chance(now: Duration) -> u64 {
    std::hash::RandomState::new().hash_one((std::process::id(), now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn breaker() -> Breaker {
        Breaker::new(Backoff::new(ms(100), ms(5000)), ms(750))
    }

    #[test]
    fn a_failure_holds_later_calls_back_until_one_may_look() {
        let breaker = breaker();
        assert_eq!(breaker.admit(|| ms(1)), Admission::Pass);
        assert!(breaker.fail(ms(1), Admission::Pass), "the outage begins");
        assert!(!breaker.fail(ms(2), Admission::Pass), "and begins once");
        let Admission::Wait(wait) = breaker.admit(|| ms(1)) else { panic!("it waits") };
        assert!(wait >= ms(50) && wait <= ms(100), "{wait:?}");
        assert_eq!(breaker.admit(|| ms(101)), Admission::Probe);
        assert!(matches!(breaker.admit(|| ms(101)), Admission::Wait(_)), "one looks, not two");
    }

    #[test]
    fn each_vain_look_doubles_the_wait_up_to_the_limit() {
        let breaker = breaker();
        breaker.fail(ms(0), Admission::Pass);
        let mut now = ms(0);
        for nominal in [200, 400, 800, 1600, 3200, 5000, 5000, 5000] {
            let Admission::Wait(wait) = breaker.admit(|| now) else { panic!("it waits") };
            now += wait;
            assert_eq!(breaker.admit(|| now), Admission::Probe);
            breaker.fail(now, Admission::Probe);
            let Admission::Wait(wait) = breaker.admit(|| now) else { panic!("it waits") };
            assert!(wait >= ms(nominal / 2) && wait <= ms(nominal), "{nominal}: {wait:?}");
        }
    }

    #[test]
    fn an_answer_ends_the_outage_once_and_the_next_one_starts_afresh() {
        let breaker = breaker();
        breaker.fail(ms(1000), Admission::Pass);
        assert_eq!(breaker.admit(|| ms(1100)), Admission::Probe);
        breaker.fail(ms(1100), Admission::Probe);
        assert_eq!(breaker.succeed(|| ms(4000)), Some(ms(3000)));
        assert_eq!(breaker.succeed(|| ms(4001)), None);
        assert_eq!(breaker.admit(|| ms(4001)), Admission::Pass);
        breaker.fail(ms(5000), Admission::Pass);
        let Admission::Wait(wait) = breaker.admit(|| ms(5000)) else { panic!("it waits") };
        assert!(wait <= ms(100), "{wait:?}");
    }

    #[test]
    fn a_probe_that_never_reports_does_not_block_the_rest() {
        let breaker = breaker();
        breaker.fail(ms(0), Admission::Pass);
        assert_eq!(breaker.admit(|| ms(200)), Admission::Probe);
        assert!(matches!(breaker.admit(|| ms(900)), Admission::Wait(_)));
        assert_eq!(breaker.admit(|| ms(950)), Admission::Probe);
    }
}
