//! What ends a wait for the server before its time: a signal that the program wants to heed.

use std::sync::OnceLock;

static CHECK: OnceLock<fn() -> bool> = OnceLock::new();

/// From now on `check` is asked whenever a signal has disturbed a wait for the server, on the thread that
/// waits: if it answers yes, the call ends with [`RedisError::Interrupted`](crate::RedisError::Interrupted), and
/// its connection with it. Without it, a wait goes on until the reply or the deadline comes. For bindings, whose
/// interpreters run a signal's handler later; the first that is set stays.
///
/// ```
/// dontmanage_cache::set_interrupt_check(|| false);
/// ```
pub fn set_interrupt_check(check: fn() -> bool) {
    // A second one would be of another binding in the same process: there is one per interpreter.
    let _ = CHECK.set(check);
}

pub(crate) fn is_interrupted() -> bool {
    CHECK.get().is_some_and(|check| check())
}
