//! SHA-1, by which Redis names scripts; computed when the crate is compiled.

/// The digest of a script in hexadecimal digits, as EVALSHA wants it.
pub(super) const fn hex(text: &[u8]) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let words = digest(text);
    let mut out = [0; 40];
    let mut at = 0;
    while at < 40 {
        // Eight digits a word, the highest first.
        let nibble = (words[at / 8] >> (28 - 4 * (at % 8))) & 15;
        out[at] = DIGITS[nibble as usize];
        at += 1;
    }
    out
}

const fn digest(text: &[u8]) -> [u32; 5] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    // The text, a one, zeros, and the text's length in bits.
    let blocks = (text.len() + 8) / 64 + 1;
    let mut block = 0;
    while block < blocks {
        let mut schedule = [0u32; 80];
        let mut at = 0;
        while at < 64 {
            let byte = padded(text, block * 64 + at, blocks * 64);
            schedule[at / 4] = schedule[at / 4] << 8 | byte as u32;
            at += 1;
        }
        let mut at = 16;
        while at < 80 {
            let mixed = schedule[at - 3] ^ schedule[at - 8] ^ schedule[at - 14] ^ schedule[at - 16];
            schedule[at] = mixed.rotate_left(1);
            at += 1;
        }
        state = round(state, &schedule);
        block += 1;
    }
    state
}

/// A byte of the text as it is hashed.
const fn padded(text: &[u8], at: usize, end: usize) -> u8 {
    if at < text.len() {
        return text[at];
    }
    if at == text.len() {
        return 0x80;
    }
    if at + 8 < end {
        return 0;
    }
    (text.len() as u64 * 8).to_be_bytes()[at + 8 - end]
}

const fn round(state: [u32; 5], schedule: &[u32; 80]) -> [u32; 5] {
    let mut words = state;
    let mut at = 0;
    while at < 80 {
        let [first, second, third, fourth, fifth] = words;
        let (mix, constant) = match at / 20 {
            0 => (second & third | !second & fourth, 0x5a82_7999),
            1 => (second ^ third ^ fourth, 0x6ed9_eba1),
            2 => (second & third | second & fourth | third & fourth, 0x8f1b_bcdc),
            _ => (second ^ third ^ fourth, 0xca62_c1d6u32),
        };
        let next = first
            .rotate_left(5)
            .wrapping_add(mix)
            .wrapping_add(fifth)
            .wrapping_add(constant)
            .wrapping_add(schedule[at]);
        words = [next, first, second.rotate_left(30), third, fourth];
        at += 1;
    }
    let mut at = 0;
    while at < 5 {
        words[at] = words[at].wrapping_add(state[at]);
        at += 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn digests_are_those_of_the_standard() {
        let cases: [(&[u8], &[u8; 40]); 4] = [
            (b"", b"da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc", b"a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                b"84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (&[b'a'; 119], b"ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"),
        ];
        for (text, want) in cases {
            assert_eq!(&hex(text), want, "{}", String::from_utf8_lossy(text));
        }
    }
}
