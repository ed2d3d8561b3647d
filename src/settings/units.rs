//! Sizes and durations with their units, parsed once.

use std::fmt;
use std::time::Duration;

/// An amount of memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// Why a size or a duration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a size at all, or with an unknown unit.
    #[error("`{0}` is not a size; write a whole number with a unit, like `512mb` or `1gb`")]
    Size(String),
    /// Not a duration at all, or with an unknown unit.
    #[error("`{0}` is not a duration; write a number with a unit, like `10s`, `500ms` or `1h 30m`")]
    Duration(String),
    /// More than the type holds.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

impl Bytes {
    /// Whole mebibytes.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(MIB))
    }

    /// Mebibytes, rounded down.
    pub const fn mib(self) -> u64 {
        self.0 / MIB
    }

    /// Reads `512mb`, `1gb`, `737 MiB`, `1048576b`. As in redis.conf, `kb` is 1024 bytes and `k`
    /// is 1000; a number without a unit is refused, because half of the world reads it as bytes and
    /// the other half as megabytes.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
            "b" => 1,
            "k" => 1000,
            "kb" | "kib" => KIB,
            "m" => 1_000_000,
            "mb" | "mib" => MIB,
            "g" => 1_000_000_000,
            "gb" | "gib" => GIB,
            _ => return Err(UnitError::Size(text.to_owned())),
        };
        if number.is_empty() {
            return Err(UnitError::Size(text.to_owned()));
        }
        let number: u64 = number.parse().map_err(|_| UnitError::TooLarge(text.to_owned()))?;
        number.checked_mul(factor).map(Self).ok_or_else(|| UnitError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Bytes {
    /// In the largest unit that writes it exactly, as redis.conf and `bench.toml` read it: `737mb`, `1gb`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n != 0 && n % GIB == 0 => write!(f, "{}gb", n / GIB),
            n if n != 0 && n % MIB == 0 => write!(f, "{}mb", n / MIB),
            n if n != 0 && n % KIB == 0 => write!(f, "{}kb", n / KIB),
            n => write!(f, "{n}b"),
        }
    }
}

/// Reads `10s`, `500ms`, `2m`, `1h 30m`.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let refused = || UnitError::Duration(text.to_owned());
    let signed: jiff::SignedDuration = text.trim().parse().map_err(|_| refused())?;
    Duration::try_from(signed).map_err(|_| refused())
}

/// A duration as [`parse_duration`] reads it: `10s`, `1h 30m`.
pub fn show_duration(duration: Duration) -> String {
    jiff::SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{}s", duration.as_secs()), |signed| format!("{signed:#}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("512mb", 512 * MIB),
            ("1gb", GIB),
            ("737 MiB", 737 * MIB),
            ("10k", 10_000),
            ("7b", 7),
            ("64kb", 64 * KIB),
        ] {
            assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn sizes_without_sense_are_refused() {
        for text in
            ["", "mb", "-5", "-5mb", "50MBs", "1.5gb", "12", "99999999999999999999gb", "20000000000gb"]
        {
            assert!(Bytes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("1h 30m", 5_400_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "-5s", "soon", "PT-1S"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_size_is_read_back_exactly(bytes in any::<u64>()) {
            prop_assert_eq!(Bytes::parse(&Bytes(bytes).to_string()), Ok(Bytes(bytes)));
        }

        #[test]
        fn a_shown_duration_is_read_back_exactly(millis in 0..10_000_000_000_u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_a_size_or_an_error(text in ".*") {
            let _ = Bytes::parse(&text);
            let _ = parse_duration(&text);
        }
    }
}
