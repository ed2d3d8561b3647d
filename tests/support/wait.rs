//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How long any single condition may take. Long, because it only matters when a test fails.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
pub const STEP: Duration = Duration::from_millis(5);

/// Waits until the condition answers something; fails the test, with its name, after the deadline.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = condition() {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain until {what}");
        std::thread::sleep(STEP);
    }
}

/// Lets time pass, where a test is about what happens, or does not, in that time.
pub fn pass(time: Duration) {
    std::thread::sleep(time);
}
