//! Hashes: values by key and field.

use super::exchange::{int, strings};
use super::sealing::still_there;
use super::{Fields, Found, Store};
use crate::cache::CacheError;
use crate::client::Call;
use crate::connection::Pipeline;
use crate::envelope::{self, Place};
use crate::lifetime::{Lifetime, Ttl};
use crate::pickle::UnpicklableError;
use crate::resp::{Reply, ReplyRef};

impl Store<'_> {
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

    /// As [`hset`](Self::hset), and the time left to the hash, in one round trip: a hash keeps the lifetime
    /// that it has when a field is set.
    pub fn hset_timed(self, key: &[u8], field: &[u8], pickle: &[u8]) -> Result<Ttl, CacheError> {
        let sealed = self.sealed(Place { key, field: Some(field) }, pickle, Lifetime::NONE);
        let stored = sealed.as_deref().unwrap_or(pickle);
        let mut pipeline = Pipeline::new();
        pipeline.add(&[b"HSET", key, field, stored]).add(&[b"PTTL", key]);
        Ok(self.write(key, Some(stored.len()), |redis| {
            let (mut done, mut left) = (None, None);
            redis.queries(&pipeline, |number, reply| match (number, reply) {
                (0, ReplyRef::Int(_)) => done = Some(Ok(())),
                (0, ReplyRef::Error(error)) => done = Some(Err(error)),
                (1, ReplyRef::Int(time)) => left = still_there(Some(time)),
                _ => {}
            })?;
            match done {
                Some(Ok(())) => Ok(left.unwrap_or(Ttl::Missing)),
                Some(Err(error)) => Err(redis.refused(error)),
                None => Err(redis.unexpected("HSET")),
            }
        })?)
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

    fn hput(self, key: &[u8], field: &[u8], sealed: &[u8]) -> Result<(), CacheError> {
        self.write(key, Some(sealed.len()), |redis| int(redis, "HSET", &[b"HSET", key, field, sealed]))?;
        Ok(())
    }

    /// All fields of a hash, in no order.
    pub fn hgetall(self, key: &[u8]) -> Result<Fields, CacheError> {
        Ok(self.read(key, |redis, note| {
            let ReplyRef::Array(items) = redis.query(&[b"HGETALL", key])? else {
                return Err(redis.unexpected("HGETALL"));
            };
            let mut values = Vec::with_capacity(items.len() / 2);
            let mut size = 0;
            for pair in items.as_chunks::<2>().0 {
                let [ReplyRef::Bulk(field), ReplyRef::Bulk(bytes)] = pair else {
                    return Err(redis.unexpected("HGETALL"));
                };
                values.push((*bytes, Place { key, field: Some(field) }));
                size += field.len() + bytes.len();
            }
            if values.is_empty() {
                note.miss();
            }
            let opened = envelope::open_many(&values, self.signing_key);
            let mut fields = Fields::with_capacity(values.len(), size);
            for ((bytes, place), opened) in values.iter().zip(opened) {
                let pickle = self.judged(opened, bytes, note);
                fields.push(place.field.unwrap_or_default(), pickle.as_deref().map_err(|&why| why));
            }
            Ok(fields)
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
}
