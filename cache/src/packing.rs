//! Compressed payloads: LZ4, behind the length of what comes out.
//!
//! LZ4, because reading must cost less than the bytes it saves on their way, and because it comes in safe Rust.
//! Only signed values are packed: whoever could forge a packed one could as well send the whole bomb. All the
//! same the length is held against limits before a byte of memory is given to it.

/// The largest payload that is unpacked: no larger one fits into Redis.
const LARGEST: usize = 512 << 20;

/// What one byte of LZ4 can grow to at most.
const LARGEST_RATIO: usize = 255;

const LENGTH: usize = 4;

/// The packed payload, if that is worth it: an eighth smaller at least.
pub(crate) fn pack(payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= LARGEST)?;
    let packed = lz4_flex::block::compress(payload);
    if packed.len() + LENGTH > payload.len() - payload.len() / 8 {
        return None;
    }
    Some([&length.to_le_bytes()[..], &packed].concat())
}

/// The payload again; none if the bytes are not whole.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (length, packed) = packed.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > LARGEST || length / LARGEST_RATIO > packed.len() {
        return None;
    }
    let payload = lz4_flex::block::decompress(packed, length).ok()?;
    (payload.len() == length).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_length_that_the_bytes_cannot_have_is_refused_before_memory_is_given() {
        let bomb = |length: u32| unpack(&[&length.to_le_bytes()[..], &[0; 100]].concat());
        assert_eq!(bomb(u32::MAX), None);
        assert_eq!(bomb((512 << 20) - 1), None);
        assert_eq!(unpack(b""), None);
        assert_eq!(unpack(b"\0\0\0"), None);
    }

    #[test]
    fn what_does_not_get_smaller_is_not_packed() {
        let noise: Vec<u8> = (0..100u32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        assert_eq!(pack(&noise), None);
        assert_eq!(pack(b""), None);
        let zeros = vec![0; 100_000];
        let packed = pack(&zeros).expect("it gets much smaller");
        assert!(packed.len() < 1000);
        assert_eq!(unpack(&packed), Some(zeros));
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out(
            part in proptest::collection::vec(any::<u8>(), 1..60), times in 1usize..200, at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let payload = part.repeat(times);
            if let Some(packed) = pack(&payload) {
                prop_assert_eq!(unpack(&packed), Some(payload.clone()));
                let mut changed = packed;
                let at = at.index(changed.len());
                changed[at] ^= 1 << bit;
                // Anything but a panic or a payload of another length than it says.
                if let Some(other) = unpack(&changed) {
                    prop_assert!(other.len() <= changed.len() * LARGEST_RATIO + LARGEST_RATIO);
                }
            }
        }
    }
}
