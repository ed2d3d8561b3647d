//! `common_site_config.json` for changing: every key that is not changed keeps its value exactly,
//! numbers to the last digit. Written as today's tool writes it, byte for byte: keys in order, one
//! blank a level, ASCII only.

use std::fmt::{self, Write};

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::json_source::{self, Entries};
use super::source::SyntaxError;

/// The file's object.
#[derive(Clone, Debug, Default)]
pub struct CommonConfig {
    /// Each value as it is written.
    entries: IndexMap<String, Box<RawValue>>,
    changed: bool,
}

impl CommonConfig {
    /// Reads the file's text. Of a key that stands there twice, the last counts, as for every reader.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        json_source::parse(text)?;
        let Entries(entries) = serde_json::from_str(text).map_err(|error| SyntaxError {
            what: error.to_string(),
            line: error.line(),
            column: error.column(),
        })?;
        let entries = entries.into_iter().map(|(name, raw)| (name, raw.to_owned())).collect();
        Ok(Self { entries, changed: false })
    }

    /// Whether there is such a key, with a value that is not null.
    pub fn has(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// The text of a key, if it is text.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.entries.get(name)?.get()).ok()
    }

    /// The whole number of a key, if it is one.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.entries.get(name)?.get().parse().ok()
    }

    /// The number of a key, with its fraction, if it is one.
    pub fn decimal(&self, name: &str) -> Option<f64> {
        self.entries.get(name)?.get().parse().ok()
    }

    /// Sets a key.
    pub fn set(&mut self, name: &str, value: &serde_json::Value) {
        let Ok(raw) = serde_json::value::to_raw_value(value) else { return };
        if self.entries.get(name).is_none_or(|old| written(old.get()) != written(raw.get())) {
            self.changed = true;
            self.entries.insert(name.to_owned(), raw);
        }
    }

    /// Removes a key, and says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let removed = self.entries.shift_remove(name).is_some();
        self.changed |= removed;
        removed
    }

    /// Whether anything is not as it was read.
    pub const fn is_changed(&self) -> bool {
        self.changed
    }
}

impl fmt::Display for CommonConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.iter().map(|(name, raw)| (name.clone(), raw.get())).collect();
        let mut out = String::new();
        object(&mut out, entries, 0)?;
        f.write_str(&out)
    }
}

/// A value in the form in which two equal values are equal.
fn written(raw: &str) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = value(&mut out, raw, 0);
    out
}

fn value(out: &mut String, raw: &str, depth: usize) -> fmt::Result {
    match raw.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<Entries<'_>>(raw) {
            Ok(Entries(entries)) => {
                let entries = entries.into_iter().map(|(name, raw)| (name, raw.get())).collect();
                object(out, entries, depth)
            }
            Err(_) => out.write_str(raw),
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(raw) {
            Ok(items) if items.is_empty() => out.write_str("[]"),
            Ok(items) => {
                out.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    line(out, index, depth + 1)?;
                    value(out, item.get(), depth + 1)?;
                }
                line(out, 0, depth)?;
                out.write_char(']')
            }
            Err(_) => out.write_str(raw),
        },
        Some(b'"') => match serde_json::from_str::<String>(raw) {
            Ok(text) => quoted(out, &text),
            Err(_) => out.write_str(raw),
        },
        _ => out.write_str(raw),
    }
}

fn object(out: &mut String, entries: Vec<(String, &str)>, depth: usize) -> fmt::Result {
    if entries.is_empty() {
        return out.write_str("{}");
    }
    // Of a name that stands there twice, the last value counts.
    let mut entries: Vec<_> = entries.into_iter().collect::<IndexMap<_, _>>().into_iter().collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    out.write_char('{')?;
    for (index, (name, raw)) in entries.iter().enumerate() {
        line(out, index, depth + 1)?;
        quoted(out, name)?;
        out.write_str(": ")?;
        value(out, raw, depth + 1)?;
    }
    line(out, 0, depth)?;
    out.write_char('}')
}

fn line(out: &mut String, index: usize, depth: usize) -> fmt::Result {
    out.write_str(if index > 0 { ",\n" } else { "\n" })?;
    out.extend(std::iter::repeat_n(' ', depth));
    Ok(())
}

fn quoted(out: &mut String, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            ' '..='~' => out.write_char(c)?,
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    const FILE: &str = r#"{"z": 1.50, "big": 123456789012345678901234567890, "e": 1E400, "m": {"b": [1, {}, []], "a": null},
 "text": "b\u00fcro \"q\" \\ \n\t\u0001\u007f 例 \ud83d\ude00", "empty": {}, "t": true}"#;

    #[test]
    fn an_edit_keeps_every_other_value_to_the_digit() {
        let mut config = CommonConfig::parse(FILE).unwrap();
        config.set("t", &false.into());
        config.set("new", &serde_json::json!({"x": ["y"]}));
        assert!(config.remove("empty") && !config.remove("empty"));
        let text = config.to_string();
        for part in ["\"z\": 1.50", "123456789012345678901234567890", "\"e\": 1E400", "\"t\": false"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.starts_with("{\n \"big\""), "{text}");
    }

    #[test]
    fn the_same_value_is_no_change() {
        let mut config = CommonConfig::parse(r#"{"a": {"y": 1, "x": [2]}}"#).unwrap();
        config.set("a", &serde_json::json!({"x": [2], "y": 1}));
        assert!(!config.remove("b"));
        assert!(!config.is_changed());
        config.set("a", &serde_json::json!(1));
        assert!(config.is_changed());
    }

    #[test]
    fn the_text_is_what_python_writes() {
        let ours = CommonConfig::parse(&FILE.replace(", \"e\": 1E400", "").replace("1.50", "1.5"))
            .unwrap()
            .to_string();
        let script =
            "import json,sys; json.dump(json.loads(sys.stdin.read()), sys.stdout, indent=1, sort_keys=True)";
        let mut python = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3: install it with `apt-get install python3`");
        python.stdin.take().unwrap().write_all(ours.as_bytes()).unwrap();
        let theirs = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(ours, theirs);
    }

    proptest::proptest! {
        #[test]
        fn any_text_survives_writing(text in ".*", name in "[a-z]{1,4}") {
            let mut config = CommonConfig::default();
            config.set(&name, &text.as_str().into());
            let read = CommonConfig::parse(&config.to_string()).unwrap();
            proptest::prop_assert_eq!(read.text(&name), Some(text));
        }
    }
}
