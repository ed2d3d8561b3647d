//! The cache's operations with their errors, for tools and for callers who want to know.

use std::time::Duration;

use crate::cache::{Cache, CacheError};
use crate::client::Call;
use crate::connection::{Connection, Pipeline};
use crate::envelope::{self, Place};
use crate::error::RedisError;
use crate::key::{Beginning, Key};
use crate::lifetime::{Lifetime, Ttl};
use crate::pickle;
use crate::resp::{Reply, ReplyRef};
use crate::scan::Walk;
use crate::server_error::ServerErrorKind;
use crate::value::Value;

/// How often a lifetime is changed again because another process wrote the value meanwhile.
const RACES: usize = 3;

/// A [`Cache`] whose operations tell what went wrong.
#[derive(Clone, Copy, Debug)]
pub struct Strict<'c> {
    cache: &'c Cache,
}

impl<'c> Strict<'c> {
    pub(crate) fn new(cache: &'c Cache) -> Self {
        Self { cache }
    }

    #[cfg(feature = "serde")]
    pub(crate) fn cache(self) -> &'c Cache {
        self.cache
    }

    /// A value, or none if there is none.
    pub fn get_value<'a>(self, key: impl Into<Key<'a>>) -> Result<Option<Value>, CacheError> {
        self.get_pickle(key, |bytes| self.unpickled(bytes))?.transpose()
    }

    /// Lends the pickle of a value, after its signature has been checked, to `read`.
    pub fn get_pickle<'a, T>(
        self,
        key: impl Into<Key<'a>>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, CacheError> {
        let key = self.cache.make_key(key);
        self.lend(&[b"GET", &key], Place { key: &key, field: None }, read)
    }

    /// Stores a value, in place of an older one and its lifetime.
    pub fn set_value<'a>(
        self,
        key: impl Into<Key<'a>>,
        value: &Value,
        lifetime: Lifetime,
    ) -> Result<(), CacheError> {
        let key = self.cache.make_key(key);
        let sealed =
            self.seal(Place { key: &key, field: None }, lifetime, |out| pickle::write(value, out))?;
        self.store(&key, &sealed, lifetime)
    }

    /// Stores a value that has been pickled elsewhere.
    pub fn set_pickle<'a>(
        self,
        key: impl Into<Key<'a>>,
        bytes: &[u8],
        lifetime: Lifetime,
    ) -> Result<(), CacheError> {
        let key = self.cache.make_key(key);
        let sealed = self.seal(Place { key: &key, field: None }, lifetime, |out| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        self.store(&key, &sealed, lifetime)
    }

    /// Removes a value. Whether there was one.
    pub fn delete_value<'a>(self, key: impl Into<Key<'a>>) -> Result<bool, CacheError> {
        Ok(self.delete_values([key])? > 0)
    }

    /// Removes values, in one round trip. How many there were.
    pub fn delete_values<'a, K: Into<Key<'a>>>(
        self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<u64, CacheError> {
        self.count_keys(Call::Write, b"UNLINK", keys)
    }

    /// How many of the keys exist.
    pub fn exists<'a, K: Into<Key<'a>>>(self, keys: impl IntoIterator<Item = K>) -> Result<u64, CacheError> {
        self.count_keys(Call::Read, b"EXISTS", keys)
    }

    /// Removes what [`get_keys`](Self::get_keys) finds, in bounded steps. How many there were.
    pub fn delete_keys(self, beginning: impl AsRef<[u8]>) -> Result<u64, CacheError> {
        let beginning = Beginning::new(&self.cache.prefix, beginning.as_ref());
        // Repeating it removes what the first try left.
        let mut removed = 0;
        self.cache.client.run(Call::Write, |redis| {
            let mut walk = Walk::new(Some(beginning.pattern()));
            let mut doomed = Vec::new();
            while let Some(step) = walk.step(redis, &doomed)? {
                removed += step.removed;
                doomed = step.keys;
                doomed.retain(|key| beginning.covers(key));
            }
            Ok(())
        })?;
        Ok(removed)
    }

    /// The full keys of this site that begin with a text, in no order. In the text, `*` stands for
    /// anything, and nothing else is special.
    pub fn get_keys(self, beginning: impl AsRef<[u8]>) -> Result<Vec<Vec<u8>>, CacheError> {
        let beginning = Beginning::new(&self.cache.prefix, beginning.as_ref());
        let mut keys = self.cache.client.run(Call::Read, |redis| {
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

    /// Gives a key another lifetime, from now. Whether there is such a key.
    pub fn expire_key<'a>(self, key: impl Into<Key<'a>>, lifetime: Lifetime) -> Result<bool, CacheError> {
        let key = self.cache.make_key(key);
        Ok(self.cache.client.run(Call::Write, |redis| {
            if self.cache.is_signed()
                && let Some(done) = self.expire_signed(redis, &key, lifetime)?
            {
                return Ok(done);
            }
            expire(redis, &key, lifetime)
        })?)
    }

    /// The time left to a key.
    pub fn ttl<'a>(self, key: impl Into<Key<'a>>) -> Result<Ttl, CacheError> {
        let key = self.cache.make_key(key);
        let left = self.cache.client.run(Call::Read, |redis| int(redis, "PTTL", &[b"PTTL", &key]))?;
        Ok(match u64::try_from(left) {
            Ok(left) => Ttl::Left(Duration::from_millis(left)),
            Err(_) if left == -1 => Ttl::Unlimited,
            Err(_) => Ttl::Missing,
        })
    }

    /// A field of a hash, or none if there is none.
    pub fn hget<'a>(
        self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
    ) -> Result<Option<Value>, CacheError> {
        self.hget_pickle(name, field, |bytes| self.unpickled(bytes))?.transpose()
    }

    /// Lends the pickle of a field, after its signature has been checked, to `read`.
    pub fn hget_pickle<'a, T>(
        self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, CacheError> {
        let (key, field) = (self.cache.make_key(name), field.as_ref());
        self.lend(&[b"HGET", &key, field], Place { key: &key, field: Some(field) }, read)
    }

    /// Stores a field of a hash.
    pub fn hset<'a>(
        self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
        value: &Value,
    ) -> Result<(), CacheError> {
        let (key, field) = (self.cache.make_key(name), field.as_ref());
        let place = Place { key: &key, field: Some(field) };
        let sealed = self.seal(place, Lifetime::NONE, |out| pickle::write(value, out))?;
        self.cache.client.run(Call::Write, |redis| int(redis, "HSET", &[b"HSET", &key, field, &sealed]))?;
        Ok(())
    }

    /// All fields of a hash, in no order. A value that is not taken stands as the reason why.
    #[expect(clippy::type_complexity, reason = "a list of names with results, and an error of the whole")]
    pub fn hgetall<'a>(
        self,
        name: impl Into<Key<'a>>,
    ) -> Result<Vec<(Vec<u8>, Result<Value, CacheError>)>, CacheError> {
        let key = self.cache.make_key(name);
        let stored =
            self.cache.client.run(Call::Read, |redis| strings(redis, "HGETALL", &[b"HGETALL", &key]))?;
        let counters = self.cache.client.counters();
        if stored.is_empty() {
            counters.misses.add();
        }
        let mut stored = stored.into_iter();
        let mut fields = Vec::with_capacity(stored.len() / 2);
        while let (Some(field), Some(bytes)) = (stored.next(), stored.next()) {
            let place = Place { key: &key, field: Some(&field) };
            let value = self.opened(&bytes, place).and_then(|bytes| self.unpickled(bytes));
            fields.push((field, value));
        }
        Ok(fields)
    }

    /// Removes fields of a hash. How many there were.
    pub fn hdel<'a, F: AsRef<[u8]>>(self, name: impl Into<Key<'a>>, fields: &[F]) -> Result<u64, CacheError> {
        if fields.is_empty() {
            return Ok(0);
        }
        let key = self.cache.make_key(name);
        let mut args: Vec<&[u8]> = vec![b"HDEL", &key];
        args.extend(fields.iter().map(AsRef::as_ref));
        let removed = self.cache.client.run(Call::Write, |redis| int(redis, "HDEL", &args))?;
        Ok(u64::try_from(removed).unwrap_or(0))
    }

    /// Whether a hash has a field.
    pub fn hexists<'a>(self, name: impl Into<Key<'a>>, field: impl AsRef<[u8]>) -> Result<bool, CacheError> {
        let key = self.cache.make_key(name);
        let args: [&[u8]; 3] = [b"HEXISTS", &key, field.as_ref()];
        Ok(self.cache.client.run(Call::Read, |redis| int(redis, "HEXISTS", &args))? == 1)
    }

    /// The field names of a hash, in no order.
    pub fn hkeys<'a>(self, name: impl Into<Key<'a>>) -> Result<Vec<Vec<u8>>, CacheError> {
        let key = self.cache.make_key(name);
        Ok(self.cache.client.run(Call::Read, |redis| strings(redis, "HKEYS", &[b"HKEYS", &key]))?)
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
        self.cache.client.run(Call::Read, |redis| match redis.query(command)? {
            ReplyRef::Bulk(bytes) => {
                Ok(self.opened(bytes, place).map(|payload| read.take().map(|read| read(payload))))
            }
            ReplyRef::Nil => {
                self.cache.client.counters().misses.add();
                Ok(Ok(None))
            }
            _ => Err(redis.unexpected("GET")),
        })?
    }

    /// The payload of stored bytes, counted as hit or miss.
    fn opened<'b>(self, bytes: &'b [u8], place: Place<'_>) -> Result<&'b [u8], CacheError> {
        let counters = self.cache.client.counters();
        match envelope::open(bytes, self.cache.signing_key.as_deref(), place) {
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

    fn unpickled(self, bytes: &[u8]) -> Result<Value, CacheError> {
        pickle::read(bytes).map_err(|error| {
            // Found, but of no use here: what was counted as a hit is a miss.
            let counters = self.cache.client.counters();
            counters.hits.take_back();
            counters.misses.add();
            counters.unreadable.add();
            error.into()
        })
    }

    /// The bytes to store: the pickle, in an envelope if the bench signs.
    fn seal(
        self,
        place: Place<'_>,
        lifetime: Lifetime,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), pickle::UnpicklableError>,
    ) -> Result<Vec<u8>, CacheError> {
        let mut out = Vec::with_capacity(128);
        if let Some(key) = &self.cache.signing_key {
            envelope::begin(&mut out);
            write(&mut out)?;
            envelope::seal(&mut out, key, place, lifetime.ends_at());
        } else {
            write(&mut out)?;
        }
        Ok(out)
    }

    fn store(self, key: &[u8], sealed: &[u8], lifetime: Lifetime) -> Result<(), CacheError> {
        self.cache.client.run(Call::Write, |redis| {
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
                Ok(ReplyRef::Bulk(bytes)) => {
                    envelope::open(bytes, self.cache.signing_key.as_deref(), place).ok().and_then(|payload| {
                        let write = |out: &mut Vec<u8>| {
                            out.extend_from_slice(payload);
                            Ok(())
                        };
                        self.seal(place, lifetime, write).ok()
                    })
                }
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
            match lifetime.as_secs() {
                None => pipeline.add(&[b"SET", key, &sealed]),
                Some(seconds) => pipeline.add(&[b"SET", key, &sealed, b"EX", seconds.to_string().as_bytes()]),
            };
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

    fn count_keys<'a, K: Into<Key<'a>>>(
        self,
        call: Call,
        command: &'static [u8],
        keys: impl IntoIterator<Item = K>,
    ) -> Result<u64, CacheError> {
        let keys: Vec<Vec<u8>> = keys.into_iter().map(|key| self.cache.make_key(key)).collect();
        if keys.is_empty() {
            return Ok(0);
        }
        let mut args: Vec<&[u8]> = vec![command];
        args.extend(keys.iter().map(Vec::as_slice));
        let count = self.cache.client.run(call, |redis| int(redis, "UNLINK", &args))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
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
