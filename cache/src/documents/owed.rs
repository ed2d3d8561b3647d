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

use super::names::{self, WriterKeys};
use super::writes;
use crate::client::{Call, Client};
use crate::error::RedisError;
use crate::key::KeyPrefix;
use crate::scan;

/// No entry is older than this, and then nothing is owed for it any more.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// With more documents than this, the doctype as a whole is owed.
const MOST: usize = 10_000;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One invalidation: of a document, of a doctype, or of a site.
#[derive(Clone, Debug)]
pub(crate) struct Debt {
    pub(super) prefix: KeyPrefix,
    pub(super) doctype: Option<String>,
    pub(super) name: Option<String>,
    /// Whose mark goes with it.
    pub(super) writer: Vec<u8>,
    pub(super) since: Instant,
}

impl Debt {
    pub(super) fn new(prefix: &KeyPrefix, doctype: Option<&str>, name: Option<&str>, writer: &[u8]) -> Self {
        Self {
            prefix: prefix.clone(),
            doctype: doctype.map(str::to_owned),
            name: name.map(str::to_owned),
            writer: writer.to_vec(),
            since: Instant::now(),
        }
    }

    /// Makes up for it, whatever the breaker says.
    pub(super) fn pay(&self, client: &Client) -> Result<(), RedisError> {
        let entries = match (&self.doctype, &self.name) {
            (None, _) => {
                // Without the generation nothing that was read before can be stored.
                let generation = names::site_generation(&self.prefix);
                let times = names::last_modified(&self.prefix);
                client.insist(Call::Write, |redis| redis.command(&[b"UNLINK", &generation, &times]))?;
                names::entries(&self.prefix)
            }
            (Some(doctype), name) => {
                let keys = [WriterKeys::new(&self.prefix, doctype, name.as_deref())];
                client.insist(Call::Write, |redis| writes::finish(redis, &keys, &self.writer))?;
                if name.is_some() {
                    return Ok(());
                }
                names::entries_of(&self.prefix, doctype)
            }
        };
        client.insist(Call::Write, |redis| scan::remove(redis, &entries, &mut 0))
    }

    /// Whether what the server says of a key can't be believed until it is paid. A field is that of the hash
    /// of last changes.
    fn concerns(&self, entry: &[u8], field: &[u8]) -> bool {
        if !field.is_empty() {
            return self.prefix.covers(entry)
                && self.doctype.as_ref().is_none_or(|doctype| doctype.as_bytes() == field);
        }
        match (&self.doctype, &self.name) {
            (None, _) => names::entries(&self.prefix).covers(entry),
            (Some(doctype), None) => names::entries_of(&self.prefix, doctype).covers(entry),
            (Some(doctype), Some(name)) => names::entry(&self.prefix, doctype, name) == entry,
        }
    }
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
        state.debts.values().any(|debt| debt.concerns(entry, field))
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
            if debt.since.elapsed() > LONGEST || debt.pay(client).is_ok() {
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
        let mut merged: HashMap<(KeyPrefix, Option<String>), Debt> = HashMap::new();
        for (_, debt) in self.debts.drain() {
            let place = (debt.prefix.clone(), debt.doctype.clone());
            merged.insert(place, Debt { name: None, ..debt });
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
