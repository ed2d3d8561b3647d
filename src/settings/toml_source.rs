//! `bench.toml` as values with lines.

use toml_edit::{Document, Item, TableLike, Value as Toml};

use super::source::{Lines, SyntaxError};
use super::value::{Node, Value};

/// How many dots one line may hold outside of texts and comments: dotted keys become tables within
/// tables, and the parser's own limit on nesting does not count them.
const MAX_DOTS: usize = 64;

/// Reads the file's text.
pub fn parse(text: &str) -> Result<Vec<(String, Node)>, SyntaxError> {
    let lines = Lines::of(text);
    for (index, line) in text.lines().enumerate() {
        if dots(line) > MAX_DOTS {
            return Err(SyntaxError {
                what: "a key is nested too deeply".into(),
                line: index + 1,
                column: 1,
            });
        }
    }
    let document = Document::parse(text).map_err(|error| {
        let (line, column) = lines.place(error.span().map_or(0, |span| span.start));
        SyntaxError { what: error.message().trim().replace('\n', ", "), line, column }
    })?;
    Ok(table(document.as_table(), &lines))
}

fn dots(line: &str) -> usize {
    let mut quote = None;
    let mut dots = 0;
    for byte in line.bytes() {
        match (quote, byte) {
            (None, b'#') => break,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'.') => dots += 1,
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    dots
}

fn table(table: &dyn TableLike, lines: &Lines<'_>) -> Vec<(String, Node)> {
    table
        .iter()
        .map(|(name, item)| {
            let at = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            let line = at.map_or(1, |span| lines.line(span.start));
            (name.to_owned(), Node { value: of_item(item, lines), line })
        })
        .collect()
}

fn of_item(item: &Item, lines: &Lines<'_>) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => of_value(value, lines),
        Item::Table(inner) => Value::Table(table(inner, lines)),
        Item::ArrayOfTables(tables) => Value::List(
            tables
                .iter()
                .map(|inner| Node {
                    line: inner.span().map_or(1, |span| lines.line(span.start)),
                    value: Value::Table(table(inner, lines)),
                })
                .collect(),
        ),
    }
}

fn of_value(value: &Toml, lines: &Lines<'_>) -> Value {
    match value {
        Toml::String(text) => Value::Text(text.value().clone()),
        Toml::Integer(number) => Value::Whole(i128::from(*number.value())),
        Toml::Float(number) => Value::Number(number.value().to_string()),
        Toml::Boolean(flag) => Value::Flag(*flag.value()),
        Toml::Datetime(date) => Value::Date(date.value().to_string()),
        Toml::Array(array) => Value::List(
            array
                .iter()
                .map(|value| Node {
                    line: value.span().map_or(1, |span| lines.line(span.start)),
                    value: of_value(value, lines),
                })
                .collect(),
        ),
        Toml::InlineTable(inner) => Value::Table(table(inner, lines)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_has_its_line() {
        let nodes = parse("# note\r\n[redis_cache]\r\nport = 13000\r\n\r\nmaxmemory = \"1gb\"\r\n").unwrap();
        let Value::Table(keys) = &nodes[0].1.value else { panic!("{nodes:?}") };
        assert_eq!(
            keys.iter().map(|(name, node)| (name.as_str(), node.line)).collect::<Vec<_>>(),
            [("port", 3), ("maxmemory", 5)]
        );
    }

    #[test]
    fn a_syntax_error_has_line_and_column() {
        let error = parse("[web]\nport = = 3\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 8), "{error:?}");
    }

    #[test]
    fn nesting_without_end_is_refused() {
        for text in [
            format!("{} = 1", vec!["a"; 400_000].join(".")),
            format!("[{}]", vec!["a"; 400_000].join(".")),
            format!("a = {}", "[".repeat(400_000)),
            format!("a = {}", "{b=".repeat(200_000)),
        ] {
            assert!(parse(&text).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_errs(text in "([a-z\\[\\]{}=.,\"'#\\\\ \n\t0-9-]|\\PC){0,80}") {
            let _ = parse(&text);
        }
    }
}
