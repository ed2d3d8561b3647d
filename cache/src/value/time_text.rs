//! Dates and times from the text that they are shown as.

use std::str::FromStr;

use super::time::{Date, DateTime, Time, TimeError, Timedelta, UtcOffset};

/// A text of which parts are taken from the front.
struct Rest<'t>(&'t str);

impl Rest<'_> {
    /// A number of so many digits, or of any from one on.
    fn number<N: FromStr>(&mut self, digits: Option<usize>) -> Option<N> {
        let there = self.0.len() - self.0.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let digits = digits.unwrap_or(there);
        if digits > there {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        number.parse().ok()
    }

    fn two(&mut self) -> Option<u8> {
        self.number(Some(2))
    }

    /// Whether that stands next, which is then taken.
    fn takes(&mut self, text: &str) -> bool {
        self.0.strip_prefix(text).map(|rest| self.0 = rest).is_some()
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.takes(text).then_some(())
    }

    fn microseconds(&mut self) -> Option<u32> {
        if self.takes(".") { self.number(Some(6)) } else { Some(0) }
    }

    fn date(&mut self) -> Option<Date> {
        let year = self.number(Some(4))?;
        self.take("-")?;
        let month = self.two()?;
        self.take("-")?;
        Date::new(year, month, self.two()?).ok()
    }

    fn time(&mut self) -> Option<Time> {
        let hour = self.two()?;
        self.take(":")?;
        let minute = self.two()?;
        self.take(":")?;
        let time = Time::new(hour, minute, self.two()?, self.microseconds()?).ok()?;
        let offset = if self.0.is_empty() { None } else { Some(self.offset()?) };
        Some(time.with_offset(offset))
    }

    fn offset(&mut self) -> Option<UtcOffset> {
        let sign = if self.takes("-") {
            -1
        } else {
            self.take("+")?;
            1
        };
        let hours = i64::from(self.two()?);
        self.take(":")?;
        let minutes = i64::from(self.two()?);
        let seconds = if self.takes(":") { i64::from(self.two()?) } else { 0 };
        let micros = i64::from(self.microseconds()?);
        let delta = Timedelta::new(0, sign * ((hours * 60 + minutes) * 60 + seconds), sign * micros).ok()?;
        UtcOffset::new(delta, None).ok()
    }

    fn timedelta(&mut self) -> Option<Timedelta> {
        let days = if self.0.contains("day") {
            let sign = if self.takes("-") { -1 } else { 1 };
            let days: i64 = self.number(None)?;
            self.take(" day")?;
            self.takes("s");
            self.take(", ")?;
            sign * days
        } else {
            0
        };
        let hours: i64 = self.number(None)?;
        self.take(":")?;
        let minutes = i64::from(self.two()?);
        self.take(":")?;
        let seconds = hours.checked_mul(3600)?.checked_add(minutes * 60 + i64::from(self.two()?))?;
        Timedelta::new(days, seconds, self.microseconds()?.into()).ok()
    }
}

macro_rules! from_str {
    ($($type:ty: $take:ident,)*) => {
        $(impl FromStr for $type {
            type Err = TimeError;

            fn from_str(text: &str) -> Result<Self, TimeError> {
                let mut rest = Rest(text);
                rest.$take().filter(|_| rest.0.is_empty()).ok_or(TimeError::Text)
            }
        })*
    };
}

from_str! { Date: date, Time: time, Timedelta: timedelta, UtcOffset: offset, }

impl FromStr for DateTime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let (date, time) = text.split_once('T').ok_or(TimeError::Text)?;
        Ok(Self::new(date.parse()?, time.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_again(
            (year, month, day) in (1u16..=9999, 1u8..=12, 1u8..=28),
            (hour, minute, second, micros) in (0u8..24, 0u8..60, 0u8..60, prop_oneof![Just(0u32), 0u32..1_000_000]),
            offset in proptest::option::of((-86_399i64..86_400, prop_oneof![Just(0i64), 0i64..1_000_000])),
            (days, seconds) in (prop_oneof![Just(0i64), -999_999_998i64..999_999_999], 0i64..86_400),
        ) {
            let date = Date::new(year, month, day).unwrap();
            let offset = offset.and_then(|(seconds, micros)| {
                UtcOffset::new(Timedelta::new(0, seconds, micros).unwrap(), None).ok()
            });
            let time = Time::new(hour, minute, second, micros).unwrap().with_offset(offset);
            let moment = DateTime::new(date, time.clone());
            let delta = Timedelta::new(days, seconds, micros.into()).unwrap();
            prop_assert_eq!(date.to_string().parse(), Ok(date));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
            prop_assert_eq!(delta.to_string().parse(), Ok(delta));
        }

        #[test]
        fn no_text_is_too_odd(text in "[-+0-9:.T day,s\u{e9}]{0,14}") {
            let _ = (text.parse::<Date>(), text.parse::<Time>(), text.parse::<DateTime>());
            let _ = (text.parse::<Timedelta>(), text.parse::<UtcOffset>());
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "2026-1-02", "2026-02-30", "2026-01-02x", " 2026-01-02", "+026-01-02", "20260102"] {
            assert_eq!(text.parse::<Date>(), Err(TimeError::Text), "{text}");
        }
        for text in ["1:00:00", "24:00:00", "00:00", "00:00:00.5", "00:00:00Z", "00:00:00+24:00", "00:00:00 "]
        {
            assert_eq!(text.parse::<Time>(), Err(TimeError::Text), "{text}");
        }
        for text in ["1 day", "days, 0:00:00", "0:0:0", "9999999999 days, 0:00:00", "-1:00:00"] {
            assert_eq!(text.parse::<Timedelta>(), Err(TimeError::Text), "{text}");
        }
        assert_eq!("2026-01-02 00:00:00".parse::<DateTime>(), Err(TimeError::Text));
    }
}
