//! Cached values as JSON and back. JSON has fewer kinds: what it lacks becomes what is nearest to it.

use dontmanage_cache::{BigInt, Value};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// How deep a value may nest; as many levels as other readers of JSON go down.
const MAX_DEPTH: usize = 100;

/// A value to be written as JSON. Tuples and sets become lists, times and dates their ISO text, other
/// kinds the text that Python shows for them.
pub struct Json<'a>(pub &'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::None => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::BigInt(number) => {
                let digits = RawValue::from_string(number.to_string()).map_err(S::Error::custom);
                match digits {
                    Ok(digits) => digits.serialize(serializer),
                    // Beyond thousands of digits it is shown in hexadecimal, which JSON lacks.
                    Err::<_, S::Error>(_) => serializer.collect_str(number),
                }
            }
            Value::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Value::Str(text) => serializer.serialize_str(text),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Json(item))?;
                }
                list.end()
            }
            Value::Dict(pairs) => {
                let mut object = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    object.serialize_entry(&name(key), &Json(value))?;
                }
                object.end()
            }
            Value::Bytes(bytes) | Value::ByteArray(bytes) if std::str::from_utf8(bytes).is_ok() => {
                serializer.serialize_str(&String::from_utf8_lossy(bytes))
            }
            Value::DateTime(time) => serializer.collect_str(time),
            Value::Date(date) => serializer.collect_str(date),
            Value::Time(time) => serializer.collect_str(time),
            other => serializer.collect_str(other),
        }
    }
}

/// The name of a member, as Python's `json` writes keys that are no text.
fn name(key: &Value) -> String {
    match key {
        Value::Str(text) => text.clone(),
        Value::None => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        other => other.to_string(),
    }
}

/// Reads JSON, numbers of any size exactly.
pub fn parse(text: &str) -> Result<Value, String> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    value(raw, 0)
}

fn value(raw: &RawValue, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    let text = raw.get();
    let wrong = |error: serde_json::Error| error.to_string();
    Ok(match text.as_bytes().first() {
        Some(b'n') => Value::None,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => Value::Str(serde_json::from_str(text).map_err(wrong)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            Value::List(items.into_iter().map(|item| value(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            // As in Python, the last of two members of one name counts.
            let members: indexmap::IndexMap<String, &RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let pairs =
                members.into_iter().map(|(name, item)| Ok((Value::Str(name), value(item, depth + 1)?)));
            Value::Dict(pairs.collect::<Result<_, String>>()?)
        }
        _ if text.contains(['.', 'e', 'E']) => {
            let number: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
            if number.is_infinite() {
                return Err(format!("`{text}` is too large for a number with a fraction"));
            }
            Value::Float(number)
        }
        _ => text.parse::<BigInt>().map_err(|error| format!("`{text}` is {error}"))?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value) -> String {
        serde_json::to_string(&Json(value)).expect("JSON")
    }

    #[test]
    fn what_json_has_comes_back_as_it_was() {
        for text in [
            "null",
            "true",
            "-7",
            "123456789012345678901234567890",
            "0.5",
            "\"a\\nb ö\"",
            "[1,[],{}]",
            "{\"b\":1,\"a\":{\"c\":null}}",
        ] {
            assert_eq!(json(&parse(text).expect(text)), text);
        }
        assert_eq!(parse("1e3"), Ok(Value::Float(1000.0)));
        assert_eq!(parse("{\"a\":1,\"a\":2}"), Ok(Value::Dict(vec![("a".into(), 2.into())])));
    }

    #[test]
    fn what_json_lacks_becomes_what_is_nearest() {
        let tuple = Value::Tuple(vec![1.into(), Value::Set(vec!["a".into()])]);
        assert_eq!(json(&tuple), "[1,[\"a\"]]");
        let dict = Value::Dict(vec![
            (1.into(), Value::None),
            (Value::Bool(true), Value::None),
            (tuple, Value::None),
        ]);
        assert_eq!(json(&dict), "{\"1\":null,\"true\":null,\"(1, {'a'})\":null}");
        assert_eq!(json(&Value::Bytes(b"ab".to_vec())), "\"ab\"");
        assert_eq!(json(&Value::Bytes(b"\xff".to_vec())), "\"b'\\\\xff'\"");
        assert_eq!(json(&Value::Float(f64::NAN)), "\"nan\"");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "nul", "{\"a\":}", "1 2", "1e999", "{'a': 1}"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = "[".repeat(110) + &"]".repeat(110);
        assert!(parse(&deep).is_err());
    }
}
