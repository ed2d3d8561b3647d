//! Pickles at full keys: what a [`Cache`](crate::Cache) does for plain data, open to bindings that pickle
//! values themselves.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::cache::CacheError;
use crate::client::{Call, Client};
use crate::connection::{Connection, Pipeline};
use crate::envelope::{self, Place, Rejection};
use crate::error::RedisError;
use crate::key::{Beginning, KeyPrefix};
use crate::lifetime::{Lifetime, Ttl, now_ms};
use crate::pickle::UnpicklableError;
use crate::prefixes::LocalHits;
use crate::resp::{Reply, ReplyRef};
use crate::scan::{self, Walk};
use crate::server_error::ServerErrorKind;
use crate::signing_key::SigningKey;
use crate::stats::Unreadable;
use crate::tally::{Counts, Note};

/// How often a lifetime is changed again because another process wrote the value meanwhile.
const RACES: usize = 3;

/// A server with the key that signs what is stored there; keys are full keys.
///
/// What is read has been checked: a value whose signature, place or time is not right is an error
/// ([`CacheError::Rejected`]), and nothing of it is handed out.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// use dontmanage_cache::{Lifetime, Store};
///
/// let store = Store::new(cache.client(), None);
/// store.set(b"_3f1b|total", b"\x80\x05K*.", Lifetime::secs(60))?;
/// let found = store.find(b"_3f1b|total")?.expect("it was just put there");
/// assert_eq!(found.pickle, b"\x80\x05K*.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Store<'c> {
    client: &'c Client,
    signing_key: Option<&'c SigningKey>,
    /// The site whose keys these are, for counting.
    site: Option<&'c KeyPrefix>,
}

/// A value as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The pickle.
    pub pickle: Vec<u8>,
    /// How long it is still kept; never [`Ttl::Missing`].
    pub left: Ttl,
}

impl Found {
    /// A pickle that is kept for so long.
    #[must_use]
    pub fn new(pickle: Vec<u8>, left: Ttl) -> Self {
        Self { pickle, left }
    }
}

impl<'c> Store<'c> {
    /// The store that a client reaches. Without a key, values are bare pickles.
    #[must_use]
    pub fn new(client: &'c Client, signing_key: Option<&'c SigningKey>) -> Self {
        Self { client, signing_key, site: None }
    }

    /// The same store for the keys of a site, and shared ones. That makes no difference but to what is counted
    /// ([`PrefixStats`](crate::PrefixStats)): of a site's key, what the program calls it. Without this, a site's
    /// prefix is taken to be what stands before the first `|`.
    #[must_use]
    pub fn of_site(self, prefix: &'c KeyPrefix) -> Self {
        Self { site: Some(prefix), ..self }
    }

    /// Counts hits of a key that a copy of the caller's own will answer.
    #[must_use]
    pub fn local_hits(self, key: &[u8]) -> LocalHits {
        LocalHits::of(&self.client.counters().prefixes, self.name(key))
    }

