//! Idle connections, the latest first.
//!
//! Each slot has a lock of its own that is only ever *tried*: a slot that is locked, also for ever
//! because a fork copied it in that state, is passed over. So a forked child neither hangs nor uses a
//! connection of its parent: what another process opened is dropped, which closes the child's copy only.

use std::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Pool<T> {
    slots: Box<[Mutex<Option<Idle<T>>>]>,
}

#[derive(Debug)]
struct Idle<T> {
    /// The process that opened it.
    pid: u32,
    connection: T,
}

impl<T> Pool<T> {
    pub(crate) fn new(size: usize) -> Self {
        Self { slots: (0..size).map(|_| Mutex::new(None)).collect() }
    }

    /// An idle connection that process `pid` has opened.
    pub(crate) fn take(&self, pid: u32) -> Option<T> {
        for slot in &self.slots {
            let Ok(mut slot) = slot.try_lock() else { continue };
            match slot.take() {
                Some(idle) if idle.pid == pid => return Some(idle.connection),
                // Inherited from the parent: dropped here.
                _ => {}
            }
        }
        None
    }

    /// Keeps a connection that process `pid` has opened, or drops it if there are enough.
    pub(crate) fn put(&self, pid: u32, connection: T) {
        for slot in &self.slots {
            let Ok(mut slot) = slot.try_lock() else { continue };
            if slot.as_ref().is_none_or(|idle| idle.pid != pid) {
                *slot = Some(Idle { pid, connection });
                return;
            }
        }
    }

    /// Drops all.
    pub(crate) fn clear(&self) {
        for slot in &self.slots {
            if let Ok(mut slot) = slot.try_lock() {
                *slot = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_latest_connection_is_used_first() {
        let pool = Pool::new(4);
        assert_eq!(pool.take(1), None);
        pool.put(1, "a");
        pool.put(1, "b");
        let first = pool.take(1).unwrap();
        pool.put(1, first);
        assert_eq!(pool.take(1), Some(first));
    }

    #[test]
    fn a_forked_child_gets_none_of_its_parents_connections() {
        let pool = Pool::new(2);
        let of_parent = Arc::new(());
        pool.put(1, of_parent.clone());
        pool.put(1, of_parent.clone());
        assert!(pool.take(2).is_none());
        assert_eq!(Arc::strong_count(&of_parent), 1, "the child's copies are closed");

        pool.put(1, of_parent.clone());
        pool.put(2, Arc::new(()));
        pool.put(2, Arc::new(()));
        assert_eq!(Arc::strong_count(&of_parent), 1, "they make room too");
        assert!(pool.take(2).is_some() && pool.take(2).is_some() && pool.take(2).is_none());
    }

    #[test]
    fn a_slot_that_was_locked_at_the_fork_is_passed_over() {
        let pool = Pool::new(2);
        let _held = pool.slots[0].lock().unwrap();
        pool.put(1, "a");
        assert_eq!(pool.take(1), Some("a"));
        pool.clear();
    }

    #[test]
    fn more_than_enough_are_dropped() {
        let pool = Pool::new(1);
        let extra = Arc::new(());
        pool.put(1, Arc::new(()));
        pool.put(1, extra.clone());
        assert_eq!(Arc::strong_count(&extra), 1);
    }
}
