//! What is stored in place of a pickle, and what of it is handed out again.

use std::borrow::Cow;
use std::time::Duration;

use super::{Found, Store};
use crate::cache::CacheError;
use crate::envelope::{self, Place, Rejection};
use crate::lifetime::{Lifetime, Ttl, now_ms};
use crate::pickle::UnpicklableError;
use crate::tally::Note;

impl Store<'_> {
    /// The bytes to store in place of a pickle; none if it is stored as it is.
    pub(crate) fn sealed(self, place: Place<'_>, pickle: &[u8], lifetime: Lifetime) -> Option<Vec<u8>> {
        let key = self.signing_key?;
        let mut out = Vec::with_capacity(envelope::HEADER + pickle.len());
        envelope::begin(&mut out);
        out.extend_from_slice(pickle);
        envelope::seal(&mut out, key, place, lifetime.ends_at(), self.client.pack_above());
        Some(out)
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

    pub(super) fn sealed_written(
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

    pub(super) fn opened<'b>(
        self,
        bytes: &'b [u8],
        place: Place<'_>,
        note: &mut Note,
    ) -> Result<Cow<'b, [u8]>, CacheError> {
        Ok(self.judged(envelope::open(bytes, self.signing_key, place), bytes, note)?)
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

    /// What came of opening stored bytes, noted as hit or miss.
    pub(super) fn judged<T>(
        self,
        opened: Result<T, Rejection>,
        bytes: &[u8],
        note: &mut Note,
    ) -> Result<T, Rejection> {
        match opened {
            Ok(payload) => {
                note.hit(bytes);
                Ok(payload)
            }
            Err(rejection) => {
                note.rejected();
                self.client.counters().rejected(rejection);
                Err(rejection)
            }
        }
    }

    /// What stored bytes hold that were read with the milliseconds left to their key; none if they are not
    /// to be trusted.
    pub(crate) fn found_at(self, key: &[u8], field: &[u8], bytes: &[u8], left: i64) -> Option<Found> {
        // Counted when it was first asked for.
        let (pickle, ends_at) = self.opened_until(bytes, place(key, field), &mut Note::default()).ok()?;
        let told = found(pickle.into_owned(), ends_at);
        if ends_at != 0 { Some(told) } else { Some(Found { left: still_there(Some(left))?, ..told }) }
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
