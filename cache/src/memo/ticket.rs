//! The right to compute an answer, and the lock behind it.

use std::cell::RefCell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::heart::{self, Lease};
use super::options::Memo;
use crate::cache::Cache;
use crate::client::Call as CallKind;
use crate::connection::Pipeline;
use crate::envelope::{self, Place};
use crate::error::RedisError;
use crate::pickle::UnpicklableError;
use crate::request::Watch;
use crate::resp::{Reply, ReplyRef};
use crate::server_error::ServerErrorKind;

/// What stands behind a call's key in its lock's.
pub(super) const LOCK: &[u8] = b":lock";

/// The right, and the duty, to compute the answer of a call: [`store`](Self::store) it, or drop the ticket
/// if there is none, so that another caller may try.
pub struct Ticket {
    cache: Cache,
    memo: Memo,
    key: Vec<u8>,
    right: Right,
    began: Instant,
    /// In a request: knows what it has changed since then.
    watch: Option<Watch>,
    /// Other parts hold it weakly: the lease, and the list of what this thread computes.
    alive: Arc<()>,
    done: bool,
}

/// What a ticket is worth.
pub(super) enum Right {
    /// The lock is ours: the answer is kept if it still is when the answer comes.
    Lock { lock: Vec<u8>, token: Vec<u8>, pid: u32 },
    /// The lock is another one's, or of all who compute each for himself: the first answer is kept if it still
    /// is there. Who fails does not give it back.
    Part { lock: Vec<u8>, token: Vec<u8> },
    /// The server takes no locks, or is away; the answer is kept if it can be.
    Free,
    /// The same call is being computed further up on this thread, which will keep the answer.
    Through,
}

impl Right {
    pub(super) fn lock(lock: Vec<u8>, token: Vec<u8>) -> Self {
        Self::Lock { lock, token, pid: std::process::id() }
    }
}

impl Ticket {
    pub(super) fn new(cache: Cache, memo: Memo, key: Vec<u8>, right: Right) -> Self {
        let (watch, began) = (cache.watch(), Instant::now());
        let ticket = Self { cache, memo, key, right, began, watch, alive: Arc::new(()), done: false };
        if let Right::Lock { lock, token, .. } | Right::Part { lock, token } = &ticket.right {
            let length = ticket.memo.options().lease;
            heart::keep(Lease::new(
                ticket.cache.client.clone(),
                lock.clone(),
                token.clone(),
                length,
                Arc::downgrade(&ticket.alive),
            ));
        }
        ticket
    }

    /// Tells that the answer is computed on this thread, without others of it taking turns: until the
    /// ticket ends, the same call on this thread is computed instead of waited for, which would be for ever.
    pub fn hold(&self) {
        HELD.with_borrow_mut(|held| {
            held.retain(|(_, alive)| alive.strong_count() > 0);
            held.push((self.key.clone(), Arc::downgrade(&self.alive)));
        });
    }

    /// As [`hold`](Self::hold), until the returned guard is dropped, which must be on this thread.
    #[cfg(feature = "async")]
    pub(crate) fn enter(&self) -> Entered {
        self.hold();
        Entered { alive: Arc::downgrade(&self.alive) }
    }