    /// The client that reaches it.
    #[must_use]
    pub fn client(self) -> &'c Client {
        self.client
    }

    /// Whether values are signed.
    #[must_use]
    pub fn is_signed(self) -> bool {
        self.signing_key.is_some()
    }

    /// Lends the pickle of a value to `read`; none if there is no value.
    pub fn get<T>(self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, CacheError> {
        self.lend(&[b"GET", key], Place { key, field: None }, read)
    }

    /// A value and the time left to it, in one round trip.
    pub fn find(self, key: &[u8]) -> Result<Option<Found>, CacheError> {
        let place = Place { key, field: None };
        if self.signing_key.is_none() {
            return self.find_timed(&[b"GET", key], key, place);
        }
        // The envelope knows the end.
        self.read(key, |redis, note| match redis.query(&[b"GET", key])? {
            ReplyRef::Bulk(bytes) => Ok(self
                .opened_until(bytes, place, note)
                .map(|(pickle, ends_at)| Some(found(pickle.into_owned(), ends_at)))),
            ReplyRef::Nil => {
                note.miss();
                Ok(Ok(None))
            }
            _ => Err(redis.unexpected("GET")),
        })?
    }

    /// Several values, in one round trip and in the keys' order. One that is not taken stands as the
    /// reason why.
    pub fn find_many<K: AsRef<[u8]>>(
        self,
        keys: &[K],
    ) -> Result<Vec<Result<Option<Found>, CacheError>>, CacheError> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let mut pipeline = Pipeline::new();
        pipeline.add_with(&[b"MGET"], keys);
        if self.signing_key.is_none() {
            for key in keys {
                pipeline.add(&[b"PTTL", key.as_ref()]);
            }
        }
        let (values, mut replies) = self.read(first.as_ref(), |redis, _| {
            let mut replies = redis.pipeline(&pipeline)?.into_iter();
            match replies.next() {
                Some(Reply::Array(values)) if values.len() == keys.len() => Ok((values, replies)),
                Some(Reply::Error(error)) => Err(redis.refused(error)),
                _ => Err(redis.unexpected("MGET")),
            }
        })?;
        let stored: Vec<_> = keys
            .iter()
            .zip(&values)
            .filter_map(|(key, value)| Some((value.as_bytes()?, Place { key: key.as_ref(), field: None })))
            .collect();
        let mut opened = envelope::open_many(&stored, self.signing_key).into_iter();
        let each = keys.iter().zip(&values).map(|(key, value)| {
            let left = replies.next();
            let mut note = Note::default();
            let pickle = if let Some(bytes) = value.as_bytes() {
                let opened = opened.next().unwrap_or(Err(Rejection::Signature));
                self.judged(opened, bytes, &mut note).map(|pickle| Some((pickle, bytes)))
            } else {
                note.miss();
                Ok(None)
            };
            self.counts(key.as_ref()).read(&note, None);
            let Some((pickle, bytes)) = pickle? else { return Ok(None) };
            let pickle = pickle.into_owned();
            match left {
                None => Ok(Some(found(pickle, envelope::ends_at(bytes)))),
                Some(left) => Ok(still_there(left.as_int()).map(|left| Found { pickle, left })),
            }
        });
        Ok(each.collect())
    }

    /// Stores a value, in place of an older one and its lifetime.
    pub fn set(self, key: &[u8], pickle: &[u8], lifetime: Lifetime) -> Result<(), CacheError> {
        let sealed = self.sealed(Place { key, field: None }, pickle, lifetime);
        self.put(key, sealed.as_deref().unwrap_or(pickle), lifetime)
    }

    /// Stores values, in one round trip. Fails if one of them was not stored.
    pub fn set_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        values: &[(K, V)],
        lifetime: Lifetime,
    ) -> Result<(), CacheError> {
        let Some((first, _)) = values.first() else { return Ok(()) };
        let mut pipeline = Pipeline::new();
        let mut sizes = Vec::with_capacity(values.len());
        for (key, pickle) in values {
            let (key, pickle) = (key.as_ref(), pickle.as_ref());
            let sealed = self.sealed(Place { key, field: None }, pickle, lifetime);
            let stored = sealed.as_deref().unwrap_or(pickle);
            sizes.push(stored.len());
            add_set(&mut pipeline, key, stored, lifetime);
        }
        self.write(first.as_ref(), None, |redis| {
            let mut refusal = None;
            redis.queries(&pipeline, |_, reply| {
                if let ReplyRef::Error(error) = reply {
                    refusal.get_or_insert(error);
                }
            })?;
            refusal.map_or(Ok(()), |error| Err(redis.refused(error)))
        })?;
        for ((key, _), size) in values.iter().zip(sizes) {
            self.counts(key.as_ref()).wrote(size);
        }
        Ok(())
    }

    /// Removes keys. How many there were.
    pub fn delete<K: AsRef<[u8]>>(self, keys: &[K]) -> Result<u64, CacheError> {
        let removed = self.count(Call::Write, "UNLINK", &[b"UNLINK"], keys);
        for key in keys {
            self.counts(key.as_ref()).deletes.add();
        }
        removed
    }

    /// How many of the keys exist.
    pub fn exists<K: AsRef<[u8]>>(self, keys: &[K]) -> Result<u64, CacheError> {
        self.count(Call::Read, "EXISTS", &[b"EXISTS"], keys)
    }

    /// The keys that begin in a certain way, in no order.
    pub fn keys(self, beginning: &Beginning) -> Result<Vec<Vec<u8>>, CacheError> {
        let mut keys = self.client.run(Call::Read, |redis| {
            let mut walk = Walk::new(Some(beginning.pattern()));
            let mut keys = Vec::new();
            while let Some(step) = walk.step(redis, &[])? {
                keys.extend(step.keys.into_iter().filter(|key| beginning.covers(key)));
            }
            Ok(keys)
        })?;
        // SCAN may bring a key twice.
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// Removes the keys that begin in a certain way, in bounded steps. How many there were.
    pub fn delete_beginning(self, beginning: &Beginning) -> Result<u64, CacheError> {
        // Repeating it removes what the first try left.
        let mut removed = 0;
        self.client.run(Call::Write, |redis| scan::remove(redis, beginning, &mut removed))?;
        Ok(removed)
    }

    /// Gives a key another lifetime, from now. Whether there is such a key.
    pub fn expire(self, key: &[u8], lifetime: Lifetime) -> Result<bool, CacheError> {
        Ok(self.client.run(Call::Write, |redis| {
            if self.signing_key.is_some()
                && let Some(done) = self.expire_signed(redis, key, lifetime)?
            {
                return Ok(done);
            }
            expire(redis, key, lifetime)
        })?)
    }

    /// The time left to a key.
    pub fn ttl(self, key: &[u8]) -> Result<Ttl, CacheError> {
        let left = self.client.run(Call::Read, |redis| int(redis, "PTTL", &[b"PTTL", key]))?;
        Ok(still_there(Some(left)).unwrap_or(Ttl::Missing))
    }

    /// Lends the pickle of a hash's field to `read`; none if there is no such field.
    pub fn hget<T>(
        self,
        key: &[u8],
        field: &[u8],
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, CacheError> {
        self.lend(&[b"HGET", key, field], Place { key, field: Some(field) }, read)
    }

    /// A field of a hash and the time left to the hash, in one round trip.
    pub fn hfind(self, key: &[u8], field: &[u8]) -> Result<Option<Found>, CacheError> {
        self.find_timed(&[b"HGET", key, field], key, Place { key, field: Some(field) })
    }

    /// Stores a field of a hash.
    pub fn hset(self, key: &[u8], field: &[u8], pickle: &[u8]) -> Result<(), CacheError> {
        let sealed = self.sealed(Place { key, field: Some(field) }, pickle, Lifetime::NONE);
        self.hput(key, field, sealed.as_deref().unwrap_or(pickle))
    }

    /// All fields of a hash, in no order. A value that is not taken stands as the reason why.
    #[expect(clippy::type_complexity, reason = "a list of names with results, and an error of the whole")]
    pub fn hgetall(self, key: &[u8]) -> Result<Vec<(Vec<u8>, Result<Vec<u8>, CacheError>)>, CacheError> {
        Ok(self.read(key, |redis, note| {
            let ReplyRef::Array(items) = redis.query(&[b"HGETALL", key])? else {
                return Err(redis.unexpected("HGETALL"));
            };
            let mut values = Vec::with_capacity(items.len() / 2);
            for pair in items.as_chunks::<2>().0 {
                let [ReplyRef::Bulk(field), ReplyRef::Bulk(bytes)] = pair else {
                    return Err(redis.unexpected("HGETALL"));
                };
                values.push((*bytes, Place { key, field: Some(field) }));
            }
            if values.is_empty() {
                note.miss();
            }
            let opened = envelope::open_many(&values, self.signing_key);
            let fields = values.iter().zip(opened).map(|((bytes, place), opened)| {
                let value = self.judged(opened, bytes, note).map(Cow::into_owned);
                (place.field.unwrap_or_default().to_vec(), value)
            });
            Ok(fields.collect())
        })?)
    }

    /// Removes fields of a hash. How many there were.
    pub fn hdel<F: AsRef<[u8]>>(self, key: &[u8], fields: &[F]) -> Result<u64, CacheError> {
        let removed = self.count(Call::Write, "HDEL", &[b"HDEL", key], fields);
        self.counts(key).deletes.add_some(fields.len() as u64);
        removed
    }

    /// Removes one field from several hashes, in one round trip. How many there were.
    pub fn hdel_names<K: AsRef<[u8]>>(self, keys: &[K], field: &[u8]) -> Result<u64, CacheError> {
        let mut pipeline = Pipeline::new();
        for key in keys {
            pipeline.add(&[b"HDEL", key.as_ref(), field]);
        }
        if pipeline.is_empty() {
            return Ok(0);
        }
        for key in keys {
            self.counts(key.as_ref()).deletes.add();
        }
        let replies = self.client.run(Call::Write, |redis| redis.pipeline(&pipeline))?;
        // A key of another type concerns nobody but itself.
        Ok(replies.iter().filter_map(Reply::as_int).filter_map(|count| u64::try_from(count).ok()).sum())
    }

    /// Whether a hash has a field.
    pub fn hexists(self, key: &[u8], field: &[u8]) -> Result<bool, CacheError> {
        let args: [&[u8]; 3] = [b"HEXISTS", key, field];
        Ok(self.client.run(Call::Read, |redis| int(redis, "HEXISTS", &args))? == 1)
    }

    /// The field names of a hash, in no order.
    pub fn hkeys(self, key: &[u8]) -> Result<Vec<Vec<u8>>, CacheError> {
        Ok(self.client.run(Call::Read, |redis| strings(redis, "HKEYS", &[b"HKEYS", key]))?)
    }

    /// The bytes to store in place of a pickle at a full key, or in a field if one is named; none if it is
    /// stored as it is.
    pub(crate) fn sealed_at(
        self,
        key: &[u8],
        field: &[u8],
        pickle: &[u8],
        lifetime: Lifetime,
    ) -> Option<Vec<u8>> {
        self.sealed(place(key, field), pickle, lifetime)
    }

    /// What stored bytes hold that were read with the milliseconds left to their key; none if they are not
    /// to be trusted.
    pub(crate) fn found_at(self, key: &[u8], field: &[u8], bytes: &[u8], left: i64) -> Option<Found> {
        // Counted when it was first asked for.
        let (pickle, ends_at) = self.opened_until(bytes, place(key, field), &mut Note::default()).ok()?;
        let told = found(pickle.into_owned(), ends_at);
        if ends_at != 0 { Some(told) } else { Some(Found { left: still_there(Some(left))?, ..told }) }
    }

    /// Counts a pickle that was handed out but could not be read: not a hit, but a miss.
    pub fn note_unreadable(self, key: &[u8], why: Unreadable) {
        self.client.counters().unreadable(self.name(key), why);
    }

    /// Counts a write that did not reach the server and is not tried again.
    pub fn note_dropped_write(self) {
        self.client.counters().dropped_writes.add();
    }

    /// Asks for one stored value and lends its payload.
    fn lend<T>(
        self,
        command: &[&[u8]],
        place: Place<'_>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, CacheError> {
        // Called once at most: a repeated exchange is one that got no reply.
        let mut read = Some(read);
        self.read(place.key, |redis, note| match redis.query(command)? {
            ReplyRef::Bulk(bytes) => {
                Ok(self.opened(bytes, place, note).map(|payload| read.take().map(|read| read(&payload))))
            }
            ReplyRef::Nil => {
                note.miss();
                Ok(Ok(None))
            }
            _ => Err(redis.unexpected("GET")),
        })?
    }

    /// Asks for one stored value and, in the same breath, for the time left to its key.
    fn find_timed(
        self,
        command: &[&[u8]],
        key: &[u8],
        place: Place<'_>,
    ) -> Result<Option<Found>, CacheError> {
        let mut pipeline = Pipeline::new();
        pipeline.add(command).add(&[b"PTTL", key]);
        self.read(key, |redis, note| {
            let (mut value, mut left) = (None, None);
            redis.queries(&pipeline, |number, reply| match (number, reply) {
                (0, ReplyRef::Bulk(bytes)) => {
                    value = Some(Ok(Some(self.opened(bytes, place, note).map(Cow::into_owned))));
                }
                (0, ReplyRef::Nil) => value = Some(Ok(None)),
                (0, ReplyRef::Error(error)) => value = Some(Err(error)),
                (1, ReplyRef::Int(time)) => left = still_there(Some(time)),
                _ => {}
            })?;
            match (value, left) {
                (Some(Ok(Some(Ok(pickle)))), Some(left)) => Ok(Ok(Some(Found { pickle, left }))),
                (Some(Ok(Some(Err(error)))), _) => Ok(Err(error)),
                // Gone between the two commands: it is over.
                (Some(Ok(Some(Ok(_)))), None) => {
                    *note = Note::default();
                    note.miss();
                    Ok(Ok(None))
                }
                (Some(Ok(None)), _) => {
                    note.miss();
                    Ok(Ok(None))
                }
                (Some(Err(error)), _) => Err(redis.refused(error)),
                (None, _) => Err(redis.unexpected("GET")),
            }
        })?
    }

    fn opened<'b>(
        self,
        bytes: &'b [u8],
        place: Place<'_>,
        note: &mut Note,
    ) -> Result<Cow<'b, [u8]>, CacheError> {
        self.judged(envelope::open(bytes, self.signing_key, place), bytes, note)
    }

    /// What came of opening stored bytes, noted as hit or miss.
    fn judged<T>(self, opened: Result<T, Rejection>, bytes: &[u8], note: &mut Note) -> Result<T, CacheError> {
        match opened {
            Ok(payload) => {
                note.hit(bytes);
                Ok(payload)
            }
            Err(rejection) => {
                note.rejected();
                self.client.counters().rejected(rejection);
                Err(rejection.into())
            }
        }
    }

    /// As [`opened`](Self::opened), with the end that an envelope tells: milliseconds since 1970, 0 is none.
    pub(crate) fn opened_until<'b>(
        self,
        bytes: &'b [u8],
        place: Place<'_>,
        note: &mut Note,
    ) -> Result<(Cow<'b, [u8]>, u64), CacheError> {
        let payload = self.opened(bytes, place, note)?;
        Ok((payload, if self.signing_key.is_some() { envelope::ends_at(bytes) } else { 0 }))
    }

    /// What the program calls a key: without what stands before it for its site and its user.
    pub(crate) fn name(self, key: &[u8]) -> &[u8] {
        let name = match self.site {
            Some(prefix) => key.strip_prefix(prefix.as_bytes()),
            None => KeyPrefix::of(key).map(|prefix| &key[prefix.len() + 1..]),
        };
        let Some(name) = name else { return key };
        name.strip_prefix(b"user:")
            .and_then(|rest| Some(&rest[rest.iter().position(|&byte| byte == b':')? + 1..]))
            .unwrap_or(name)
    }

    /// What is counted of a key.
    pub(crate) fn counts(self, key: &[u8]) -> &'c Counts {
        self.client.counters().prefixes.of(self.name(key))
    }

    /// Asks about a key, and counts what came of it.
    fn read<T>(
        self,
        key: &[u8],
        mut exchange: impl FnMut(&mut Connection, &mut Note) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let mut note = Note::default();
        let began = Instant::now();
        let result = self.client.run(Call::Read, |redis| exchange(redis, &mut note));
        let counts = self.counts(key);
        if counts.asked(result.as_ref().err()) {
            counts.read(&note, Some(began.elapsed()));
        }
        result
    }

    /// Changes a key, perhaps to a value of so many bytes, and counts what came of it.
    pub(crate) fn write<T>(
        self,
        key: &[u8],
        bytes: Option<usize>,
        exchange: impl FnMut(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let began = Instant::now();
        let result = self.client.run(Call::Write, exchange);
        let counts = self.counts(key);
        if counts.asked(result.as_ref().err()) {
            counts.write_times.note(began.elapsed());
            if let Some(bytes) = bytes.filter(|_| result.is_ok()) {
                counts.wrote(bytes);
            }
        }
        result
    }

    /// The bytes to store in place of a pickle; none if it is stored as it is.
    pub(crate) fn sealed(self, place: Place<'_>, pickle: &[u8], lifetime: Lifetime) -> Option<Vec<u8>> {
        let key = self.signing_key?;
        let mut out = Vec::with_capacity(envelope::HEADER + pickle.len());
        envelope::begin(&mut out);
        out.extend_from_slice(pickle);
        envelope::seal(&mut out, key, place, lifetime.ends_at(), self.client.pack_above());
        Some(out)
    }

    /// As [`set`](Self::set), for a value that is pickled into its place.
    pub(crate) fn set_written(
        self,
        key: &[u8],
        lifetime: Lifetime,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), UnpicklableError>,
    ) -> Result<(), CacheError> {
        let sealed = self.sealed_written(Place { key, field: None }, lifetime, write)?;
        self.put(key, &sealed, lifetime)
    }

    /// As [`hset`](Self::hset), for a value that is pickled into its place.
    pub(crate) fn hset_written(
        self,
        key: &[u8],
        field: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), UnpicklableError>,
    ) -> Result<(), CacheError> {
        let sealed = self.sealed_written(Place { key, field: Some(field) }, Lifetime::NONE, write)?;
        self.hput(key, field, &sealed)
    }

    fn sealed_written(
        self,
        place: Place<'_>,
        lifetime: Lifetime,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), UnpicklableError>,
    ) -> Result<Vec<u8>, CacheError> {
        let mut out = Vec::with_capacity(128);
        if let Some(key) = self.signing_key {
            envelope::begin(&mut out);
            write(&mut out)?;
            envelope::seal(&mut out, key, place, lifetime.ends_at(), self.client.pack_above());
        } else {
            write(&mut out)?;
        }
        Ok(out)
    }

    fn put(self, key: &[u8], sealed: &[u8], lifetime: Lifetime) -> Result<(), CacheError> {
        self.write(key, Some(sealed.len()), |redis| {
            let reply = match lifetime.as_secs() {
                None => redis.query(&[b"SET", key, sealed])?,
                Some(seconds) => {
                    redis.query(&[b"SET", key, sealed, b"EX", seconds.to_string().as_bytes()])?
                }
            };
            if reply == ReplyRef::Status(b"OK") { Ok(()) } else { Err(redis.unexpected("SET")) }
        })?;
        Ok(())
    }

    fn hput(self, key: &[u8], field: &[u8], sealed: &[u8]) -> Result<(), CacheError> {
        self.write(key, Some(sealed.len()), |redis| int(redis, "HSET", &[b"HSET", key, field, sealed]))?;
        Ok(())
    }

    /// A signed value carries its end with it, so that it has to be signed anew. None if the key holds
    /// something else, which only Redis' own limit concerns.
    fn expire_signed(
        self,
        redis: &mut Connection,
        key: &[u8],
        lifetime: Lifetime,
    ) -> Result<Option<bool>, RedisError> {
        let place = Place { key, field: None };
        for _ in 0..RACES {
            redis.query(&[b"WATCH", key])?;
            let sealed = match redis.query(&[b"GET", key]) {
                Ok(ReplyRef::Bulk(bytes)) => envelope::open(bytes, self.signing_key, place)
                    .ok()
                    .and_then(|payload| self.sealed(place, &payload, lifetime)),
                Ok(_) => None,
                Err(error) if is_wrong_type(&error) => None,
                Err(error) => return Err(error),
            };
            let Some(sealed) = sealed else {
                redis.query(&[b"UNWATCH"])?;
                return Ok(None);
            };
            let mut pipeline = Pipeline::new();
            pipeline.add(&[b"MULTI"]);
            add_set(&mut pipeline, key, &sealed, lifetime);
            pipeline.add(&[b"EXEC"]);
            match redis.pipeline(&pipeline)?.pop() {
                Some(Reply::Array(_)) => return Ok(Some(true)),
                Some(Reply::Error(error)) => return Err(redis.refused(error)),
                // Another process wrote the value in between.
                _ => {}
            }
        }
        Ok(None)
    }

    fn count<K: AsRef<[u8]>>(
        self,
        call: Call,
        command: &'static str,
        words: &[&[u8]],
        keys: &[K],
    ) -> Result<u64, CacheError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let mut args: Vec<&[u8]> = words.to_vec();
        args.extend(keys.iter().map(AsRef::as_ref));
        let count = match (call, words.get(1).copied().or_else(|| keys.first().map(AsRef::as_ref))) {
            (Call::Write, Some(first)) => self.write(first, None, |redis| int(redis, command, &args))?,
            _ => self.client.run(call, |redis| int(redis, command, &args))?,
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// No field is a key of its own.
fn place<'a>(key: &'a [u8], field: &'a [u8]) -> Place<'a> {
    Place { key, field: (!field.is_empty()).then_some(field) }
}

pub(crate) fn found(pickle: Vec<u8>, ends_at: u64) -> Found {
    let left = match ends_at {
        0 => Ttl::Unlimited,
        ends_at => Ttl::Left(Duration::from_millis(ends_at.saturating_sub(now_ms()))),
    };
    Found { pickle, left }
}

/// What PTTL answered, if the key was still there.
pub(crate) fn still_there(left: Option<i64>) -> Option<Ttl> {
    match left? {
        -1 => Some(Ttl::Unlimited),
        left => u64::try_from(left).ok().map(|left| Ttl::Left(Duration::from_millis(left))),
    }
}

pub(crate) fn add_set(pipeline: &mut Pipeline, key: &[u8], sealed: &[u8], lifetime: Lifetime) {
    match lifetime.as_secs() {
        None => pipeline.add(&[b"SET", key, sealed]),
        Some(seconds) => pipeline.add(&[b"SET", key, sealed, b"EX", seconds.to_string().as_bytes()]),
    };
}

fn is_wrong_type(error: &RedisError) -> bool {
    error.server_error().is_some_and(|error| error.kind() == ServerErrorKind::WrongType)
}

fn expire(redis: &mut Connection, key: &[u8], lifetime: Lifetime) -> Result<bool, RedisError> {
    let Some(seconds) = lifetime.as_secs() else {
        int(redis, "PERSIST", &[b"PERSIST", key])?;
        return Ok(int(redis, "EXISTS", &[b"EXISTS", key])? == 1);
    };
    Ok(int(redis, "EXPIRE", &[b"EXPIRE", key, seconds.to_string().as_bytes()])? == 1)
}

fn int(redis: &mut Connection, command: &'static str, args: &[&[u8]]) -> Result<i64, RedisError> {
    match redis.query(args)? {
        ReplyRef::Int(number) => Ok(number),
        _ => Err(redis.unexpected(command)),
    }
}

fn strings(
    redis: &mut Connection,
    command: &'static str,
    args: &[&[u8]],
) -> Result<Vec<Vec<u8>>, RedisError> {
    let strings = match redis.query(args)? {
        ReplyRef::Array(items) => items
            .into_iter()
            .map(|item| if let ReplyRef::Bulk(bytes) = item { Some(bytes.to_vec()) } else { None })
            .collect(),
        _ => None,
    };
    strings.ok_or_else(|| redis.unexpected(command))
}
