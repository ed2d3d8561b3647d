//! The right to store what is about to be read.

use super::names::ReaderKeys;
use super::script::{self, Run};
use crate::connection::Connection;
use crate::error::RedisError;
use crate::lifetime::Lifetime;
use crate::resp::Reply;
use crate::store::{Found, Store};

/// The right to store a document that is read from now on.
///
/// It is lost as soon as someone changes the document, by time, and with the server's memory. Then what was
/// read is good for the caller, and not for the cache.
#[derive(Debug)]
#[must_use = "without `fill` the document is read from the database again and again"]
pub struct Lease {
    pub(super) keys: Box<ReaderKeys>,
    pub(super) token: Vec<u8>,
    pub(super) generation: Vec<u8>,
    pub(super) site_generation: Vec<u8>,
}

/// What a reader is to do.
#[derive(Debug)]
#[must_use]
pub enum Look {
    /// Take what was found.
    Found(Found),
    /// Read the database, in a snapshot that begins now, and [`fill`](super::Documents::fill) the cache.
    Read(Lease),
    /// Read the database, and store nothing: the document is being changed, or the server is away.
    Around,
}

/// What the server says to a reader.
pub(super) enum Answer {
    Entry(Vec<u8>, i64),
    Written,
    Lease(Lease),
}

/// Asks for the entry or a lease, in one round trip.
pub(super) fn ask(
    redis: &mut Connection,
    keys: &ReaderKeys,
    times: &super::Times,
    anyway: bool,
) -> Result<Answer, RedisError> {
    let token = crate::memo::token();
    let lease = times.lease.as_millis().to_string();
    let generation = times.generation.as_millis().to_string();
    let skip: &[u8] = if anyway { b"1" } else { b"" };
    let run = Run {
        script: &script::LOOK,
        keys: keys.all(),
        args: vec![&token, lease.as_bytes(), &keys.field, skip, generation.as_bytes()],
    };
    match script::run(redis, &[run])?.pop() {
        Some(Reply::Int(0)) => Ok(Answer::Written),
        Some(Reply::Array(parts)) => match <[Reply; 2]>::try_from(parts) {
            Ok([Reply::Bulk(entry), Reply::Int(left)]) => Ok(Answer::Entry(entry, left)),
            Ok(_) => Err(redis.unexpected("EVALSHA")),
            Err(parts) => match <[Reply; 3]>::try_from(parts) {
                Ok([Reply::Bulk(token), Reply::Bulk(generation), Reply::Bulk(site_generation)]) => {
                    Ok(Answer::Lease(Lease {
                        keys: Box::new(keys.clone()),
                        token,
                        generation,
                        site_generation,
                    }))
                }
                _ => Err(redis.unexpected("EVALSHA")),
            },
        },
        _ => Err(redis.unexpected("EVALSHA")),
    }
}

impl Lease {
    /// Stores a pickle if the lease is still valid. Whether it was stored.
    pub(super) fn fill(
        self,
        store: Store<'_>,
        pickle: &[u8],
        lifetime: Lifetime,
    ) -> Result<bool, RedisError> {
        let sealed = store.sealed_at(&self.keys.entry, &self.keys.field, pickle, lifetime);
        let milliseconds = lifetime.as_secs().map_or(0, |seconds| seconds.saturating_mul(1000)).to_string();
        let run = Run {
            script: &script::FILL,
            keys: self.keys.all(),
            args: vec![
                &self.token,
                &self.generation,
                &self.site_generation,
                &self.keys.field,
                sealed.as_deref().unwrap_or(pickle),
                milliseconds.as_bytes(),
            ],
        };
        let runs = [run];
        let bytes = sealed.as_deref().unwrap_or(pickle).len();
        store.write(&self.keys.entry, Some(bytes), |redis| match script::run(redis, &runs)?.pop() {
            Some(Reply::Int(stored)) => Ok(stored == 1),
            _ => Err(redis.unexpected("EVALSHA")),
        })
    }
}
