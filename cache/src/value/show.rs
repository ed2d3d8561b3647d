//! Values as Python writes them.

use std::fmt::{self, Display, Formatter, Write};

use super::{DateTime, Time, Timedelta, UtcOffset, Value};

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(number) => number.fmt(f),
            Self::BigInt(number) => number.fmt(f),
            Self::Float(number) => float(f, *number),
            Self::Str(text) => quoted(f, text),
            Self::Bytes(bytes) => raw(f, bytes),
            Self::ByteArray(bytes) => {
                f.write_str("bytearray(")?;
                raw(f, bytes)?;
                f.write_char(')')
            }
            Self::List(items) => sequence(f, "[", items, "]"),
            Self::Tuple(items) => sequence(f, "(", items, if items.len() == 1 { ",)" } else { ")" }),
            Self::Dict(pairs) => dict(f, pairs),
            Self::Set(items) if items.is_empty() => f.write_str("set()"),
            Self::Set(items) => sequence(f, "{", items, "}"),
            Self::FrozenSet(items) if items.is_empty() => f.write_str("frozenset()"),
            Self::FrozenSet(items) => sequence(f, "frozenset({", items, "})"),
            Self::DateTime(DateTime { date, time }) => {
                write!(f, "datetime.datetime({}, {}, {}, ", date.year(), date.month(), date.day())?;
                time_fields(f, time)
            }
            Self::Date(date) => write!(f, "datetime.date({}, {}, {})", date.year(), date.month(), date.day()),
            Self::Time(time) => {
                f.write_str("datetime.time(")?;
                time_fields(f, time)
            }
            Self::Timedelta(delta) => timedelta(f, *delta),
        }
    }
}

fn sequence(f: &mut Formatter<'_>, open: &str, items: &[Value], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    f.write_str(close)
}

fn dict(f: &mut Formatter<'_>, pairs: &[(Value, Value)]) -> fmt::Result {
    f.write_char('{')?;
    for (at, (key, value)) in pairs.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{key}: {value}")?;
    }
    f.write_char('}')
}

fn float(f: &mut Formatter<'_>, number: f64) -> fmt::Result {
    let size = number.abs();
    if number.is_nan() {
        f.write_str("nan")
    } else if number.is_infinite() {
        f.write_str(if number < 0.0 { "-inf" } else { "inf" })
    } else if number == 0.0 || (1e-4..1e16).contains(&size) {
        write!(f, "{number:?}")
    } else {
        // Python writes the exponent with its sign and two digits.
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        write!(f, "{digits}e{sign}{exponent:0>2}")
    }
}

/// The quote that needs no escaping, as Python chooses it.
fn quote(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let quote = quote(text.contains('\''), text.contains('"'));
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if c.is_control() && u32::from(c) < 0x100 => write!(f, "\\x{:02x}", u32::from(c))?,
            // Also what would turn the direction of a terminal's text, or vanish in it.
            '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e000}'..='\u{f8ff}' => {
                write!(f, "\\u{:04x}", u32::from(c))?;
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char(quote)
}

fn raw(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let quote = quote(bytes.contains(&b'\''), bytes.contains(&b'"'));
    write!(f, "b{quote}")?;
    for &byte in bytes {
        match byte {
            b'\\' => f.write_str("\\\\")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            byte if char::from(byte) == quote => write!(f, "\\{quote}")?,
            b' '..=b'~' => f.write_char(char::from(byte))?,
            byte => write!(f, "\\x{byte:02x}")?,
        }
    }
    f.write_char(quote)
}

fn time_fields(f: &mut Formatter<'_>, time: &Time) -> fmt::Result {
    write!(f, "{}, {}", time.hour(), time.minute())?;
    match (time.second(), time.microsecond()) {
        (0, 0) => {}
        (second, 0) => write!(f, ", {second}")?,
        (second, microsecond) => write!(f, ", {second}, {microsecond}")?,
    }
    if time.fold() {
        f.write_str(", fold=1")?;
    }
    if let Some(offset) = time.offset() {
        f.write_str(", tzinfo=")?;
        timezone(f, offset)?;
    }
    f.write_char(')')
}

fn timezone(f: &mut Formatter<'_>, offset: &UtcOffset) -> fmt::Result {
    if *offset == UtcOffset::UTC {
        return f.write_str("datetime.timezone.utc");
    }
    f.write_str("datetime.timezone(")?;
    timedelta(f, offset.delta())?;
    if let Some(name) = offset.name() {
        f.write_str(", ")?;
        quoted(f, name)?;
    }
    f.write_char(')')
}

fn timedelta(f: &mut Formatter<'_>, delta: Timedelta) -> fmt::Result {
    let mut fields = Vec::new();
    if delta.days() != 0 {
        fields.push(format!("days={}", delta.days()));
    }
    if delta.seconds() != 0 {
        fields.push(format!("seconds={}", delta.seconds()));
    }
    if delta.microseconds() != 0 {
        fields.push(format!("microseconds={}", delta.microseconds()));
    }
    if fields.is_empty() {
        fields.push("0".to_owned());
    }
    write!(f, "datetime.timedelta({})", fields.join(", "))
}
