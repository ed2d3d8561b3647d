//! Rust's own types as values.

use super::{BigInt, Date, DateTime, Time, Timedelta, Value};

macro_rules! from {
    ($($type:ty => $variant:ident,)*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool,
    i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int,
    f32 => Float, f64 => Float,
    &str => Str, String => Str,
    Vec<u8> => Bytes, &[u8] => Bytes,
    Vec<Value> => List,
    Vec<(Value, Value)> => Dict,
    DateTime => DateTime, Date => Date, Time => Time, Timedelta => Timedelta,
}

impl From<BigInt> for Value {
    fn from(number: BigInt) -> Self {
        number.to_i64().map_or(Self::BigInt(number), Self::Int)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or_else(|_| Self::BigInt(BigInt::from(number)), Self::Int)
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::None
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}
