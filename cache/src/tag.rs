//! The tags of signed values: keyed BLAKE3, in the form that a processor is quickest with.
//!
//! A BLAKE3 of a value of a kilobyte is a chain of steps, each waiting for the one before; a processor that
//! could do sixteen of them at once does one. So a longer payload is cut into segments, each has a digest
//! under a key of its own, and the tag is over the digests:
//!
//! ```text
//! digest of a segment = BLAKE3 under the segments' key (256 bytes; the last one filled up with zeros)
//! tag                 = BLAKE3 under the tags' key (lengths, head, payload or digests, key, field, zeros)
//! ```
//!
//! Both keys are derived from the bench's. The lengths stand first, so no two values give the same bytes
//! to sign; and what a forger would have to find beside is two segments of one digest under a key that he
//! does not have. The zeros fill the last block of 64, so that the tags of several values are made together,
//! too: ten values of a hash take little longer than one.

use blake3::IncrementCounter;
use blake3::platform::Platform;

use crate::signing_key::SigningKey;

const SEGMENT: usize = 256;
const BLOCK: usize = 64;
const DIGEST: usize = 32;

/// Up to this length a payload stands in the tag's input itself: its digests would be no shorter.
const SHORT: usize = 128;

/// As many as any processor does at once.
const LANES: usize = 16;

/// What one call of the compression makes a whole BLAKE3 of an input of one chunk.
const KEYED: u8 = 1 << 4;
const START: u8 = 1;
const END_OF_ALL: u8 = (1 << 1) | (1 << 3);

/// The longest input of a tag that is made together with others: one chunk.
const CHUNK: usize = 1024;

/// What a tag is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// The full key.
    pub(crate) key: &'a [u8],
    /// The field, in a hash.
    pub(crate) field: Option<&'a [u8]>,
    /// What stands before the tag.
    pub(crate) head: [u8; 10],
    /// What stands behind it.
    pub(crate) payload: &'a [u8],
}

impl Signed<'_> {
    fn segments(&self) -> usize {
        if self.payload.len() <= SHORT { 0 } else { self.payload.len().div_ceil(SEGMENT) }
    }

    /// Appends the tag's input, whose digests come from `digests`.
    fn write(&self, digests: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&(self.payload.len() as u64).to_le_bytes());
        out.extend_from_slice(&(self.key.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.field.map_or(u64::MAX, |field| field.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(if digests.is_empty() { self.payload } else { digests });
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.field.unwrap_or_default());
        out.resize(begin + (out.len() - begin).next_multiple_of(BLOCK), 0);
    }
}

/// The tag of one value.
pub(crate) fn tag(key: &SigningKey, signed: &Signed<'_>) -> blake3::Hash {
    let mut digests = Vec::new();
    if signed.segments() > 0 {
        digest(key, &[*signed], &mut digests);
    }
    let mut input = Vec::with_capacity(4 * BLOCK + digests.len() + signed.payload.len().min(SHORT));
    signed.write(&digests, &mut input);
    blake3::keyed_hash(key.tags(), &input)
}

