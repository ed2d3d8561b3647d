//! The envelope of a signed value.
//!
//! ```text
//! byte 0        magic, 0xDC: no pickle begins with it
//! byte 1        format of the payload: 1 = pickle, 2 = pickle packed with LZ4
//! bytes 2..10   when the value ends, milliseconds since 1970, highest byte first; 0 = never
//! bytes 10..26  tag
//! bytes 26..    payload
//! ```
//!
//! The tag is BLAKE3 under the bench's key over the full key, the field (of a hash), format, end and
//! payload, each behind its length. So a value holds only at the very place it was written to: who can
//! write to Redis can neither make a value, nor move one to another key, field or site, nor bring one
//! back after its end. 16 bytes of tag are 128 bits, as strong as the guessing they have to resist.

use std::borrow::Cow;

use blake3::Hasher;

use crate::lifetime::now_ms;
use crate::packing;
use crate::pickle::{DEEPEST, nests_deeper};
use crate::signing_key::SigningKey;

const MAGIC: u8 = 0xDC;
const PICKLE: u8 = 1;
const PACKED: u8 = 2;
const TAG: usize = 16;
const TAG_START: usize = 10;
pub(crate) const HEADER: usize = TAG_START + TAG;

/// Separates these tags from whatever else may ever be signed with the key.
const DOMAIN: &[u8] = b"dontmanage-cache value 1";

/// Where a value is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place<'a> {
    /// The full key.
    pub(crate) key: &'a [u8],
    /// The field, in a hash.
    pub(crate) field: Option<&'a [u8]>,
}

/// Why stored bytes are not taken for a value. To a caller it is a miss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// No envelope, in a bench that signs.
    #[error("it is not signed")]
    Unsigned,
    /// An envelope, but no key to check it with.
    #[error("it is signed, and there is no key to check it with")]
    NoKey,
    /// Cut off before the end of its head.
    #[error("it is cut off")]
    Truncated,
    /// Cut off, changed, signed with another key, or moved from another place.
    #[error("its signature is not right for this key")]
    Signature,
    /// Its time is over, although Redis still has it.
    #[error("its lifetime is over")]
    Expired,
    /// From a newer version.
    #[error("it has the format {0}, which this version does not read")]
    Format(u8),
    /// Signed by us and yet not to be unpacked: a mistake of the program that wrote it.
    #[error("it does not unpack")]
    Packing,
    /// Nobody has signed it, and it nests so deep that reading it could end the process.
    #[error("it nests too deep")]
    TooDeep,
}

/// Begins a value in `out`; the payload is to be appended, then [`seal`] called.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.resize(out.len() + HEADER, 0);
}

/// Signs what [`begin`] began at the start of `out`; a payload of more than `pack_above` bytes is packed
/// first, if it gets smaller.
pub(crate) fn seal(
    out: &mut Vec<u8>,
    key: &SigningKey,
    place: Place<'_>,
    ends_at: u64,
    pack_above: Option<usize>,
) {
    let mut format = PICKLE;
    if pack_above.is_some_and(|size| out.len() - HEADER > size)
        && let Some(packed) = packing::pack(&out[HEADER..])
    {
        out.truncate(HEADER);
        out.extend_from_slice(&packed);
        format = PACKED;
    }
    let (header, payload) = out.split_at_mut(HEADER);
    header[0] = MAGIC;
    header[1] = format;
    header[2..TAG_START].copy_from_slice(&ends_at.to_be_bytes());
    let tag = tag(key, place, &header[..TAG_START], payload);
    header[TAG_START..].copy_from_slice(&tag.as_bytes()[..TAG]);
}

/// The payload of a value, if it is right for its place and time. Without a key, bare bytes are taken.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    key: Option<&SigningKey>,
    place: Place<'_>,
) -> Result<Cow<'a, [u8]>, Rejection> {
    let signed = bytes.first() == Some(&MAGIC);
    let key = match key {
        None if signed => return Err(Rejection::NoKey),
        // Whoever wrote it, it must not end the process that reads it.
        None if nests_deeper(bytes, DEEPEST) => return Err(Rejection::TooDeep),
        None => return Ok(Cow::Borrowed(bytes)),
        Some(_) if !signed => return Err(Rejection::Unsigned),
        Some(key) => key,
    };
    let (header, payload) = bytes.split_at_checked(HEADER).ok_or(Rejection::Truncated)?;
    let (head, given) = header.split_at(TAG_START);
    let expected = tag(key, place, head, payload);
    // blake3 compares whole hashes in constant time: the given tag with the rest of the expected one.
    let mut claimed = *expected.as_bytes();
    claimed[..TAG].copy_from_slice(given);
    if blake3::Hash::from_bytes(claimed) != expected {
        return Err(Rejection::Signature);
    }
    // Only now: what the head says is ours.
    if !matches!(head[1], PICKLE | PACKED) {
        return Err(Rejection::Format(head[1]));
    }
    let ends_at = ends_at(bytes);
    if ends_at != 0 && ends_at <= now_ms() {
        return Err(Rejection::Expired);
    }
    if head[1] == PACKED {
        return packing::unpack(payload).map(Cow::Owned).ok_or(Rejection::Packing);
    }
    Ok(Cow::Borrowed(payload))
}

