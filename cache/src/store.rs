//! Pickles at full keys: what a [`Cache`](crate::Cache) does for plain data, open to bindings that pickle
//! values themselves.

use std::borrow::Cow;
use std::time::Duration;

use crate::cache::CacheError;
use crate::client::{Call, Client};
use crate::connection::{Connection, Pipeline};
use crate::envelope::{self, Place};
use crate::error::RedisError;
use crate::key::Beginning;
use crate::lifetime::{Lifetime, Ttl, now_ms};
use crate::pickle::UnpicklableError;
use crate::resp::{Reply, ReplyRef};
use crate::scan::{self, Walk};
use crate::server_error::ServerErrorKind;
use crate::signing_key::SigningKey;

/// How often a lifetime is changed again because another process wrote the value meanwhile.
const RACES: usize = 3;

/// A server with the key that signs what is stored there; keys are full keys.
///
/// What is read has been checked: a value whose signature, place or time is not right is an error
/// ([`CacheError::Rejected`]), and nothing of it is handed out.
///
/// ```no_run
/// use dontmanage_cache::{Client, Lifetime, RedisUrl, Store};
///
/// let client = Client::new("redis://127.0.0.1:13000".parse::<RedisUrl>()?);
/// let store = Store::new(&client, None);
/// store.set(b"_3f1b|total", b"\x80\x05K*.", Lifetime::secs(60))?;
/// let found = store.find(b"_3f1b|total")?.expect("it was just put there");
/// assert_eq!(found.pickle, b"\x80\x05K*.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Store<'c> {
    client: &'c Client,
    signing_key: Option<&'c SigningKey>,
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