/// The tags of several values.
pub(crate) fn tags(key: &SigningKey, signed: &[Signed<'_>]) -> Vec<blake3::Hash> {
    let mut digests = Vec::new();
    digest(key, signed, &mut digests);
    let (mut inputs, mut ranges, mut used) = (Vec::new(), Vec::with_capacity(signed.len()), 0);
    for one in signed {
        let own = one.segments() * DIGEST;
        let begin = inputs.len();
        one.write(&digests[used..used + own], &mut inputs);
        used += own;
        ranges.push(begin..inputs.len());
    }
    let words = words(key.tags());
    let mut tags = vec![blake3::Hash::from_bytes([0; DIGEST]); signed.len()];
    let mut left: Vec<usize> = (0..signed.len()).collect();
    // Inputs of one length together, beginning with the first that is left.
    while let Some(length) = left.first().map(|&at| ranges[at].len()) {
        let (group, others): (Vec<usize>, Vec<usize>) =
            left.iter().partition(|&&at| ranges[at].len() == length);
        left = others;
        let blocks: Vec<&[u8]> = group.iter().map(|&at| &inputs[ranges[at].clone()]).collect();
        let mut out = Vec::new();
        if blocks.len() > 1 && length <= CHUNK && hash_blocks(&blocks, &words, &mut out) {
            for (&at, hash) in group.iter().zip(out.as_chunks::<DIGEST>().0) {
                tags[at] = blake3::Hash::from_bytes(*hash);
            }
        } else {
            for (&at, input) in group.iter().zip(blocks) {
                tags[at] = blake3::keyed_hash(key.tags(), input);
            }
        }
    }
    tags
}

/// Appends the digests of all segments of all values.
fn digest(key: &SigningKey, signed: &[Signed<'_>], out: &mut Vec<u8>) {
    let mut ends: Vec<[u8; SEGMENT]> = Vec::with_capacity(signed.len());
    for one in signed.iter().filter(|one| one.segments() > 0) {
        let rest = one.payload.as_chunks::<SEGMENT>().1;
        if !rest.is_empty() {
            let mut end = [0; SEGMENT];
            end[..rest.len()].copy_from_slice(rest);
            ends.push(end);
        }
    }
    let mut ends = ends.iter();
    let mut segments: Vec<&[u8; SEGMENT]> = Vec::with_capacity(LANES);
    for one in signed.iter().filter(|one| one.segments() > 0) {
        let (whole, rest) = one.payload.as_chunks::<SEGMENT>();
        segments.extend(whole);
        if !rest.is_empty() {
            segments.extend(ends.next());
        }
    }
    hash_all(&segments, &words(key.segments()), out);
}

/// Appends the keyed BLAKE3 of each input, which is whole blocks of one chunk at most.
fn hash_all<const N: usize>(inputs: &[&[u8; N]], key: &[u32; 8], out: &mut Vec<u8>) {
    let platform = Platform::detect();
    for batch in inputs.chunks(LANES) {
        // A full set of lanes takes as long as half a one, and an odd number longer than either.
        let mut lanes = [batch[0]; LANES];
        lanes[..batch.len()].copy_from_slice(batch);
        let count = batch.len().next_power_of_two();
        let mut hashes = [0; LANES * DIGEST];
        let hashes = &mut hashes[..count * DIGEST];
        platform.hash_many(&lanes[..count], key, 0, IncrementCounter::No, KEYED, START, END_OF_ALL, hashes);
        out.extend_from_slice(&hashes[..batch.len() * DIGEST]);
    }
}

/// As [`hash_all`], for inputs of one length that is only known now; false if it is not one of whole blocks.
fn hash_blocks(inputs: &[&[u8]], key: &[u32; 8], out: &mut Vec<u8>) -> bool {
    macro_rules! lengths {
        ($($blocks:literal)*) => {
            match inputs.first().map_or(0, |input| input.len()) {
                $(length if length == $blocks * BLOCK => {
                    let inputs: Vec<&[u8; $blocks * BLOCK]> =
                        inputs.iter().filter_map(|input| input.first_chunk()).collect();
                    hash_all(&inputs, key, out);
                    true
                })*
                _ => false,
            }
        };
    }
    lengths!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

/// A key as the compression takes it.
fn words(key: &[u8; 32]) -> [u32; 8] {
    let bytes = key.as_chunks::<4>().0;
    std::array::from_fn(|at| u32::from_le_bytes(bytes[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes([3; 32])
    }

    /// The same in the simplest words, with BLAKE3 as anybody calls it.
    fn simply(key: &SigningKey, signed: &Signed<'_>) -> blake3::Hash {
        let mut input = Vec::new();
        for length in [Some(signed.payload.len()), Some(signed.key.len()), signed.field.map(<[u8]>::len)] {
            input.extend(length.map_or(u64::MAX, |length| length as u64).to_le_bytes());
        }
        input.extend(signed.head);
        if signed.payload.len() <= SHORT {
            input.extend(signed.payload);
        } else {
            for segment in signed.payload.chunks(SEGMENT) {
                let mut filled = segment.to_vec();
                filled.resize(SEGMENT, 0);
                input.extend(blake3::keyed_hash(key.segments(), &filled).as_bytes());
            }
        }
        input.extend(signed.key);
        input.extend(signed.field.unwrap_or_default());
        while input.len() % BLOCK != 0 {
            input.push(0);
        }
        blake3::keyed_hash(key.tags(), &input)
    }

    #[test]
    fn a_tag_is_the_keyed_blake3_that_it_says_it_is_at_every_length() {
        let bytes: Vec<u8> = (0..10_000u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        let lengths = (0..1300).chain([2047, 2048, 2049, 4096, 5000, 8191, 8192, 8193, 10_000]);
        for length in lengths {
            let field = (length % 3 == 0).then(|| &bytes[..length % 90]);
            let signed =
                Signed { key: &bytes[..length % 70], field, head: [9; 10], payload: &bytes[..length] };
            assert_eq!(tag(&key(), &signed), simply(&key(), &signed), "{length}");
        }
    }

    #[test]
    fn what_differs_in_any_part_has_another_tag() {
        let long = [0; 1000];
        let mut tags = Vec::new();
        for payload in [&[][..], &[0], &[0, 0], &long[..SHORT], &long[..=SHORT], &long[..SEGMENT], &long] {
            for (key_text, field) in [
                (&b"k"[..], None),
                (b"k", Some(&b""[..])),
                (b"", Some(b"k")),
                (b"kf", None),
                (b"k", Some(b"f")),
            ] {
                for head in [[0; 10], [1; 10]] {
                    tags.push(tag(&key(), &Signed { key: key_text, field, head, payload }));
                }
            }
        }
        for (at, one) in tags.iter().enumerate() {
            assert!(!tags[..at].contains(one), "{at}");
        }
    }

    proptest! {
        #[test]
        fn tags_made_together_are_those_made_alone(
            lengths in proptest::collection::vec((0usize..3000, 0usize..100), 0..40)
        ) {
            let bytes: Vec<u8> = (0..3000u32).map(|at| at.to_le_bytes()[0]).collect();
            let signed: Vec<Signed<'_>> = lengths
                .iter()
                .map(|&(length, name)| Signed {
                    key: b"site|hash",
                    field: Some(&bytes[..name]),
                    head: [7; 10],
                    payload: &bytes[..length],
                })
                .collect();
            let alone: Vec<_> = signed.iter().map(|one| tag(&key(), one)).collect();
            prop_assert_eq!(tags(&key(), &signed), alone);
        }
    }
}
