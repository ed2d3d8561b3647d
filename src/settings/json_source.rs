//! `common_site_config.json` as values with lines. Numbers and unknown values stay as they are
//! written, so that an edit of one key changes no other.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::source::{Lines, SyntaxError};
use super::value::{Node, Value};

/// As many levels as every JSON reader goes down, Python's too.
const MAX_DEPTH: usize = 100;

/// An object, its names in the file's order, each as often as it stands there.
pub struct Entries<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Names).map(Self)
    }
}

/// Reads the file's text: one object.
pub fn parse(text: &str) -> Result<Vec<(String, Node)>, SyntaxError> {
    let lines = Lines::of(text);
    let at = |offset: usize, what: String| {
        let (line, column) = lines.place(offset);
        SyntaxError { what, line, column }
    };
    if text.trim().is_empty() {
        return Err(at(0, "the file is empty; an empty object is `{}`".to_owned()));
    }
    if let Some(offset) = too_deep(text) {
        return Err(at(offset, "it is nested too deeply".to_owned()));
    }
    let syntax = |error: serde_json::Error| SyntaxError {
        what: what_is_wrong(&error),
        line: error.line().max(1),
        column: error.column().max(1),
    };
    let whole: &RawValue = serde_json::from_str(text).map_err(syntax)?;
    if !whole.get().starts_with('{') {
        let offset = offset_in(text, whole.get());
        let kind = if whole.get().starts_with('[') { "a list" } else { "a single value" };
        return Err(at(offset, format!("it holds {kind}, but must hold an object, `{{…}}`")));
    }
    let node = node(text, &lines, whole)?;
    match node.value {
        Value::Table(entries) => Ok(entries),
        _ => Ok(Vec::new()),
    }
}

fn node(text: &str, lines: &Lines<'_>, raw: &RawValue) -> Result<Node, SyntaxError> {
    let written = raw.get();
    let offset = offset_in(text, written);
    let line = lines.line(offset);
    let failed = |error: serde_json::Error| {
        let (line, column) = lines.place(offset);
        SyntaxError { what: what_is_wrong(&error), line, column }
    };
    let value = match written.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(written).map_err(failed)?;
            let nodes = entries.into_iter().map(|(name, raw)| Ok((name, node(text, lines, raw)?)));
            Value::Table(nodes.collect::<Result<_, SyntaxError>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(written).map_err(failed)?;
            Value::List(items.into_iter().map(|raw| node(text, lines, raw)).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(written).map_err(failed)?),
        _ => match written {
            "null" => Value::Null,
            "true" => Value::Flag(true),
            "false" => Value::Flag(false),
            number => number.parse().map_or_else(|_| Value::Number(number.to_owned()), Value::Whole),
        },
    };
    Ok(Node { value, line })
}

/// The offset of a part of the text, which must be borrowed from it.
fn offset_in(text: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(text.as_ptr().addr()).min(text.len())
}

fn what_is_wrong(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "the file ends too early, as if it was cut off".to_owned();
    }
    let text = error.to_string();
    match text.split(" at line ").next().unwrap_or_default() {
        "expected ident" | "expected value" => {
            "here stands neither a number nor `true`, `false`, `null` or text in double quotes".to_owned()
        }
        other => other.to_owned(),
    }
}

/// Where the nesting exceeds the limit. Strings are skipped, whatever else is wrong is the parser's.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(offset);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_has_its_line_and_numbers_stay_as_written() {
        let nodes =
            parse("{\n \"a\": 1.50,\r\n\n \"a\": 9223372036854775808,\n \"b\": {\n  \"c\": null}}").unwrap();
        assert_eq!(nodes[0].1, Node { value: Value::Number("1.50".to_owned()), line: 2 });
        assert_eq!(nodes[1].1, Node { value: Value::Whole(9_223_372_036_854_775_808), line: 4 });
        assert_eq!(
            nodes[2].1.value,
            Value::Table(vec![("c".to_owned(), Node { value: Value::Null, line: 6 })])
        );
    }

    #[test]
    fn what_is_no_object_is_named_with_line_and_column() {
        for (text, what, line, column) in [
            ("", "empty", 1, 1),
            (" [1]", "a list", 1, 2),
            ("\n7", "a single value", 2, 1),
            ("{\"redis_cache\": \"redis://127.0.0.1:13000\",", "cut off", 1, 42),
            ("{\n\"a\": tru}", "neither", 2, 9),
            ("{} x", "trailing characters", 1, 4),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.what.contains(what), "{text}: {error:?}");
            assert_eq!((error.line, error.column), (line, column), "{text}: {error:?}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused() {
        assert!(parse(&format!("{{\"a\": {}", "[".repeat(1_000_000))).unwrap_err().what.contains("deep"));
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(90), "]".repeat(90));
        assert!(parse(&deep).is_ok());
        assert!(parse(r#"{"a": "[[[[\"[[[["}"#).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_errs(text in "([{}\\[\\]:,\"\\\\tfnu0-9eE+. -]|\\PC){0,80}") {
            let _ = parse(&text);
        }
    }
}
