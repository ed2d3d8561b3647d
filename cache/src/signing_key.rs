//! A bench's signing key.

use std::fmt;

/// The 32 bytes that sign a bench's values.
///
/// Its file holds them as 64 hexadecimal digits and a newline, so that it can be copied by hand and a cut
/// one is noticed. `Debug` shows nothing of it.
pub struct SigningKey {
    bytes: [u8; 32],
    /// Derived from it: for tags, and for the segments that they are over.
    tags: [u8; 32],
    segments: [u8; 32],
}

/// A key file that holds no key. Nothing of its text is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a signing key is 64 hexadecimal digits and a newline")]
pub struct SigningKeyError;

impl SigningKey {
    /// From 32 bytes of good randomness.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self {
            bytes,
            tags: blake3::derive_key("dontmanage-cache value 2 tags", &bytes),
            segments: blake3::derive_key("dontmanage-cache value 2 segments", &bytes),
        }
    }

    /// From the text of a key file.
    pub fn from_file_text(text: &str) -> Result<Self, SigningKeyError> {
        let digits = text.strip_suffix('\n').unwrap_or(text);
        let digits = digits.strip_suffix('\r').unwrap_or(digits).as_bytes();
        if digits.len() != 64 {
            return Err(SigningKeyError);
        }
        let mut bytes = [0; 32];
        for (byte, &[high, low]) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            let digit = |c| char::from(c).to_digit(16).ok_or(SigningKeyError);
            *byte = u8::try_from(digit(high)? * 16 + digit(low)?).map_err(|_| SigningKeyError)?;
        }
        Ok(Self::from_bytes(bytes))
    }

    /// The text of a key file for this key.
    #[must_use]
    pub fn to_file_text(&self) -> String {
        blake3::Hash::from_bytes(self.bytes).to_hex().as_str().to_owned() + "\n"
    }

    pub(crate) fn tags(&self) -> &[u8; 32] {
        &self.tags
    }

    pub(crate) fn segments(&self) -> &[u8; 32] {
        &self.segments
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_64_digits_and_a_newline() {
        let key = SigningKey::from_bytes(std::array::from_fn(|at| u8::try_from(at * 7).unwrap()));
        let text = key.to_file_text();
        assert_eq!(text.len(), 65);
        assert!(text.starts_with("00070e15") && text.ends_with('\n'));
        assert_eq!(SigningKey::from_file_text(&text).unwrap().bytes, key.bytes);
        assert_eq!(SigningKey::from_file_text(text.trim()).unwrap().bytes, key.bytes);
    }

    #[test]
    fn anything_else_is_refused_without_being_shown() {
        let text = "00".repeat(32);
        for text in [
            "",
            "\n",
            &text[1..],
            &format!("{text}0"),
            &format!(" {text}"),
            &text.replacen('0', "g", 1),
            &format!("{text}\n\n"),
        ] {
            assert!(SigningKey::from_file_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_debug_view_shows_nothing() {
        assert_eq!(format!("{:?}", SigningKey::from_bytes([0xab; 32])), "SigningKey(***)");
    }
}
