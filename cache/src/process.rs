//! Which process this is: a forked child counts for itself, from nothing.

use std::sync::atomic::{AtomicU32, Ordering};

/// The process that was seen last; 0 is none yet.
static PID: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between the first process and this one, as far as they were noticed.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Tells the process's number, which every call to a server has at hand.
pub(crate) fn seen(pid: u32) {
    if PID.load(Ordering::Relaxed) != pid {
        let before = PID.swap(pid, Ordering::Relaxed);
        if before != 0 && before != pid {
            GENERATION.fetch_add(1, Ordering::Release);
        }
    }
}

/// What counts were begun under; others are of a parent's, and to be begun anew.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Acquire)
}

/// Tells the library that the process has been forked, in the child: its counts begin anew at once. Without
/// this they do with the child's first call to a server, or look at them.
///
/// ```
/// // In what the child does first:
/// dontmanage_cache::after_fork();
/// ```
pub fn after_fork() {
    seen(std::process::id());
}
