//! Values, one and many at a time.

use super::sealing::{found, still_there};
use super::{Found, Store};
use crate::cache::CacheError;
use crate::connection::Pipeline;
use crate::envelope::{self, Place, Rejection};
use crate::lifetime::Lifetime;
use crate::pickle::UnpicklableError;
use crate::resp::{Reply, ReplyRef};
use crate::tally::Note;

impl Store<'_> {
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
}

pub(crate) fn add_set(pipeline: &mut Pipeline, key: &[u8], sealed: &[u8], lifetime: Lifetime) {
    match lifetime.as_secs() {
        None => pipeline.add(&[b"SET", key, sealed]),
        Some(seconds) => pipeline.add(&[b"SET", key, sealed, b"EX", seconds.to_string().as_bytes()]),
    };
}