impl<'c> Store<'c> {
    /// The store that a client reaches. Without a key, values are bare pickles.
    #[must_use]
    pub fn new(client: &'c Client, signing_key: Option<&'c SigningKey>) -> Self {
        Self { client, signing_key }
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
        self.client.run(Call::Read, |redis| match redis.query(&[b"GET", key])? {
            ReplyRef::Bulk(bytes) => Ok(self
                .opened_until(bytes, place)
                .map(|(pickle, ends_at)| Some(found(pickle.into_owned(), ends_at)))),
            ReplyRef::Nil => {
                self.client.counters().misses.add();
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
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        pipeline.add_with(&[b"MGET"], keys);
        if self.signing_key.is_none() {
            for key in keys {
                pipeline.add(&[b"PTTL", key.as_ref()]);
            }
        }
        let (values, mut replies) = self.client.run(Call::Read, |redis| {
            let mut replies = redis.pipeline(&pipeline)?.into_iter();
            match replies.next() {
                Some(Reply::Array(values)) if values.len() == keys.len() => Ok((values, replies)),
                Some(Reply::Error(error)) => Err(redis.refused(error)),
                _ => Err(redis.unexpected("MGET")),
            }
        })?;
        let counters = self.client.counters();
        let each = keys.iter().zip(values).map(|(key, value)| {
            let left = replies.next();
            let Reply::Bulk(bytes) = value else {
                counters.misses.add();
                return Ok(None);
            };
            let place = Place { key: key.as_ref(), field: None };
            let (pickle, ends_at) = self.opened_until(&bytes, place)?;
            match left {
                None => Ok(Some(found(pickle.into_owned(), ends_at))),
                Some(left) => Ok(still_there(left.as_int()).map(|left| Found { pickle: bytes, left })),
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
        let mut pipeline = Pipeline::new();
        for (key, pickle) in values {
            let (key, pickle) = (key.as_ref(), pickle.as_ref());
            let sealed = self.sealed(Place { key, field: None }, pickle, lifetime);
            add_set(&mut pipeline, key, sealed.as_deref().unwrap_or(pickle), lifetime);
        }
        self.write_all(&pipeline)
    }

    /// Removes keys. How many there were.
    pub fn delete<K: AsRef<[u8]>>(self, keys: &[K]) -> Result<u64, CacheError> {
        self.count(Call::Write, "UNLINK", &[b"UNLINK"], keys)
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
        let args: [&[u8]; 4] = [b"HSET", key, field, sealed.as_deref().unwrap_or(pickle)];
        self.client.run(Call::Write, |redis| int(redis, "HSET", &args))?;
        Ok(())
    }

    /// All fields of a hash, in no order. A value that is not taken stands as the reason why.
    #[expect(clippy::type_complexity, reason = "a list of names with results, and an error of the whole")]
    pub fn hgetall(self, key: &[u8]) -> Result<Vec<(Vec<u8>, Result<Vec<u8>, CacheError>)>, CacheError> {
        let stored = self.client.run(Call::Read, |redis| strings(redis, "HGETALL", &[b"HGETALL", key]))?;
        if stored.is_empty() {
            self.client.counters().misses.add();
        }
        let mut stored = stored.into_iter();
        let mut fields = Vec::with_capacity(stored.len() / 2);
        while let (Some(field), Some(bytes)) = (stored.next(), stored.next()) {
            let value = self.opened(&bytes, Place { key, field: Some(&field) }).map(Cow::into_owned);
            fields.push((field, value));
        }
        Ok(fields)
    }

    /// Removes fields of a hash. How many there were.
    pub fn hdel<F: AsRef<[u8]>>(self, key: &[u8], fields: &[F]) -> Result<u64, CacheError> {
        self.count(Call::Write, "HDEL", &[b"HDEL", key], fields)
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
        let (pickle, ends_at) = self.opened_until(bytes, place(key, field)).ok()?;
        let told = found(pickle.into_owned(), ends_at);
        if ends_at != 0 { Some(told) } else { Some(Found { left: still_there(Some(left))?, ..told }) }
    }

    /// Counts a pickle that was handed out but could not be read: not a hit, but a miss.
    pub fn note_unreadable(self) {
        self.client.counters().unreadable();
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
        self.client.run(Call::Read, |redis| match redis.query(command)? {
            ReplyRef::Bulk(bytes) => {
                Ok(self.opened(bytes, place).map(|payload| read.take().map(|read| read(&payload))))
            }
            ReplyRef::Nil => {
                self.client.counters().misses.add();
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
        self.client.run(Call::Read, |redis| {
            let (mut value, mut left) = (None, None);
            redis.queries(&pipeline, |number, reply| match (number, reply) {
                (0, ReplyRef::Bulk(bytes)) => {
                    value = Some(Ok(Some(self.opened(bytes, place).map(Cow::into_owned))));
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
                (Some(Ok(Some(Ok(_)))), None) => Ok(Ok(None)),
                (Some(Ok(None)), _) => {
                    self.client.counters().misses.add();
                    Ok(Ok(None))
                }
                (Some(Err(error)), _) => Err(redis.refused(error)),
                (None, _) => Err(redis.unexpected("GET")),
            }
        })?
    }

    /// The payload of stored bytes, counted as hit or miss.
    fn opened<'b>(self, bytes: &'b [u8], place: Place<'_>) -> Result<Cow<'b, [u8]>, CacheError> {
        let counters = self.client.counters();
        match envelope::open(bytes, self.signing_key, place) {
            Ok(payload) => {
                counters.hits.add();
                Ok(payload)
            }
            Err(rejection) => {
                counters.misses.add();
                counters.rejected.add();
                Err(rejection.into())
            }
        }
    }

    /// As [`opened`](Self::opened), with the end that an envelope tells: milliseconds since 1970, 0 is none.
    pub(crate) fn opened_until<'b>(
        self,
        bytes: &'b [u8],
        place: Place<'_>,
    ) -> Result<(Cow<'b, [u8]>, u64), CacheError> {
        let payload = self.opened(bytes, place)?;
        Ok((payload, if self.signing_key.is_some() { envelope::ends_at(bytes) } else { 0 }))
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
        self.client.run(Call::Write, |redis| int(redis, "HSET", &[b"HSET", key, field, &sealed]))?;
        Ok(())
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
        self.client.run(Call::Write, |redis| {
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

    /// Sends writes together. Fails with the first refusal.
    fn write_all(self, pipeline: &Pipeline) -> Result<(), CacheError> {
        if pipeline.is_empty() {
            return Ok(());
        }
        self.client.run(Call::Write, |redis| {
            let mut refusal = None;
            redis.queries(pipeline, |_, reply| {
                if let ReplyRef::Error(error) = reply {
                    refusal.get_or_insert(error);
                }
            })?;
            refusal.map_or(Ok(()), |error| Err(redis.refused(error)))
        })?;
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
        let count = self.client.run(call, |redis| int(redis, command, &args))?;
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
