//! Invalidations that did not reach the server, and are still owed to it.
//!
//! The process remembers them. Until they are paid it does not believe what the cache says of those
//! documents, and a thread of its own tries again and again: what another process may still find of them
//! lasts until the server is reachable from here, and at most as long as an entry does.
//!
//! A fork leaves the thread behind; the child owes the same, and pays with its first use of the cache. Its
//! lock is only ever tried, because a fork may copy it locked for ever.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::names::WriterKeys;
use super::writes;
use crate::client::Client;
use crate::key::{Beginning, KeyPrefix};

/// No entry is older than this, and then nothing is owed for it any more.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// With more documents than this, the doctype as a whole is owed.
const MOST: usize = 10_000;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One invalidation.
#[derive(Clone, Debug)]
pub(crate) struct Debt {
    pub(super) keys: WriterKeys,
    pub(super) writer: Vec<u8>,
    /// Of a whole doctype: its entries.
    pub(super) entries: Option<Beginning>,
    pub(super) prefix: KeyPrefix,
    pub(super) doctype: String,
    pub(super) since: Instant,
}

/// What a process owes to its server.
#[derive(Default)]
pub(crate) struct Owed {
    count: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the number of each.
    debts: HashMap<u64, Debt>,
    next: u64,
    /// The process whose thread is paying.
    payer: Option<u32>,
}

impl Owed {
    /// Whether nothing is owed, as nearly always.
    pub(crate) fn is_nothing(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Whether what the server says of a key can't be believed.
    pub(super) fn concerns(&self, entry: &[u8], field: &[u8]) -> bool {
        if self.is_nothing() {
            return false;
        }
        let Some(state) = self.lock() else { return true };
        state.debts.values().any(|debt| {
            if field.is_empty() {
                debt.keys.first == entry || debt.entries.as_ref().is_some_and(|entries| entries.covers(entry))
            } else {
                debt.keys.last_modified == entry && debt.keys.doctype == field
            }
        })
    }

    /// Remembers invalidations, and has them paid.
    pub(super) fn add(&self, client: &Client, debts: Vec<Debt>) {
        let Some(mut state) = self.lock() else { return };
        for debt in debts {
            let number = state.next;
            state.next += 1;
            state.debts.insert(number, debt);
        }
        if state.debts.len() > MOST {
            state.merge();
        }
        self.count.store(state.debts.len(), Ordering::Release);
        let pid = std::process::id();
        if state.payer != Some(pid) {
            let client = client.clone();
            let thread = std::thread::Builder::new()
                .name("cache-owed".to_owned())
                .spawn(move || pay_until_done(&client));
            // Without a thread, the next use of the cache pays.
            state.payer = thread.is_ok().then_some(pid);
        }
    }

    /// Pays what is owed, if the server can be reached. Whether nothing is owed any more.
    pub(super) fn pay(&self, client: &Client) -> bool {
        if self.is_nothing() {
            return true;
        }
        let Some(debts) = self.lock().map(|state| state.debts.clone()) else { return false };
        for (number, debt) in debts {
            if debt.since.elapsed() > LONGEST || writes::pay(client, &debt).is_ok() {
                self.forget(number);
            } else {
                return false;
            }
        }
        self.is_nothing()
    }

    fn forget(&self, number: u64) {
        if let Some(mut state) = self.lock() {
            state.debts.remove(&number);
            self.count.store(state.debts.len(), Ordering::Release);
        }
    }

    /// Gives up the thread's duty if there is nothing left to do. Whether it did.
    fn retire(&self) -> bool {
        let Some(mut state) = self.lock() else { return true };
        if state.debts.is_empty() {
            state.payer = None;
        }
        state.debts.is_empty()
    }

    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        for _ in 0..10_000 {
            match self.state.try_lock() {
                Ok(state) => return Some(state),
                Err(std::sync::TryLockError::Poisoned(state)) => return Some(state.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        None
    }
}

impl State {
    /// Whole doctypes in place of their documents.
    fn merge(&mut self) {
        let debts: Vec<Debt> = self.debts.drain().map(|(_, debt)| debt).collect();
        let mut merged: HashMap<(KeyPrefix, String), Debt> = HashMap::new();
        for debt in debts {
            let place = (debt.prefix.clone(), debt.doctype.clone());
            merged
                .entry(place)
                .or_insert_with(|| writes::debt(&debt.prefix, &debt.doctype, None, &debt.writer));
        }
        for debt in merged.into_values() {
            self.debts.insert(self.next, debt);
            self.next += 1;
        }
    }
}

fn pay_until_done(client: &Client) {
    let owed = client.owed();
    let mut pause = FIRST_PAUSE;
    while !(owed.pay(client) && owed.retire()) {
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