/// When a value ends that [`open`] has taken, in milliseconds since 1970; 0 is never.
pub(crate) fn ends_at(bytes: &[u8]) -> u64 {
    bytes.get(2..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn tag(key: &SigningKey, place: Place<'_>, head: &[u8], payload: &[u8]) -> blake3::Hash {
    let mut hasher = Hasher::new_keyed(key.as_bytes());
    hasher.update(DOMAIN);
    // Each part behind its length, the last one to the end: no two lists of parts give the same bytes.
    hasher.update(&(place.key.len() as u64).to_le_bytes());
    hasher.update(place.key);
    match place.field {
        None => hasher.update(&u64::MAX.to_le_bytes()),
        Some(field) => hasher.update(&(field.len() as u64).to_le_bytes()).update(field),
    };
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: Place<'static> = Place { key: b"site|k", field: None };

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes([byte; 32])
    }

    fn sealed(payload: &[u8], place: Place<'_>, ends_at: u64) -> Vec<u8> {
        let mut out = Vec::new();
        begin(&mut out);
        out.extend_from_slice(payload);
        seal(&mut out, &key(1), place, ends_at, None);
        out
    }

    #[test]
    fn a_value_opens_where_it_was_put() {
        let field = Place { field: Some(b"f"), ..PLACE };
        assert_eq!(open(&sealed(b"N.", PLACE, 0), Some(&key(1)), PLACE), Ok(Cow::Borrowed(&b"N."[..])));
        assert_eq!(open(&sealed(b"", field, 0), Some(&key(1)), field), Ok(Cow::Borrowed(&b""[..])));
        assert_eq!(
            open(&sealed(b"N.", PLACE, now_ms() + 60_000), Some(&key(1)), PLACE),
            Ok(Cow::Borrowed(&b"N."[..]))
        );
    }

    #[test]
    fn a_value_that_was_moved_is_rejected() {
        let places = [
            PLACE,
            Place { key: b"other|k", field: None },
            Place { key: b"site|k2", field: None },
            Place { key: b"site|k", field: Some(b"") },
            Place { key: b"site|k", field: Some(b"f") },
            Place { key: b"site|", field: Some(b"kf") },
            Place { key: b"site|kf", field: Some(b"") },
        ];
        for from in places {
            for to in places {
                let bytes = sealed(b"N.", from, 0);
                let opened = open(&bytes, Some(&key(1)), to);
                assert_eq!(opened.is_ok(), from == to, "{from:?} {to:?}: {opened:?}");
            }
        }
    }

    #[test]
    fn unsigned_foreign_late_and_newer_values_are_each_told_apart() {
        let bytes = sealed(b"N.", PLACE, 0);
        assert_eq!(open(b"N.", Some(&key(1)), PLACE), Err(Rejection::Unsigned));
        assert_eq!(open(b"", Some(&key(1)), PLACE), Err(Rejection::Unsigned));
        assert_eq!(open(&bytes, Some(&key(2)), PLACE), Err(Rejection::Signature));
        assert_eq!(open(&bytes, None, PLACE), Err(Rejection::NoKey));
        assert_eq!(open(b"N.", None, PLACE), Ok(Cow::Borrowed(&b"N."[..])));
        let late = sealed(b"N.", PLACE, now_ms());
        assert_eq!(open(&late, Some(&key(1)), PLACE), Err(Rejection::Expired));

        let mut newer = bytes.clone();
        newer[1] = 3;
        assert_eq!(
            open(&newer, Some(&key(1)), PLACE),
            Err(Rejection::Signature),
            "a format can't be changed"
        );
        let (head, payload) = newer.split_at_mut(HEADER);
        let tag = tag(&key(1), PLACE, &head[..TAG_START], payload);
        head[TAG_START..].copy_from_slice(&tag.as_bytes()[..TAG]);
        assert_eq!(open(&newer, Some(&key(1)), PLACE), Err(Rejection::Format(3)));
    }

    #[test]
    fn a_large_payload_is_packed_and_one_that_is_not_packed_right_is_rejected() {
        let payload = b"ab".repeat(1000);
        let pack = |above| {
            let mut out = Vec::new();
            begin(&mut out);
            out.extend_from_slice(&payload);
            seal(&mut out, &key(1), PLACE, 0, Some(above));
            out
        };
        let packed = pack(1999);
        assert!(packed.len() < 200 && packed[1] == PACKED);
        assert_eq!(open(&packed, Some(&key(1)), PLACE).as_deref(), Ok(&payload[..]));
        assert_eq!(pack(2000), sealed(&payload, PLACE, 0), "up to the size it is as it is");
        let mut unpacked = packed.clone();
        unpacked[1] = PICKLE;
        assert_eq!(open(&unpacked, Some(&key(1)), PLACE), Err(Rejection::Signature), "the format is signed");

        let mut wrong = sealed(&u32::MAX.to_le_bytes(), PLACE, 0);
        wrong[1] = PACKED;
        let (head, payload) = wrong.split_at_mut(HEADER);
        let tag = tag(&key(1), PLACE, &head[..TAG_START], payload);
        head[TAG_START..].copy_from_slice(&tag.as_bytes()[..TAG]);
        assert_eq!(open(&wrong, Some(&key(1)), PLACE), Err(Rejection::Packing));
    }

    #[test]
    fn no_pickle_begins_like_an_envelope() {
        assert!(!b"(.012FIJKLMNPQRSTUVXabcdeghijlopqrstu)]}BCG".contains(&MAGIC));
        assert!(!(0x80..=0x97).contains(&MAGIC));
    }

    proptest! {
        #[test]
        fn a_value_that_was_cut_or_changed_anywhere_is_rejected(
            payload in proptest::collection::vec(any::<u8>(), 0..50), at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let bytes = sealed(&payload, PLACE, 0);
            let at = at.index(bytes.len());
            prop_assert!(open(&bytes[..at], Some(&key(1)), PLACE).is_err());
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            prop_assert!(open(&changed, Some(&key(1)), PLACE).is_err());
            let mut longer = bytes;
            longer.push(bit);
            prop_assert!(open(&longer, Some(&key(1)), PLACE).is_err());
        }
    }
}
