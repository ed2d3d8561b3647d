//! Python's `datetime` types, checked when they are made, so that every one can be written for Python.

use std::fmt;

/// What is not a date or time in Python.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// No such day, or a year outside 1 to 9999.
    #[error("there is no such day")]
    Date,
    /// An hour, minute, second or microsecond out of range.
    #[error("there is no such time of day")]
    Time,
    /// A distance beyond 999999999 days.
    #[error("the distance in time is too large")]
    Timedelta,
    /// An offset of a day or more.
    #[error("an offset from UTC is less than a day")]
    Offset,
    /// A text that does not show the date or time as the type shows it.
    #[error("the text is not that of such a date or time")]
    Text,
}

/// A day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day of the Gregorian calendar, in the years 1 to 9999.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, TimeError> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if (1..=9999).contains(&year) && (1..=days).contains(&day) {
            Ok(Self { year, month, day })
        } else {
            Err(TimeError::Date)
        }
    }

    /// 1 to 9999
    #[must_use]
    pub fn year(self) -> u16 {
        self.year
    }

    /// 1 to 12
    #[must_use]
    pub fn month(self) -> u8 {
        self.month
    }

    /// 1 to 31
    #[must_use]
    pub fn day(self) -> u8 {
        self.day
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A time of day, perhaps with an offset from UTC.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    microsecond: u32,
    fold: bool,
    offset: Option<UtcOffset>,
}

impl Time {
    /// A time of day without an offset.
    pub fn new(hour: u8, minute: u8, second: u8, microsecond: u32) -> Result<Self, TimeError> {
        if hour < 24 && minute < 60 && second < 60 && microsecond < 1_000_000 {
            Ok(Self { hour, minute, second, microsecond, fold: false, offset: None })
        } else {
            Err(TimeError::Time)
        }
    }

    /// The same with this offset from UTC.
    #[must_use]
    pub fn with_offset(mut self, offset: Option<UtcOffset>) -> Self {
        self.offset = offset;
        self
    }

    /// The same as the second one of two (Python's `fold`), when clocks are put back.
    #[must_use]
    pub fn with_fold(mut self, fold: bool) -> Self {
        self.fold = fold;
        self
    }

    /// 0 to 23
    #[must_use]
    pub fn hour(&self) -> u8 {
        self.hour
    }

    /// 0 to 59
    #[must_use]
    pub fn minute(&self) -> u8 {
        self.minute
    }

    /// 0 to 59
    #[must_use]
    pub fn second(&self) -> u8 {
        self.second
    }

    /// 0 to 999999
    #[must_use]
    pub fn microsecond(&self) -> u32 {
        self.microsecond
    }

    /// Whether it is the second one of two.
    #[must_use]
    pub fn fold(&self) -> bool {
        self.fold
    }

    /// The offset, if it has one.
    #[must_use]
    pub fn offset(&self) -> Option<&UtcOffset> {
        self.offset.as_ref()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        if self.microsecond != 0 {
            write!(f, ".{:06}", self.microsecond)?;
        }
        self.offset.as_ref().map_or(Ok(()), |offset| offset.fmt(f))
    }
}

/// A day and a time of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DateTime {
    /// The day.
    pub date: Date,
    /// The time of day.
    pub time: Time,
}

impl DateTime {
    /// That time on that day.
    #[must_use]
    pub fn new(date: Date, time: Time) -> Self {
        Self { date, time }
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", self.date, self.time)
    }
}

/// A distance in time: days, and seconds and microseconds that are never negative, as Python counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Timedelta {
    days: i32,
    seconds: u32,
    microseconds: u32,
}

impl Timedelta {
    const LIMIT: i64 = 999_999_999;

    /// The sum of the three, of any sign.
    pub fn new(days: i64, seconds: i64, microseconds: i64) -> Result<Self, TimeError> {
        let all = || {
            let seconds = seconds.checked_add(microseconds.div_euclid(1_000_000))?;
            let days = days.checked_add(seconds.div_euclid(86_400))?;
            Some(Self {
                days: i32::try_from(days).ok().filter(|&d| i64::from(d).abs() <= Self::LIMIT)?,
                seconds: u32::try_from(seconds.rem_euclid(86_400)).ok()?,
                microseconds: u32::try_from(microseconds.rem_euclid(1_000_000)).ok()?,
            })
        };
        all().ok_or(TimeError::Timedelta)
    }

