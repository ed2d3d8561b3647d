//! Dates and times keep their kind: their types are newtype structs of parts under names that only our
//! own serializer and deserializer know. In any other format they are those parts; and where serde itself
//! holds a value until it knows what it is for (an enum with its tag inside or without one, what is
//! flattened), it holds their text, in which no `fold` and no name of an offset stands.

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use super::error::ShapeError;
use crate::value::{Date, DateTime, Time, TimeError, Timedelta, UtcOffset, Value};

const DATE: &str = "$dontmanage_cache::Date";
const TIME: &str = "$dontmanage_cache::Time";
const DATE_TIME: &str = "$dontmanage_cache::DateTime";
const TIMEDELTA: &str = "$dontmanage_cache::Timedelta";

type DateParts = (u16, u8, u8);
type DeltaParts = (i32, u32, u32);
type TimeParts = (u8, u8, u8, u32, bool, Option<(DeltaParts, Option<String>)>);

/// A type that is made of parts.
trait Parts: Sized + FromStr<Err = TimeError> {
    const NAME: &'static str;
    const WHAT: &'static str;
    type Parts: Serialize + for<'de> Deserialize<'de>;

    fn parts(&self) -> Self::Parts;
    fn from_parts(parts: Self::Parts) -> Result<Self, TimeError>;
}

impl Parts for Date {
    const NAME: &'static str = DATE;
    const WHAT: &'static str = "a date";
    type Parts = DateParts;

    fn parts(&self) -> DateParts {
        (self.year(), self.month(), self.day())
    }

    fn from_parts((year, month, day): DateParts) -> Result<Self, TimeError> {
        Self::new(year, month, day)
    }
}

impl Parts for Timedelta {
    const NAME: &'static str = TIMEDELTA;
    const WHAT: &'static str = "a timedelta";
    type Parts = DeltaParts;

    fn parts(&self) -> DeltaParts {
        (self.days(), self.seconds(), self.microseconds())
    }

    fn from_parts((days, seconds, microseconds): DeltaParts) -> Result<Self, TimeError> {
        Self::new(days.into(), seconds.into(), microseconds.into())
    }
}

impl Parts for Time {
    const NAME: &'static str = TIME;
    const WHAT: &'static str = "a time of day";
    type Parts = TimeParts;

    fn parts(&self) -> TimeParts {
        let offset = self.offset().map(|offset| (offset.delta().parts(), offset.name().map(str::to_owned)));
        (self.hour(), self.minute(), self.second(), self.microsecond(), self.fold(), offset)
    }

    fn from_parts((hour, minute, second, micros, fold, offset): TimeParts) -> Result<Self, TimeError> {
        let offset = match offset {
            Some((delta, name)) => Some(UtcOffset::new(Timedelta::from_parts(delta)?, name)?),
            None => None,
        };
        Ok(Self::new(hour, minute, second, micros)?.with_fold(fold).with_offset(offset))
    }
}

impl Parts for DateTime {
    const NAME: &'static str = DATE_TIME;
    const WHAT: &'static str = "a date and time";
    type Parts = (DateParts, TimeParts);

    fn parts(&self) -> Self::Parts {
        (self.date.parts(), self.time.parts())
    }

    fn from_parts((date, time): Self::Parts) -> Result<Self, TimeError> {
        Ok(Self::new(Date::from_parts(date)?, Time::from_parts(time)?))
    }
}

/// The value of a newtype struct: that of its only field, unless it is one of ours.
pub(super) fn from_parts(name: &str, value: Value) -> Result<Value, ShapeError> {
    fn made<T: Parts + Into<Value>>(parts: Value) -> Result<Value, ShapeError> {
        let parts = super::from_value(parts)?;
        T::from_parts(parts).map(Into::into).map_err(|error| ShapeError::new(error.to_string()))
    }
    match name {
        DATE => made::<Date>(value),
        TIME => made::<Time>(value),
        DATE_TIME => made::<DateTime>(value),
        TIMEDELTA => made::<Timedelta>(value),
        _ => Ok(value),
    }
}

/// What a newtype struct of that name is read from.
pub(super) fn to_parts(name: &str, value: Value) -> Result<Value, ShapeError> {
    match (name, value) {
        (DATE, Value::Date(date)) => super::to_value(&date.parts()),
        (TIME, Value::Time(time)) => super::to_value(&time.parts()),
        (DATE_TIME, Value::DateTime(moment)) => super::to_value(&moment.parts()),
        (TIMEDELTA, Value::Timedelta(delta)) => super::to_value(&delta.parts()),
        (DATE, other) => Err(wrong(Date::WHAT, &other)),
        (TIME, other) => Err(wrong(Time::WHAT, &other)),
        (DATE_TIME, other) => Err(wrong(DateTime::WHAT, &other)),
        (TIMEDELTA, other) => Err(wrong(Timedelta::WHAT, &other)),
        (_, value) => Ok(value),
    }
}

fn wrong(what: &str, value: &Value) -> ShapeError {
    ShapeError::new(format!("{what} was expected, and this is a {}", super::de::kind(value)))
}

struct PartsOf<T>(PhantomData<T>);

impl<'de, T: Parts> Visitor<'de> for PartsOf<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(self);
        }
        T::from_parts(Deserialize::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        let parts = Deserialize::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))?;
        T::from_parts(parts).map_err(A::Error::custom)
    }
}

macro_rules! serde_by_parts {
    ($($type:ty),*) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_newtype_struct(Self::NAME, &self.parts())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct(Self::NAME, PartsOf(PhantomData))
            }
        })*
    };
}

serde_by_parts!(Date, Time, DateTime, Timedelta);
