//! Values to pickles.

use super::MAX_DEPTH;
use super::opcode as op;
use crate::value::{Time, Timedelta, UtcOffset, Value};

/// A value that Python could not take back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpicklableError {
    /// Lists in lists in lists …
    #[error("the value nests deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Python hashes the keys of a dict and the items of a set, and lists and dicts have no hash.
    #[error("a list, dict, set or bytearray can't be a dict's key or a set's item")]
    Unhashable,
}

/// Appends the pickle of `value`, protocol 5, to `out`.
///
/// ```
/// use dontmanage_cache::{Value, pickle};
///
/// let mut out = Vec::new();
/// pickle::write(&Value::from("hi"), &mut out)?;
/// assert_eq!(out, b"\x80\x05\x8c\x02hi.");
/// assert_eq!(pickle::read(&out).unwrap(), Value::from("hi"));
/// # Ok::<(), pickle::UnpicklableError>(())
/// ```
pub fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), UnpicklableError> {
    out.extend([op::PROTO, 5]);
    put(value, out, MAX_DEPTH)?;
    out.push(op::STOP);
    Ok(())
}

fn put(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), UnpicklableError> {
    let depth = depth.checked_sub(1).ok_or(UnpicklableError::TooDeep)?;
    match value {
        Value::None => out.push(op::NONE),
        Value::Bool(true) => out.push(op::NEWTRUE),
        Value::Bool(false) => out.push(op::NEWFALSE),
        Value::Int(number) => int(*number, out),
        Value::BigInt(number) => long(number.as_le_bytes(), out),
        Value::Float(number) => {
            out.push(op::BINFLOAT);
            out.extend(number.to_be_bytes());
        }
        Value::Str(text) => self::text(text, out),
        Value::Bytes(bytes) => self::bytes(bytes, out),
        Value::ByteArray(bytes) => {
            out.push(op::BYTEARRAY8);
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        Value::List(items) => {
            out.push(op::EMPTY_LIST);
            many(items, out, depth, op::APPENDS)?;
        }
        Value::Tuple(items) => tuple(items, out, depth)?,
        Value::Dict(pairs) => {
            out.push(op::EMPTY_DICT);
            if !pairs.is_empty() {
                out.push(op::MARK);
                for (key, value) in pairs {
                    hashable(key, depth)?;
                    put(key, out, depth)?;
                    put(value, out, depth)?;
                }
                out.push(op::SETITEMS);
            }
        }
        Value::Set(items) => {
            items.iter().try_for_each(|item| hashable(item, depth))?;
            out.push(op::EMPTY_SET);
            many(items, out, depth, op::ADDITEMS)?;
        }
        Value::FrozenSet(items) => {
            items.iter().try_for_each(|item| hashable(item, depth))?;
            out.push(op::MARK);
            items.iter().try_for_each(|item| put(item, out, depth))?;
            out.push(op::FROZENSET);
        }
        Value::Date(date) => {
            constructor("date", out);
            let [high, low] = date.year().to_be_bytes();
            bytes(&[high, low, date.month(), date.day()], out);
            out.extend([op::TUPLE1, op::REDUCE]);
        }
        Value::Time(time) => {
            constructor("time", out);
            let mut state = time_of_day(time);
            state[0] |= u8::from(time.fold()) << 7;
            bytes(&state, out);
            with_offset(time.offset(), out);
        }
        Value::DateTime(moment) => {
            constructor("datetime", out);
            let [high, low] = moment.date.year().to_be_bytes();
            let month = moment.date.month() | u8::from(moment.time.fold()) << 7;
            let mut state = vec![high, low, month, moment.date.day()];
            state.extend(time_of_day(&moment.time));
            bytes(&state, out);
            with_offset(moment.time.offset(), out);
        }
        Value::Timedelta(delta) => timedelta(*delta, out),
    }
    Ok(())
}

fn many(items: &[Value], out: &mut Vec<u8>, depth: usize, end: u8) -> Result<(), UnpicklableError> {
    if !items.is_empty() {
        out.push(op::MARK);
        items.iter().try_for_each(|item| put(item, out, depth))?;
        out.push(end);
    }
    Ok(())
}

fn tuple(items: &[Value], out: &mut Vec<u8>, depth: usize) -> Result<(), UnpicklableError> {
    let end = match items.len() {
        0 => op::EMPTY_TUPLE,
        1 => op::TUPLE1,
        2 => op::TUPLE2,
        3 => op::TUPLE3,
        _ => {
            out.push(op::MARK);
            op::TUPLE
        }
    };
    items.iter().try_for_each(|item| put(item, out, depth))?;
    out.push(end);
    Ok(())
}

fn hashable(value: &Value, depth: usize) -> Result<(), UnpicklableError> {
    match value {
        Value::List(_) | Value::Dict(_) | Value::Set(_) | Value::ByteArray(_) => {
            Err(UnpicklableError::Unhashable)
        }
        Value::Tuple(items) => {
            let depth = depth.checked_sub(1).ok_or(UnpicklableError::TooDeep)?;
            items.iter().try_for_each(|item| hashable(item, depth))
        }
        _ => Ok(()),
    }
}

fn int(number: i64, out: &mut Vec<u8>) {
    if let Ok(number) = u8::try_from(number) {
        out.extend([op::BININT1, number]);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(op::BININT2);
        out.extend(number.to_le_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(op::BININT);
        out.extend(number.to_le_bytes());
    } else {
        long(crate::value::BigInt::from(number).as_le_bytes(), out);
    }
}

fn long(bytes: &[u8], out: &mut Vec<u8>) {
    if let Ok(length) = u8::try_from(bytes.len()) {
        out.extend([op::LONG1, length]);
    } else {
        // The length is signed; a number of 2 GiB is beyond any memory that it came from.
        out.push(op::LONG4);
        out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    out.extend_from_slice(bytes);
}

fn text(text: &str, out: &mut Vec<u8>) {
    sized(text.as_bytes(), [op::SHORT_BINUNICODE, op::BINUNICODE, op::BINUNICODE8], out);
}

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    sized(bytes, [op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8], out);
}

/// Bytes behind the smallest of three kinds of length: 1, 4 or 8 bytes.
fn sized(bytes: &[u8], [short, medium, long]: [u8; 3], out: &mut Vec<u8>) {
    if let Ok(length) = u8::try_from(bytes.len()) {
        out.extend([short, length]);
    } else if let Ok(length) = u32::try_from(bytes.len()) {
        out.push(medium);
        out.extend(length.to_le_bytes());
    } else {
        out.push(long);
        out.extend((bytes.len() as u64).to_le_bytes());
    }
    out.extend_from_slice(bytes);
}

fn constructor(name: &str, out: &mut Vec<u8>) {
    for word in ["datetime", name] {
        text(word, out);
    }
    out.push(op::STACK_GLOBAL);
}

fn time_of_day(time: &Time) -> [u8; 6] {
    let [_, high, middle, low] = time.microsecond().to_be_bytes();
    [time.hour(), time.minute(), time.second(), high, middle, low]
}

fn with_offset(offset: Option<&UtcOffset>, out: &mut Vec<u8>) {
    let Some(offset) = offset else { return out.extend([op::TUPLE1, op::REDUCE]) };
    constructor("timezone", out);
    timedelta(offset.delta(), out);
    match offset.name() {
        None => out.push(op::TUPLE1),
        Some(name) => {
            text(name, out);
            out.push(op::TUPLE2);
        }
    }
    out.extend([op::REDUCE, op::TUPLE2, op::REDUCE]);
}

fn timedelta(delta: Timedelta, out: &mut Vec<u8>) {
    constructor("timedelta", out);
    int(delta.days().into(), out);
    int(delta.seconds().into(), out);
    int(delta.microseconds().into(), out);
    out.extend([op::TUPLE3, op::REDUCE]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_nests_too_deep_is_refused() {
        let mut value = Value::None;
        for _ in 0..MAX_DEPTH - 1 {
            value = Value::List(vec![value]);
        }
        assert!(write(&value, &mut Vec::new()).is_ok());
        let value = Value::Tuple(vec![value]);
        assert_eq!(write(&value, &mut Vec::new()), Err(UnpicklableError::TooDeep));
    }

    #[test]
    fn keys_that_python_cannot_hash_are_refused() {
        let list = Value::Tuple(vec![Value::List(vec![])]);
        for value in [
            Value::Dict(vec![(list.clone(), Value::None)]),
            Value::Set(vec![list.clone()]),
            Value::FrozenSet(vec![list]),
        ] {
            assert_eq!(write(&value, &mut Vec::new()), Err(UnpicklableError::Unhashable));
        }
    }
}
