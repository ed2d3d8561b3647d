//! Whole numbers of any size, kept exactly; there is no arithmetic here.

use std::fmt;
use std::str::FromStr;

/// Beyond this many digits, Python itself refuses to read or show a number in decimals by default.
const MAX_DIGITS: usize = 4300;

/// A whole number of any size.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BigInt {
    /// Two's complement, the lowest byte first, as short as it can be; zero has no bytes.
    bytes: Vec<u8>,
}

impl BigInt {
    /// From two's complement bytes, the lowest first.
    #[must_use]
    pub fn from_le_bytes(bytes: &[u8]) -> Self {
        let mut length = bytes.len();
        while length > 0 {
            let sign_of_rest = length > 1 && bytes[length - 2] & 0x80 != 0;
            match bytes[length - 1] {
                0x00 if !sign_of_rest => length -= 1,
                0xff if sign_of_rest => length -= 1,
                _ => break,
            }
        }
        Self { bytes: bytes[..length].to_vec() }
    }

    /// Two's complement bytes, the lowest first, as few as possible.
    #[must_use]
    pub fn as_le_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number, if 64 bits hold it.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        if self.bytes.len() > 8 {
            return None;
        }
        let mut all = [if self.is_negative() { 0xff } else { 0 }; 8];
        all[..self.bytes.len()].copy_from_slice(&self.bytes);
        Some(i64::from_le_bytes(all))
    }

    /// The number, if 128 bits hold it.
    #[must_use]
    pub fn to_i128(&self) -> Option<i128> {
        if self.bytes.len() > 16 {
            return None;
        }
        let mut all = [if self.is_negative() { 0xff } else { 0 }; 16];
        all[..self.bytes.len()].copy_from_slice(&self.bytes);
        Some(i128::from_le_bytes(all))
    }

    /// The number, if it is not negative and 128 bits hold it.
    #[must_use]
    pub fn to_u128(&self) -> Option<u128> {
        if self.is_negative() || self.bytes.len() > 17 {
            return None;
        }
        let mut all = [0; 17];
        all[..self.bytes.len()].copy_from_slice(&self.bytes);
        let (low, high) = all.split_first_chunk::<16>()?;
        (high == [0]).then(|| u128::from_le_bytes(*low))
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.bytes.last().is_some_and(|byte| byte & 0x80 != 0)
    }

    /// Changes the sign of a two's complement number in place; the highest bit must be a spare one.
    fn negate(bytes: &mut [u8]) {
        let mut carry = true;
        for byte in bytes {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            *byte = sum;
            carry = over;
        }
    }
}

macro_rules! big_int_from {
    ($($type:ty),*) => {
        $(impl From<$type> for BigInt {
            fn from(number: $type) -> Self {
                Self::from(i128::from(number))
            }
        })*
    };
}

big_int_from!(i8, i16, i32, i64, u8, u16, u32, u64);

impl From<i128> for BigInt {
    fn from(number: i128) -> Self {
        Self::from_le_bytes(&number.to_le_bytes())
    }
}

impl From<u128> for BigInt {
    fn from(number: u128) -> Self {
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.push(0);
        Self::from_le_bytes(&bytes)
    }
}

/// Why a text is no whole number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a whole number of at most {MAX_DIGITS} digits")]
pub struct BigIntError;

impl FromStr for BigInt {
    type Err = BigIntError;

    fn from_str(text: &str) -> Result<Self, BigIntError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if digits.is_empty() || digits.len() > MAX_DIGITS {
            return Err(BigIntError);
        }
        let mut bytes: Vec<u8> = Vec::new();
        for digit in digits.chars() {
            let mut carry = digit.to_digit(10).ok_or(BigIntError)?;
            for byte in &mut bytes {
                let next = u32::from(*byte) * 10 + carry;
                *byte = next.to_le_bytes()[0];
                carry = next >> 8;
            }
            if carry > 0 {
                bytes.push(carry.to_le_bytes()[0]);
            }
        }
        bytes.push(0);
        if negative {
            Self::negate(&mut bytes);
        }
        Ok(Self::from_le_bytes(&bytes))
    }
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.bytes.clone();
        if self.is_negative() {
            rest.push(0xff);
            Self::negate(&mut rest);
            f.write_str("-")?;
        }
        // Long division takes time by the square of the length.
        if rest.len() > MAX_DIGITS / 2 {
            f.write_str("0x")?;
            return rest.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"));
        }
        let mut digits = Vec::new();
        while rest.iter().any(|&byte| byte != 0) {
            let mut left = 0u32;
            for byte in rest.iter_mut().rev() {
                let part = (left << 8) | u32::from(*byte);
                *byte = (part / 10).to_le_bytes()[0];
                left = part % 10;
            }
            digits.extend(char::from_digit(left, 10));
        }
        if digits.is_empty() {
            digits.push('0');
        }
        digits.iter().rev().try_for_each(|digit| write!(f, "{digit}"))
    }
}

impl fmt::Debug for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BigInt({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_as_few_as_possible() {
        assert_eq!(BigInt::from(0i64).as_le_bytes(), b"");
        assert_eq!(BigInt::from(-1i64).as_le_bytes(), b"\xff");
        assert_eq!(BigInt::from(128i64).as_le_bytes(), b"\x80\x00");
        assert_eq!(BigInt::from(-128i64).as_le_bytes(), b"\x80");
        assert_eq!(BigInt::from(u64::MAX).as_le_bytes(), b"\xff\xff\xff\xff\xff\xff\xff\xff\x00");
    }

    #[test]
    fn texts_that_are_no_numbers_are_refused() {
        for text in ["", "-", "1x", "1_000", " 1", "0x10", &"9".repeat(4301)] {
            assert_eq!(text.parse::<BigInt>(), Err(BigIntError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_read_and_shown_as_rust_does(number in any::<i128>()) {
            let big: BigInt = number.to_string().parse().unwrap();
            prop_assert_eq!(&big, &BigInt::from_le_bytes(&number.to_le_bytes()));
            prop_assert_eq!(big.to_string(), number.to_string());
            prop_assert_eq!(big.to_i64(), i64::try_from(number).ok());
            prop_assert_eq!(big.to_i128(), Some(number));
            prop_assert_eq!(big.to_u128(), u128::try_from(number).ok());
        }

        #[test]
        fn numbers_without_a_sign_come_back(number in any::<u128>()) {
            prop_assert_eq!(BigInt::from(number).to_u128(), Some(number));
            prop_assert_eq!(BigInt::from(number).to_i128(), i128::try_from(number).ok());
        }

        #[test]
        fn small_numbers_come_back(number in any::<i64>()) {
            prop_assert_eq!(BigInt::from(number).to_i64(), Some(number));
        }
    }
}