    /// Days, negative for a distance backwards.
    #[must_use]
    pub fn days(self) -> i32 {
        self.days
    }

    /// 0 to 86399
    #[must_use]
    pub fn seconds(self) -> u32 {
        self.seconds
    }

    /// 0 to 999999
    #[must_use]
    pub fn microseconds(self) -> u32 {
        self.microseconds
    }
}

impl fmt::Display for Timedelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != 0 {
            write!(f, "{} day{}, ", self.days, if self.days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60)?;
        if self.microseconds != 0 {
            write!(f, ".{:06}", self.microseconds)?;
        }
        Ok(())
    }
}

/// A fixed offset from UTC (`datetime.timezone`), perhaps with a name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UtcOffset {
    delta: Timedelta,
    name: Option<String>,
}

impl UtcOffset {
    /// UTC itself.
    pub const UTC: Self = Self { delta: Timedelta { days: 0, seconds: 0, microseconds: 0 }, name: None };

    /// An offset of less than a day to either side.
    pub fn new(delta: Timedelta, name: Option<String>) -> Result<Self, TimeError> {
        // Minus a day exactly is days -1 and no seconds.
        let less_than_a_day =
            delta.days == 0 || (delta.days == -1 && (delta.seconds > 0 || delta.microseconds > 0));
        if less_than_a_day { Ok(Self { delta, name }) } else { Err(TimeError::Offset) }
    }

    /// How far from UTC.
    #[must_use]
    pub fn delta(&self) -> Timedelta {
        self.delta
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = i64::from(self.delta.days) * 86_400_000_000
            + i64::from(self.delta.seconds) * 1_000_000
            + i64::from(self.delta.microseconds);
        let (sign, micros) = (if micros < 0 { '-' } else { '+' }, micros.unsigned_abs());
        let seconds = micros / 1_000_000;
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if micros % 60_000_000 != 0 {
            write!(f, ":{:02}", seconds % 60)?;
        }
        if micros % 1_000_000 != 0 {
            write!(f, ".{:06}", micros % 1_000_000)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_of_the_calendar_are_dates() {
        for (year, month, day) in [(2000, 2, 29), (2024, 2, 29), (1, 1, 1), (9999, 12, 31)] {
            assert!(Date::new(year, month, day).is_ok(), "{year}-{month}-{day}");
        }
        for (year, month, day) in [
            (1900, 2, 29),
            (2023, 2, 29),
            (0, 1, 1),
            (10000, 1, 1),
            (2024, 13, 1),
            (2024, 4, 31),
            (2024, 1, 0),
        ] {
            assert_eq!(Date::new(year, month, day), Err(TimeError::Date), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn a_distance_is_normalised_as_python_does() {
        let delta = Timedelta::new(0, 0, -1).unwrap();
        assert_eq!((delta.days(), delta.seconds(), delta.microseconds()), (-1, 86_399, 999_999));
        assert!(Timedelta::new(999_999_999, 86_399, 999_999).is_ok());
        for (days, seconds) in
            [(1_000_000_000, 0), (i64::MAX, i64::MAX), (-1_000_000_000, 0), (999_999_999, 86_400)]
        {
            assert_eq!(Timedelta::new(days, seconds, 0), Err(TimeError::Timedelta), "{days} {seconds}");
        }
    }

    #[test]
    fn an_offset_is_less_than_a_day() {
        let offset = |seconds| UtcOffset::new(Timedelta::new(0, seconds, 0)?, None);
        assert_eq!(offset(19_800).unwrap().to_string(), "+05:30");
        assert_eq!(offset(-3600).unwrap().to_string(), "-01:00");
        assert!(offset(-86_399).is_ok() && offset(86_399).is_ok());
        assert_eq!(offset(86_400), Err(TimeError::Offset));
        assert_eq!(offset(-86_400), Err(TimeError::Offset));
    }
}
