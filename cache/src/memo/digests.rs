//! Digests of the latest calls of a function, which mostly come again.

use std::hash::BuildHasher;
use std::sync::Mutex;

use foldhash::fast::RandomState;

use super::canonical::{Canonical, Digest};

/// How many digests are kept; calls of more than so many bytes are not.
const SLOTS: usize = 64;
const LONGEST: usize = 256;

/// A small table of digests: to look one up costs a quarter of what it costs to make it.
#[derive(Debug, Default)]
pub(super) struct Digests {
    slots: Mutex<Vec<Slot>>,
    hasher: RandomState,
}

type Slot = Option<(Box<[u8]>, Digest)>;

impl Digests {
    pub(super) fn of(&self, arguments: &Canonical) -> Digest {
        let bytes = arguments.as_bytes();
        if bytes.len() > LONGEST {
            return arguments.digest();
        }
        // Only tried: a fork may have copied it locked.
        let Ok(mut slots) = self.slots.try_lock() else { return arguments.digest() };
        if slots.is_empty() {
            slots.resize(SLOTS, None);
        }
        let at = usize::try_from(self.hasher.hash_one(bytes) % SLOTS as u64).unwrap_or(0);
        match &slots[at] {
            Some((known, digest)) if **known == *bytes => *digest,
            _ => {
                let digest = arguments.digest();
                slots[at] = Some((bytes.into(), digest));
                digest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_same_whether_it_was_kept_or_not() {
        let digests = Digests::default();
        for _ in 0..2 {
            for number in 0..1000 {
                let mut arguments = Canonical::new();
                arguments.small_int(number).text(&"x".repeat(usize::try_from(number).unwrap()));
                assert_eq!(digests.of(&arguments), arguments.digest());
            }
        }
    }
}
