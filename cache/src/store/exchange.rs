//! What the server is asked about a key, and what is counted of it.

use std::borrow::Cow;
use std::time::Instant;

use super::sealing::still_there;
use super::{Found, Store};
use crate::cache::CacheError;
use crate::client::Call;
use crate::connection::{Connection, Pipeline};
use crate::envelope::Place;
use crate::error::RedisError;
use crate::resp::ReplyRef;
use crate::tally::{Counts, Note};

impl<'c> Store<'c> {
    /// Asks for one stored value and lends its payload.
    pub(super) fn lend<T>(
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
    pub(super) fn find_timed(
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

    /// Asks about a key, and counts what came of it.
    pub(super) fn read<T>(
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

    pub(super) fn count<K: AsRef<[u8]>>(
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

    /// What is counted of a key.
    pub(crate) fn counts(self, key: &[u8]) -> &'c Counts {
        self.client.counters().prefixes.of(self.name(key))
    }
}

pub(super) fn int(redis: &mut Connection, command: &'static str, args: &[&[u8]]) -> Result<i64, RedisError> {
    match redis.query(args)? {
        ReplyRef::Int(number) => Ok(number),
        _ => Err(redis.unexpected(command)),
    }
}

pub(super) fn strings(
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
