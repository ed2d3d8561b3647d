//! One call of a function: its answer, or who computes it.

use std::time::{Duration, Instant};

use super::options::Memo;
use super::ticket::{self, LOCK, Right, Ticket};
use crate::cache::Cache;
use crate::client::Call as CallKind;
use crate::connection::{Connection, Pipeline};
use crate::envelope::{self, Place, Rejection};
use crate::error::RedisError;
use crate::key::{Key, Scope};
use crate::lifetime::{Ttl, now_ms};
use crate::questions::Question;
use crate::request::Watch;
use crate::resp::{Reply, ReplyRef};
use crate::shared_copy::Changed;
use crate::stats::Unreadable;
use crate::tally::{Counts, Note};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// One call of a function.
#[derive(Debug)]
pub struct Call {
    memo: Memo,
    cache: Cache,
    /// Full.
    key: Vec<u8>,
    /// Whether it was being computed on the thread that made this call.
    held: bool,
    /// In a request: knows what it has changed since the call was made.
    watch: Option<Watch>,
    /// Whether the reader wants to know for how long an answer is still fresh.
    timed: bool,
    /// A look has been had, at [`peeked`](Self::peeked): whether there is an old answer.
    asked: Option<bool>,
    /// Since when another caller is waited for.
    waiting: Option<Instant>,
    pause: Duration,
}

/// What a look at a call found.
#[derive(Debug)]
#[must_use = "a ticket that is dropped is a failure to compute"]
pub enum Look<T> {
    /// The answer.
    Fresh(T),
    /// An old answer, while another caller refreshes it.
    Stale(T),
    /// An old answer, and the right to refresh it.
    Refresh(T, Ticket),
    /// No answer, and the right to compute it.
    Compute(Ticket),
    /// No answer, and another caller computes it: look again after [`Call::pause`].
    Busy,
}

impl Call {
    pub(super) fn new(memo: Memo, cache: &Cache, name: &[u8], scope: Scope<'_>) -> Self {
        Self::at(memo, cache, cache.make_key(Key::new(name).scope(scope)))
    }

    pub(super) fn at(memo: Memo, cache: &Cache, key: Vec<u8>) -> Self {
        let held = ticket::is_held(&key);
        let watch = cache.watch();
        Self {
            memo,
            cache: cache.clone(),
            key,
            held,
            watch,
            timed: false,
            asked: None,
            waiting: None,
            pause: FIRST_PAUSE,
        }
    }

    /// The full key of the answer.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Says that the same call is being computed further up by whoever makes this one: it is computed and not
    /// waited for, which would be for ever. On one thread this is known ([`Ticket::hold`]); tasks that take
    /// turns on a thread have to tell.
    #[must_use]
    pub fn within_itself(mut self) -> Self {
        self.held = true;
        self
    }

    /// The first look, as a question that others may travel with. What it finds is told with the time for which
    /// it is still fresh; where it finds nothing fresh, [`look`](Self::look) goes on.
    #[must_use]
    pub fn peek(mut self) -> Question {
        self.timed = true;
        Question::Peek(Box::new(self))
    }

    /// Looks whether there is an answer, and if not, who computes it. Never sleeps; asks the server once or
    /// twice. `read` gets the pickle of an answer; if it answers none, the answer is of no use.
    pub fn look<T>(&mut self, mut read: impl FnMut(&[u8]) -> Option<T>) -> Look<T> {
        self.look_with(&mut |pickle: &[u8], _| read(pickle))
    }

    /// As [`look`](Self::look); `read` is also told for how long the answer is still fresh, for a copy of
    /// its own: [`Ttl::Missing`] for an old one.
    pub fn look_timed<T>(&mut self, mut read: impl FnMut(&[u8], Ttl) -> Option<T>) -> Look<T> {
        self.timed = true;
        self.look_with(&mut read)
    }

    fn look_with<T>(&mut self, read: &mut impl FnMut(&[u8], Ttl) -> Option<T>) -> Look<T> {
        if let Some(is_old) = self.asked.take() {
            if !is_old && self.held {
                return Look::Compute(self.ticket(Right::Through));
            }
            if !is_old && !self.memo.options().lock {
                return Look::Compute(self.join());
            }
        } else if self.waiting.is_none() {
            if let Some(answer) = self.local_answer(read) {
                return Look::Fresh(answer);
            }
            match self.ask(read) {
                Ok(Some((answer, true))) => {
                    self.memo.counters().hits.add();
                    return Look::Fresh(answer);
                }
                // An old answer is refreshed under the lock in any case.
                Ok(Some((answer, false))) if self.held => return self.old(answer),
                Ok(Some((_, false))) => {}
                Ok(None) => {
                    self.memo.counters().misses.add();
                    if self.held {
                        return Look::Compute(self.ticket(Right::Through));
                    }
                    if !self.memo.options().lock {
                        return Look::Compute(self.join());
                    }
                }
                Err(_) => return self.away(),
            }
        }
        self.contend(read)
    }

