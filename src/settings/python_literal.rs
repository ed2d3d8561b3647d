//! Values as `bench config set-common-config` has always taken them: Python literals, and whatever is
//! none is text. `1gb`, `a b` and `redis://…` are text.

use serde_json::{Map, Number, Value};

/// As deep as anyone writes by hand.
const MAX_DEPTH: usize = 20;

/// What the word means.
pub fn parse(word: &str) -> Value {
    let mut reader = Reader { rest: word.trim(), depth: 0 };
    match reader.value() {
        Some(value) if reader.rest.is_empty() => value,
        _ => Value::String(word.to_owned()),
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = match self.rest.chars().next()? {
            '\'' | '"' => self.text().map(Value::String),
            '[' => self.items('[', ']').map(Value::Array),
            '(' => self.items('(', ')').map(Value::Array),
            '{' => self.entries(),
            _ => self.word(),
        };
        self.depth -= 1;
        self.rest = self.rest.trim_start();
        value
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.rest.strip_prefix(c);
        if let Some(rest) = found {
            self.rest = rest.trim_start();
        }
        found.is_some()
    }

    fn items(&mut self, open: char, close: char) -> Option<Vec<Value>> {
        self.take(open);
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value()?);
            if !self.take(',') {
                // `(1)` is no tuple, only a number in parentheses: nobody means that.
                return (self.take(close) && (close != ')' || items.len() > 1)).then_some(items);
            }
        }
        Some(items)
    }

    fn entries(&mut self) -> Option<Value> {
        self.take('{');
        let mut entries = Map::new();
        while !self.take('}') {
            let Value::String(name) = self.value()? else { return None };
            if !self.take(':') {
                return None;
            }
            entries.insert(name, self.value()?);
            if !self.take(',') {
                return self.take('}').then_some(Value::Object(entries));
            }
        }
        Some(Value::Object(entries))
    }

    fn text(&mut self) -> Option<String> {
        let mut chars = self.rest.char_indices();
        let (_, quote) = chars.next()?;
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Some(text);
                }
                '\\' => text.push(match chars.next()?.1 {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    same @ ('\\' | '\'' | '"') => same,
                    // The rarer escapes: the word stays as it was typed.
                    _ => return None,
                }),
                _ => text.push(c),
            }
        }
        None
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', ']', ')', '}', ':', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "True" | "true" => Some(Value::Bool(true)),
            "False" | "false" => Some(Value::Bool(false)),
            "None" | "null" => Some(Value::Null),
            _ => number(word).map(Value::Number),
        }
    }
}

fn number(word: &str) -> Option<Number> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let plain = |text: &str| {
        text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
            && text.starts_with(|c: char| c.is_ascii_digit())
            && text.ends_with(|c: char| c.is_ascii_digit())
            && !text.contains("__")
    };
    if plain(digits) {
        // Python takes no `007`.
        if digits.starts_with('0') && digits.bytes().any(|b| b != b'0' && b != b'_') {
            return None;
        }
        return word.replace('_', "").trim_start_matches('+').parse::<i64>().ok().map(Number::from);
    }
    let floating = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && word.bytes().all(floating) {
        return word.parse().ok().and_then(Number::from_f64);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_typed() {
        for (word, value) in [
            ("1024", json!(1024)),
            ("-5", json!(-5)),
            ("1_000", json!(1000)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("true", json!(true)),
            ("False", json!(false)),
            ("None", json!(null)),
            ("[1,2]", json!([1, 2])),
            ("[1, 'a', [True,], ]", json!([1, "a", [true]])),
            ("(1, 2)", json!([1, 2])),
            ("{'a': {\"b\": 1}}", json!({"a": {"b": 1}})),
            ("\"q\"", json!("q")),
            ("'1'", json!("1")),
            ("'a\\'b'", json!("a'b")),
        ] {
            assert_eq!(parse(word), value, "{word}");
        }
    }

    #[test]
    fn all_else_is_text() {
        for word in [
            "1gb",
            "512mb",
            "a b",
            "redis://127.0.0.1:13000",
            "unix:///x",
            "127.0.0.1",
            "007",
            "1__0",
            "'a",
            "[1",
            "{1: 2}",
            "1 2",
            "",
            "(1)",
            "0x10",
            "e5",
            "a:b",
            "'a' 'b'",
            "99999999999999999999",
        ] {
            assert_eq!(parse(word), json!(word), "{word}");
        }
        let deep = "[".repeat(1000);
        assert_eq!(parse(&deep), json!(deep));
    }

    proptest! {
        #[test]
        fn any_word_is_some_value(word in "([\\[\\](){}'\",:\\\\ 0-9a-zTFN._+-]|\\PC){0,40}") {
            let _ = parse(&word);
        }
    }
}
