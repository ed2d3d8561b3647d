//! Keys, whatever lies there: which there are, their removal, and how long they stay.

use super::Store;
use super::exchange::int;
use super::sealing::still_there;
use super::values::add_set;
use crate::cache::CacheError;
use crate::client::Call;
use crate::connection::{Connection, Pipeline};
use crate::envelope::{self, Place};
use crate::error::RedisError;
use crate::key::Beginning;
use crate::lifetime::{Lifetime, Ttl};
use crate::resp::{Reply, ReplyRef};
use crate::scan::{self, Walk};
use crate::server_error::ServerErrorKind;

/// How often a lifetime is changed again because another process wrote the value meanwhile.
const RACES: usize = 3;

impl Store<'_> {
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