    /// Whether a [`peek`](Self::peek) has found an old answer.
    #[must_use]
    pub fn has_old(&self) -> bool {
        self.asked == Some(true)
    }

    /// The ticket of a call that must not ask the server, because it is known to be away. Never waits.
    #[must_use]
    pub fn do_without(&self) -> Ticket {
        self.memo.counters().errors.add();
        self.waited();
        self.ticket(if self.held { Right::Through } else { Right::Free })
    }

    /// Counts that the caller waits for another one of its own process.
    pub fn note_waiting(&self) {
        self.memo.counters().waited.add();
    }

    /// The time to wait before the next look; longer from look to look.
    #[must_use]
    pub fn pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        pause
    }

    /// Looks until there is an answer or a ticket; sleeps in between.
    pub fn wait<T>(&mut self, mut read: impl FnMut(&[u8]) -> Option<T>) -> Look<T> {
        loop {
            match self.look(&mut read) {
                Look::Busy => std::thread::sleep(self.pause()),
                look => return look,
            }
        }
    }

    /// A ticket whatever there is: for an answer that turned out to be of no use after a look, or that is
    /// wanted anew.
    #[must_use]
    pub fn compute_anyway(&self) -> Ticket {
        if self.held {
            return self.ticket(Right::Through);
        }
        self.join()
    }

    /// A ticket beside others: with the lock, or with a part in another one's, so that what is cleared
    /// meanwhile is not kept.
    fn join(&self) -> Ticket {
        let (lock, token) = (self.lock(), ticket::token());
        let mut pipeline = Pipeline::new();
        self.add_lock(&mut pipeline, &lock, &token);
        pipeline.add(&[b"GET", &lock]);
        // More than once, because a lock may be given back between the two questions.
        for _ in 0..3 {
            let replies = self.cache.client.run(CallKind::Once, |redis| redis.pipeline(&pipeline));
            return match replies.as_deref() {
                Ok([Reply::Status(_), _]) if self.memo.options().lock => {
                    self.ticket(Right::lock(lock, token))
                }
                // Nobody waits for it, and others have a part in it.
                Ok([Reply::Status(_), _]) => self.ticket(Right::Part { lock, token }),
                Ok([Reply::Nil, Reply::Bulk(theirs)]) => {
                    self.ticket(Right::Part { lock, token: theirs.clone() })
                }
                Ok([Reply::Nil, Reply::Nil]) => continue,
                _ => break,
            };
        }
        self.ticket(Right::Free)
    }

    /// Removes the answer, and makes one that is being computed not be kept. Whether there was one.
    #[expect(clippy::must_use_candidate, reason = "whether there was one rarely matters")]
    pub fn clear(&self) -> bool {
        let mut pipeline = Pipeline::new();
        pipeline.add(&[b"UNLINK", &self.key]).add(&[b"UNLINK", &self.lock()]);
        let replies = self.cache.client.run(CallKind::Write, |redis| redis.pipeline(&pipeline));
        self.cache.strict().follow(Changed::Key(&self.key), |copy| copy.remove(&self.key));
        if let Ok([Reply::Int(removed), _]) = replies.as_deref() {
            return *removed > 0;
        }
        self.cache.client.counters().dropped_writes.add();
        false
    }

    /// Reads the replies to what [`add_get`](Self::add_get) asked: a fresh answer, with the time left to it.
    /// Without one, the next look tries for the lock.
    pub(crate) fn peeked(
        &mut self,
        reply: &Reply,
        left: Option<&Reply>,
        took: Duration,
    ) -> Option<(Vec<u8>, Ttl)> {
        let mut note = Note::default();
        let mut read = |pickle: &[u8], left| Some((pickle.to_vec(), left));
        let left = match (left, reply) {
            (Some(Reply::Int(-1)), _) => Some(Ttl::Unlimited),
            (Some(left), _) => {
                self.fresh_for(left.as_int().and_then(|left| u64::try_from(left).ok()).unwrap_or(0))
            }
            (None, Reply::Bulk(bytes)) => self.told_by(bytes),
            (None, _) => None,
        };
        let seen = match reply {
            Reply::Bulk(bytes) => self.open(bytes, left, &mut read, &mut note),
            _ => Seen::Nothing,
        };
        match self.counted(seen, note, took) {
            Some((answer, true)) => {
                self.memo.counters().hits.add();
                return Some(answer);
            }
            Some((_, false)) => self.asked = Some(true),
            None => {
                self.memo.counters().misses.add();
                self.asked = Some(false);
            }
        }
        None
    }

    /// The answer in the request's own copy.
    fn local_answer<T>(&self, read: &mut impl FnMut(&[u8], Ttl) -> Option<T>) -> Option<T> {
        let pickle = self.cache.local.as_ref()?.get(&self.key, None)?;
        let answer = read(&pickle, Ttl::Unlimited)?;
        self.cache.client.counters().local_hit(self.memo.name_in(&self.key));
        self.memo.counters().local_hits.add();
        Some(answer)
    }

    /// The answer in the cache, and whether it is fresh.
    fn ask<T>(
        &self,
        read: &mut impl FnMut(&[u8], Ttl) -> Option<T>,
    ) -> Result<Option<(T, bool)>, RedisError> {
        let mut pipeline = Pipeline::new();
        if self.asks_for_time() {
            self.add_get(&mut pipeline);
        }
        let mut note = Note::default();
        let began = Instant::now();
        let seen = self.cache.client.run(CallKind::Read, |redis| {
            if self.asks_for_time() {
                let replies = redis.pipeline(&pipeline)?;
                return self.answer(redis, &replies, read, &mut note);
            }
            // The usual case, without copying the reply.
            match redis.query(&[b"GET", &self.key])? {
                ReplyRef::Bulk(bytes) => Ok(self.open(bytes, self.told_by(bytes), read, &mut note)),
                ReplyRef::Nil => Ok(Seen::Nothing),
                _ => Err(redis.unexpected("GET")),
            }
        });
        let took = began.elapsed();
        match seen {
            Ok(seen) => Ok(self.counted(seen, note, took)),
            Err(error) => {
                let counts = self.counts();
                if counts.asked(Some(&error)) {
                    counts.read(&note, Some(took));
                }
                Err(error)
            }
        }
    }

    /// What is counted of the function's calls as keys.
    pub(crate) fn counts(&self) -> &Counts {
        self.cache.client.counters().prefixes.of(self.memo.name_in(&self.key))
    }

    fn counted<T>(&self, seen: Seen<T>, mut note: Note, took: Duration) -> Option<(T, bool)> {
        let (client, memo) = (self.cache.client.counters(), self.memo.counters());
        if let Seen::Nothing = seen {
            note.miss();
        }
        self.counts().read(&note, Some(took));
        memo.read_times.note(took);
        memo.bytes_read.add_some(note.bytes);
        match seen {
            Seen::Answer(answer, fresh) => return Some((answer, fresh)),
            Seen::Nothing => return None,
            Seen::Rejected(rejection) => client.rejected(rejection),
            Seen::Unreadable => client.unreadable(self.memo.name_in(&self.key), Unreadable::Malformed),
        }
        memo.refused.add();
        None
    }

    /// Tries for the lock, and looks again in the same breath: the answer may have come meanwhile.
    fn contend<T>(&mut self, read: &mut impl FnMut(&[u8], Ttl) -> Option<T>) -> Look<T> {
        let (lock, token) = (self.lock(), ticket::token());
        let mut pipeline = Pipeline::new();
        self.add_lock(&mut pipeline, &lock, &token);
        self.add_get(&mut pipeline);
        let outcome = self.cache.client.run(CallKind::Once, |redis| {
            let replies = redis.pipeline(&pipeline)?;
            let (got, rest) = replies.split_first().ok_or_else(|| redis.unexpected("SET"))?;
            let got = match got {
                Reply::Status(_) => Some(true),
                Reply::Nil => Some(false),
                // The server takes no locks: it is full, or a replica.
                _ => None,
            };
            // Counted at the first look.
            let seen = self.answer(redis, rest, read, &mut Note::default())?;
            Ok((got, seen))
        });
        let (got, seen) = match outcome {
            Ok((got, Seen::Answer(answer, fresh))) => (got, Some((answer, fresh))),
            Ok((got, _)) => (got, None),
            Err(_) => return self.away(),
        };
        let right = match got {
            Some(true) => Right::lock(lock, token),
            Some(false) => match seen {
                Some((answer, true)) => return self.fresh(answer),
                Some((answer, false)) => return self.old(answer),
                None => return self.busy(),
            },
            None => Right::Free,
        };
        match seen {
            Some((answer, true)) => {
                if let Right::Lock { lock, token, .. } = &right {
                    ticket::release(&self.cache, lock, token);
                }
                self.fresh(answer)
            }
            Some((answer, false)) => Look::Refresh(answer, self.ticket(right)),
            None => Look::Compute(self.ticket(right)),
        }
    }

    fn fresh<T>(&self, answer: T) -> Look<T> {
        self.waited();
        Look::Fresh(answer)
    }

    fn old<T>(&self, answer: T) -> Look<T> {
        self.memo.counters().stale.add();
        Look::Stale(answer)
    }

    fn busy<T>(&mut self) -> Look<T> {
        if self.waiting.is_none() {
            self.memo.counters().waited.add();
        }
        let since = *self.waiting.get_or_insert_with(Instant::now);
        if since.elapsed() < self.memo.options().patience {
            return Look::Busy;
        }
        self.waited();
        Look::Compute(self.join())
    }

    fn away<T>(&self) -> Look<T> {
        self.memo.counters().errors.add();
        self.waited();
        Look::Compute(self.ticket(Right::Free))
    }

    fn waited(&self) {
        if let Some(since) = self.waiting {
            let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.memo.counters().wait_micros.add_many(micros);
        }
    }

    fn ticket(&self, right: Right) -> Ticket {
        Ticket::new(self.cache.clone(), self.memo.clone(), self.key.clone(), right)
    }

    fn lock(&self) -> Vec<u8> {
        [&self.key, LOCK].concat()
    }

    fn add_lock(&self, pipeline: &mut Pipeline, lock: &[u8], token: &[u8]) {
        let lease = self.memo.options().lease.as_millis().to_string();
        pipeline.add(&[b"SET", lock, token, b"NX", b"PX", lease.as_bytes()]);
    }

    pub(crate) fn add_get(&self, pipeline: &mut Pipeline) {
        pipeline.add(&[b"GET", &self.key]);
        if self.asks_for_time() {
            pipeline.add(&[b"PTTL", &self.key]);
        }
    }

    /// Reads the replies to what [`add_get`](Self::add_get) asked.
    fn answer<T>(
        &self,
        redis: &mut Connection,
        replies: &[Reply],
        read: &mut impl FnMut(&[u8], Ttl) -> Option<T>,
        note: &mut Note,
    ) -> Result<Seen<T>, RedisError> {
        let bytes = match replies.first() {
            Some(Reply::Bulk(bytes)) => bytes,
            Some(Reply::Nil) => return Ok(Seen::Nothing),
            Some(Reply::Error(error)) => return Err(redis.refused(error.clone())),
            _ => return Err(redis.unexpected("GET")),
        };
        let left = match replies.get(1) {
            // Without an end (-1) it was kept by someone who wanted it so.
            Some(Reply::Int(-1)) => Some(Ttl::Unlimited),
            Some(Reply::Int(left)) => self.fresh_for(u64::try_from(*left).unwrap_or(0)),
            None if !self.asks_for_time() => self.told_by(bytes),
            _ => return Err(redis.unexpected("PTTL")),
        };
        Ok(self.open(bytes, left, read, note))
    }

    /// For how long an answer is still fresh that Redis keeps for so many milliseconds; none if it is old.
    fn fresh_for(&self, left: u64) -> Option<Ttl> {
        let grace = self.memo.options().grace().unwrap_or_default();
        let left = Duration::from_millis(left).checked_sub(grace)?;
        (!left.is_zero()).then_some(Ttl::Left(left))
    }

    /// The same, as an envelope tells it; [`Ttl::Missing`] if nobody wants to know it.
    fn told_by(&self, bytes: &[u8]) -> Option<Ttl> {
        if !self.timed {
            return Some(Ttl::Missing);
        }
        match envelope::ends_at(bytes) {
            0 => Some(Ttl::Unlimited),
            ends_at => self.fresh_for(ends_at.saturating_sub(now_ms())),
        }
    }

    /// `left` is for how long the answer is still fresh: `None` if it is old, [`Ttl::Missing`] if it was not
    /// asked for.
    fn open<T>(
        &self,
        bytes: &[u8],
        left: Option<Ttl>,
        read: &mut impl FnMut(&[u8], Ttl) -> Option<T>,
        note: &mut Note,
    ) -> Seen<T> {
        let place = Place { key: &self.key, field: None };
        let payload = match envelope::open(bytes, self.cache.signing_key.as_deref(), place) {
            Ok(payload) => payload,
            Err(rejection) => {
                note.rejected();
                return Seen::Rejected(rejection);
            }
        };
        note.hit(bytes);
        let Some(answer) = read(&payload, left.unwrap_or(Ttl::Missing)) else { return Seen::Unreadable };
        if let (Some(watch), Some(left)) = (&self.watch, left) {
            watch.found(&self.key, None, &payload, left);
        }
        Seen::Answer(answer, left.is_some())
    }

    /// Whether the server is asked for the answer's age. A reader who only wants to know it is told by the
    /// envelope, where there is one.
    fn asks_for_time(&self) -> bool {
        self.memo.options().grace().is_some()
            || self.cache.local.is_some()
            || self.timed && !self.cache.is_signed()
    }
}

enum Seen<T> {
    /// An answer, and whether it is fresh.
    Answer(T, bool),
    Nothing,
    Rejected(Rejection),
    Unreadable,
}
