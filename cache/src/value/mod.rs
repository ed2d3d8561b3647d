//! Values that Rust and Python both understand.

mod big_int;
mod from;
mod show;
mod time;
mod time_text;

pub use big_int::{BigInt, BigIntError};
pub use time::{Date, DateTime, Time, TimeError, Timedelta, UtcOffset};

/// Python's plain data.
///
/// Sets and dicts keep the order of the pickle they came from, and compare by it. `Display` writes what
/// Python's `repr` would.
///
/// ```
/// use dontmanage_cache::Value;
///
/// let value = Value::Dict(vec![(Value::from("total"), Value::from(42))]);
/// assert_eq!(value.get("total"), Some(&Value::Int(42)));
/// assert_eq!(value.to_string(), "{'total': 42}");
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub enum Value {
    /// `None`
    #[default]
    None,
    /// `True`, `False`
    Bool(bool),
    /// An `int` of 64 bits.
    Int(i64),
    /// An `int` of more.
    BigInt(BigInt),
    /// `float`
    Float(f64),
    /// `str`
    Str(String),
    /// `bytes`
    Bytes(Vec<u8>),
    /// `bytearray`
    ByteArray(Vec<u8>),
    /// `list`
    List(Vec<Value>),
    /// `tuple`
    Tuple(Vec<Value>),
    /// `dict`, in its order.
    Dict(Vec<(Value, Value)>),
    /// `set`
    Set(Vec<Value>),
    /// `frozenset`
    FrozenSet(Vec<Value>),
    /// `datetime.datetime`
    DateTime(DateTime),
    /// `datetime.date`
    Date(Date),
    /// `datetime.time`
    Time(Time),
    /// `datetime.timedelta`
    Timedelta(Timedelta),
}

impl Value {
    /// The value of a text key, if this is a dict that has it. As in Python, the last one counts.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Dict(pairs) = self else { return None };
        pairs.iter().rev().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// The text of a `str`.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an `int`, if it has no more than 64 bits.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The items of a list or tuple.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is `None`.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}
