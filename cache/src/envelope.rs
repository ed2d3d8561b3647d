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
//! The tag is keyed BLAKE3 ([`crate::tag`]) over the full key, the field (of a hash), format, end and
//! payload, with their lengths. So a value holds only at the very place it was written to: who can
//! write to Redis can neither make a value, nor move one to another key, field or site, nor bring one
//! back after its end. 16 bytes of tag are 128 bits, as strong as the guessing they have to resist.

use std::borrow::Cow;

use crate::lifetime::now_ms;
use crate::packing;
use crate::pickle::{DEEPEST, nests_deeper};
use crate::signing_key::SigningKey;
use crate::tag::{Signed, tag, tags};

const MAGIC: u8 = 0xDC;
const PICKLE: u8 = 1;
const PACKED: u8 = 2;
const TAG: usize = 16;
const TAG_START: usize = 10;
pub(crate) const HEADER: usize = TAG_START + TAG;

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
    let mut head = [0; TAG_START];
    head.copy_from_slice(&header[..TAG_START]);
    let tag = tag(key, &Signed { key: place.key, field: place.field, head, payload });
    header[TAG_START..].copy_from_slice(&tag.as_bytes()[..TAG]);
}

/// The payload of a value, if it is right for its place and time. Without a key, bare bytes are taken.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    key: Option<&SigningKey>,
    place: Place<'_>,
) -> Result<Cow<'a, [u8]>, Rejection> {
    let Some(key) = key else { return bare(bytes) };
    let (signed, given) = parts(bytes, place)?;
    payload(bytes, given, &tag(key, &signed))
}

/// As [`open`], for several values: their tags are made together.
pub(crate) fn open_many<'a>(
    values: &[(&'a [u8], Place<'_>)],
    key: Option<&SigningKey>,
) -> Vec<Result<Cow<'a, [u8]>, Rejection>> {
    let Some(key) = key else { return values.iter().map(|(bytes, _)| bare(bytes)).collect() };
    let parts: Vec<_> = values.iter().map(|&(bytes, place)| parts(bytes, place)).collect();
    let signed: Vec<Signed<'_>> = parts.iter().flatten().map(|(signed, _)| *signed).collect();
    let mut tags = tags(key, &signed).into_iter();
    let opened = parts.into_iter().zip(values).map(|(parts, (bytes, _))| {
        let (_, given) = parts?;
        let tag = tags.next().ok_or(Rejection::Signature)?;
        payload(bytes, given, &tag)
    });
    opened.collect()
}

/// What nobody has signed, where nobody signs.
fn bare(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Rejection> {
    if bytes.first() == Some(&MAGIC) {
        return Err(Rejection::NoKey);
    }
    // Whoever wrote it, it must not end the process that reads it.
    if nests_deeper(bytes, DEEPEST) {
        return Err(Rejection::TooDeep);
    }
    Ok(Cow::Borrowed(bytes))
}

/// What the tag of an envelope has to be over, and the tag that it bears.
fn parts<'a>(bytes: &'a [u8], place: Place<'a>) -> Result<(Signed<'a>, [u8; TAG]), Rejection> {
    if bytes.first() != Some(&MAGIC) {
        return Err(Rejection::Unsigned);
    }
    let (&head, rest) = bytes.split_first_chunk().ok_or(Rejection::Truncated)?;
    let (&given, payload) = rest.split_first_chunk().ok_or(Rejection::Truncated)?;
    Ok((Signed { key: place.key, field: place.field, head, payload }, given))
}

/// The payload of an envelope whose tag has to be `expected`.
fn payload<'a>(
    bytes: &'a [u8],
    given: [u8; TAG],
    expected: &blake3::Hash,
) -> Result<Cow<'a, [u8]>, Rejection> {
    // blake3 compares whole hashes in constant time: the given tag with the rest of the expected one.
    let mut claimed = *expected.as_bytes();
    claimed[..TAG].copy_from_slice(&given);
    if blake3::Hash::from_bytes(claimed) != *expected {
        return Err(Rejection::Signature);
    }
    // Only now: what the head says is ours.
    let (header, payload) = bytes.split_at_checked(HEADER).ok_or(Rejection::Truncated)?;
    if !matches!(header[1], PICKLE | PACKED) {
        return Err(Rejection::Format(header[1]));
    }
    let ends_at = ends_at(header);
    if ends_at != 0 && ends_at <= now_ms() {
        return Err(Rejection::Expired);
    }
    if header[1] == PACKED {
        return packing::unpack(payload).map(Cow::Owned).ok_or(Rejection::Packing);
    }
    Ok(Cow::Borrowed(payload))
}

/// When a value ends that [`open`] has taken, in milliseconds since 1970; 0 is never.
pub(crate) fn ends_at(bytes: &[u8]) -> u64 {
    bytes.get(2..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_be_bytes(*bytes))
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

    /// As only who has the key can.
    fn sign_again(bytes: &mut [u8]) {
        let (signed, _) = parts(bytes, PLACE).expect("an envelope");
        let tag = tag(&key(1), &signed);
        bytes[TAG_START..HEADER].copy_from_slice(&tag.as_bytes()[..TAG]);
    }

    #[test]
    fn values_that_are_opened_together_are_judged_each_by_itself() {
        let long = vec![b'x'; 700];
        let sealed = [sealed(b"N.", PLACE, 0), sealed(&long, PLACE, 0), sealed(&long, PLACE, now_ms())];
        let other = Place { key: b"other", field: None };
        let mut changed = sealed[1].clone();
        changed[300] ^= 1;
        let values = [
            (&sealed[0][..], PLACE),
            (b"N.", PLACE),
            (&sealed[1], PLACE),
            (&sealed[1], other),
            (&changed, PLACE),
            (b"", PLACE),
            (&sealed[2], PLACE),
            (&sealed[1][..20], PLACE),
            (&sealed[0], PLACE),
        ];
        let opened = open_many(&values, Some(&key(1)));
        let alone: Vec<_> = values.iter().map(|&(bytes, place)| open(bytes, Some(&key(1)), place)).collect();
        assert_eq!(opened, alone);
        assert_eq!(opened[2].as_deref(), Ok(&long[..]));
        assert_eq!(opened.iter().filter(|one| one.is_ok()).count(), 3);
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
        sign_again(&mut newer);
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
        sign_again(&mut wrong);
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