    /// Hands the answer in: `write` appends its pickle. Whether it is kept; not if the call was cleared
    /// meanwhile, or the server is away. Fails only if the answer can't be pickled.
    pub fn store(
        mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), UnpicklableError>,
    ) -> Result<bool, UnpicklableError> {
        let counters = self.memo.counters();
        counters.compute_times.note(self.began.elapsed());
        // A request's copy is of pickles, not of what is stored.
        let mut pickle = None;
        let sealed = self.sealed(|out| {
            let start = out.len();
            write(out)?;
            pickle = self.watch.as_ref().map(|_| out[start..].to_vec());
            Ok(())
        })?;
        counters.computed.add();
        counters.bytes_written.add_many(sealed.len() as u64);
        let began = Instant::now();
        let kept = match &self.right {
            Right::Through => Ok(false),
            Right::Free => self.store_freely(&sealed, None),
            Right::Lock { lock, token, .. } | Right::Part { lock, token } => {
                self.store_if_locked(lock, token, &sealed)
            }
        };
        self.done = true;
        if !matches!(self.right, Right::Through) {
            let counts = self.cache.client.counters().prefixes.of(self.memo.name_in(&self.key));
            if counts.asked(kept.as_ref().err()) {
                counts.write_times.note(began.elapsed());
            }
            if let Ok(true) = kept {
                counts.wrote(sealed.len());
            }
        }
        if let (Some(watch), Some(pickle)) = (&self.watch, pickle)
            && !matches!(self.right, Right::Through)
        {
            let lifetime = self.memo.options().lifetime;
            watch.stored(&self.key, &pickle, lifetime, matches!(kept, Ok(true)));
        }
        match kept {
            Ok(true) => Ok(true),
            Ok(false) => {
                if !matches!(self.right, Right::Through) {
                    counters.outdated.add();
                }
                Ok(false)
            }
            Err(_) => {
                self.cache.client.counters().dropped_writes.add();
                counters.errors.add();
                Ok(false)
            }
        }
    }

    /// As [`store`](Self::store), for an answer that has been pickled elsewhere.
    #[expect(clippy::must_use_candidate, reason = "whether it is kept rarely matters")]
    pub fn store_pickle(self, pickled: &[u8]) -> bool {
        let stored = self.store(|out| {
            out.extend_from_slice(pickled);
            Ok(())
        });
        stored.unwrap_or(false)
    }

    /// Ends without an answer and without a word to the server, for who must not wait: a lock stays for the
    /// rest of its lease.
    pub fn abandon(mut self) {
        self.memo.counters().failed.add();
        self.done = true;
    }

    /// Ends with an answer of so many bytes that is not kept, because the server is known to be away. Never
    /// waits.
    pub fn keep_nowhere(mut self, bytes: usize) {
        let counters = self.memo.counters();
        counters.compute_times.note(self.began.elapsed());
        counters.computed.add();
        counters.bytes_written.add_many(bytes as u64);
        counters.errors.add();
        self.cache.client.counters().dropped_writes.add();
        self.done = true;
    }

    /// The bytes to keep.
    fn sealed(
        &self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), UnpicklableError>,
    ) -> Result<Vec<u8>, UnpicklableError> {
        let mut out = Vec::with_capacity(128);
        let Some(key) = &self.cache.signing_key else {
            write(&mut out)?;
            return Ok(out);
        };
        envelope::begin(&mut out);
        write(&mut out)?;
        let ends_at = self.memo.options().kept().ends_at();
        let place = Place { key: &self.key, field: None };
        envelope::seal(&mut out, key, place, ends_at, self.cache.client.pack_above());
        Ok(out)
    }

    /// Keeps the answer, and gives the lock back if there is one.
    fn store_freely(&self, sealed: &[u8], lock: Option<&[u8]>) -> Result<bool, RedisError> {
        let mut pipeline = Pipeline::new();
        match self.memo.options().kept().as_secs() {
            None => pipeline.add(&[b"SET", &self.key, sealed]),
            Some(seconds) => {
                pipeline.add(&[b"SET", &self.key, sealed, b"EX", seconds.to_string().as_bytes()])
            }
        };
        if let Some(lock) = lock {
            pipeline.add(&[b"UNLINK", lock]);
        }
        self.cache.client.run(CallKind::Write, |redis| match redis.pipeline(&pipeline)?.first() {
            Some(Reply::Status(_)) => Ok(true),
            Some(Reply::Error(error)) => Err(redis.refused(error.clone())),
            _ => Err(redis.unexpected("SET")),
        })
    }

    /// Keeps the answer and gives the lock back, in one step of the server, if the lock is still the same.
    fn store_if_locked(&self, lock: &[u8], token: &[u8], sealed: &[u8]) -> Result<bool, RedisError> {
        const SCRIPT: &[u8] = b"if redis.call('GET',KEYS[2])~=ARGV[1] then return 0 end \
            if ARGV[3]=='' then redis.call('SET',KEYS[1],ARGV[2]) \
            else redis.call('SET',KEYS[1],ARGV[2],'EX',ARGV[3]) end \
            redis.call('UNLINK',KEYS[2]) return 1";
        let seconds = self.memo.options().kept().as_secs().map(|seconds| seconds.to_string());
        let seconds = seconds.unwrap_or_default();
        let args: [&[u8]; 8] = [b"EVAL", SCRIPT, b"2", &self.key, lock, token, sealed, seconds.as_bytes()];
        let stored =
            self.cache.client.run(CallKind::Write, |redis| Ok(redis.query(&args)? == ReplyRef::Int(1)));
        match stored {
            // Scripts may be forbidden here. Then it is two steps, and a clear in between is not noticed.
            Err(error) if is_forbidden(&error) => self.store_freely(sealed, Some(lock)),
            stored => stored,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.memo.counters().failed.add();
        // A forked child has a copy of its parent's ticket, not its right.
        if let Right::Lock { lock, token, pid } = &self.right
            && *pid == std::process::id()
        {
            release(&self.cache, lock, token);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = matches!(self.right, Right::Lock { .. } | Right::Part { .. });
        f.debug_struct("Ticket")
            .field("function", &self.memo.name())
            .field("locked", &locked)
            .finish_non_exhaustive()
    }
}

/// Takes the lock back, if it is still ours. If that fails, its lease ends by itself.
pub(super) fn release(cache: &Cache, lock: &[u8], token: &[u8]) {
    const SCRIPT: &[u8] =
        b"if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('UNLINK',KEYS[1]) end return 0";
    let args: [&[u8]; 5] = [b"EVAL", SCRIPT, b"1", lock, token];
    let _ = cache.client.run(CallKind::Write, |redis| redis.query(&args).map(drop));
}

fn is_forbidden(error: &RedisError) -> bool {
    error
        .server_error()
        .is_some_and(|error| matches!(error.kind(), ServerErrorKind::NoPerm | ServerErrorKind::Other))
}

/// A token that no other lock has: nobody has to be kept from guessing it, who could write to Redis anyway.
pub(crate) fn token() -> Vec<u8> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // The hashers' keys differ by process, the pid by fork, the count and the time within one.
    let seed = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed), std::time::SystemTime::now());
    let half = || RandomState::new().hash_one(seed);
    format!("{:016x}{:016x}", half(), half()).into_bytes()
}

thread_local! {
    /// The calls that are being computed on this thread.
    static HELD: RefCell<Vec<(Vec<u8>, Weak<()>)>> = const { RefCell::new(Vec::new()) };
}

/// Whether the call is being computed on this thread.
pub(super) fn is_held(key: &[u8]) -> bool {
    HELD.with_borrow(|held| held.iter().any(|(other, alive)| other == key && alive.strong_count() > 0))
}

/// A thread's turn at a ticket.
#[cfg(feature = "async")]
pub(crate) struct Entered {
    alive: Weak<()>,
}

#[cfg(feature = "async")]
impl Drop for Entered {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| held.retain(|(_, alive)| !alive.ptr_eq(&self.alive)));
    }
}
