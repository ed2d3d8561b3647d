//! The few calls that plain data is pickled as. None of them is more than data.

use std::borrow::Cow;

use super::graph::{Graph, Id, Node};
use super::reader::PickleError;
use crate::value::{Date, DateTime, Time, Timedelta, UtcOffset};

/// A constructor that a pickle may name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Constructor {
    Set,
    FrozenSet,
    ByteArray,
    Bytes,
    Encode,
    DateTime,
    Date,
    Time,
    Timedelta,
    Timezone,
}

impl Constructor {
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            // The second module is the name for Python 2 in protocols 0 to 2.
            ("builtins" | "__builtin__", "set") => Self::Set,
            ("builtins" | "__builtin__", "frozenset") => Self::FrozenSet,
            ("builtins" | "__builtin__", "bytearray") => Self::ByteArray,
            ("builtins" | "__builtin__", "bytes") => Self::Bytes,
            ("_codecs", "encode") => Self::Encode,
            ("datetime", "datetime") => Self::DateTime,
            ("datetime", "date") => Self::Date,
            ("datetime", "time") => Self::Time,
            ("datetime", "timedelta") => Self::Timedelta,
            ("datetime", "timezone") => Self::Timezone,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Set => "builtins.set",
            Self::FrozenSet => "builtins.frozenset",
            Self::ByteArray => "builtins.bytearray",
            Self::Bytes => "builtins.bytes",
            Self::Encode => "_codecs.encode",
            Self::DateTime => "datetime.datetime",
            Self::Date => "datetime.date",
            Self::Time => "datetime.time",
            Self::Timedelta => "datetime.timedelta",
            Self::Timezone => "datetime.timezone",
        }
    }

    /// The object that the constructor makes of `args`.
    pub(super) fn call<'a>(self, graph: &Graph<'a>, args: &[Id]) -> Result<Node<'a>, PickleError> {
        let wrong = || PickleError::Arguments { global: self.name() };
        let arg = |at: usize| args.get(at).map(|&id| graph.get(id));
        match (self, args.len()) {
            (Self::Set, 0) => Ok(Node::Set(Vec::new())),
            (Self::Set, 1) => Ok(Node::Set(items(arg(0)).ok_or_else(wrong)?)),
            (Self::FrozenSet, 0) => Ok(Node::FrozenSet(Vec::new())),
            (Self::FrozenSet, 1) => Ok(Node::FrozenSet(items(arg(0)).ok_or_else(wrong)?)),
            (Self::Bytes, 0) => Ok(Node::Bytes(Cow::Borrowed(b""))),
            (Self::ByteArray, 0) => Ok(Node::ByteArray(Cow::Borrowed(b""))),
            (Self::ByteArray, 1) => match arg(0) {
                Some(Node::Bytes(bytes)) => Ok(Node::ByteArray(bytes.clone())),
                _ => Err(wrong()),
            },
            (Self::Encode, 2) => Ok(Node::Bytes(Cow::Owned(encoded(arg(0), arg(1)).ok_or_else(wrong)?))),
            (Self::ByteArray, 2) => {
                Ok(Node::ByteArray(Cow::Owned(encoded(arg(0), arg(1)).ok_or_else(wrong)?)))
            }
            (Self::Date, 1) => {
                let bytes = state(arg(0)).ok_or_else(wrong)?;
                let &[high, low, month, day] = bytes.as_ref() else { return Err(wrong()) };
                Ok(Node::Date(Date::new(u16::from_be_bytes([high, low]), month, day).map_err(|_| wrong())?))
            }
            (Self::Time, 1 | 2) => {
                let bytes = state(arg(0)).ok_or_else(wrong)?;
                let time = time(&bytes, 0).ok_or_else(wrong)?;
                Ok(Node::Time(Box::new(time.with_offset(offset(arg(1)).ok_or_else(wrong)?))))
            }
            (Self::DateTime, 1 | 2) => {
                let bytes = state(arg(0)).ok_or_else(wrong)?;
                let Some((&[high, low, month, day], rest)) = bytes.split_first_chunk() else {
                    return Err(wrong());
                };
                // The highest bit of the month is the fold.
                let date =
                    Date::new(u16::from_be_bytes([high, low]), month & 0x7f, day).map_err(|_| wrong())?;
                let time = time(rest, month & 0x80).ok_or_else(wrong)?;
                let time = time.with_offset(offset(arg(1)).ok_or_else(wrong)?);
                Ok(Node::DateTime(Box::new(DateTime::new(date, time))))
            }
            (Self::Timedelta, 0..=3) => {
                let mut numbers = [0; 3];
                for (number, &id) in numbers.iter_mut().zip(args) {
                    let Node::Int(given) = graph.get(id) else { return Err(wrong()) };
                    *number = *given;
                }
                let [days, seconds, microseconds] = numbers;
                Ok(Node::Timedelta(Timedelta::new(days, seconds, microseconds).map_err(|_| wrong())?))
            }
            (Self::Timezone, 1 | 2) => {
                let Some(&Node::Timedelta(delta)) = arg(0) else { return Err(wrong()) };
                let name = match arg(1) {
                    None => None,
                    Some(Node::Str(name)) => Some(name.as_ref().to_owned()),
                    Some(_) => return Err(wrong()),
                };
                Ok(Node::Offset(Box::new(UtcOffset::new(delta, name).map_err(|_| wrong())?)))
            }
            _ => Err(wrong()),
        }
    }
}

fn items(node: Option<&Node<'_>>) -> Option<Vec<Id>> {
    match node {
        Some(Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items)) => {
            Some(items.clone())
        }
        _ => None,
    }
}

/// Bytes that travelled as text, as they must in protocols 0 to 2.
fn encoded(text: Option<&Node<'_>>, codec: Option<&Node<'_>>) -> Option<Vec<u8>> {
    match (text, codec) {
        (Some(Node::Str(text)), Some(Node::Str(codec))) if matches!(&**codec, "latin1" | "latin-1") => {
            latin1(text)
        }
        _ => None,
    }
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// The packed fields of a date or time; text in what Python 2 wrote.
fn state<'n>(node: Option<&'n Node<'_>>) -> Option<Cow<'n, [u8]>> {
    match node {
        Some(Node::Bytes(bytes)) => Some(Cow::Borrowed(bytes)),
        Some(Node::Str(text)) => latin1(text).map(Cow::Owned),
        _ => None,
    }
}

fn time(bytes: &[u8], fold: u8) -> Option<Time> {
    let &[hour, minute, second, high, middle, low] = bytes else { return None };
    // In a time by itself, the highest bit of the hour is the fold.
    let time = Time::new(hour & 0x7f, minute, second, u32::from_be_bytes([0, high, middle, low])).ok()?;
    Some(time.with_fold(fold != 0 || hour & 0x80 != 0))
}

/// `Some(None)` is no offset; `None` is an argument of the wrong kind.
#[expect(clippy::option_option, reason = "absent and wrong are two things")]
fn offset(node: Option<&Node<'_>>) -> Option<Option<UtcOffset>> {
    match node {
        None | Some(Node::None) => Some(None),
        Some(Node::Offset(offset)) => Some(Some(offset.as_ref().clone())),
        Some(_) => None,
    }
}
