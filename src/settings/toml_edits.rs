//! Changing one key of `bench.toml`. All else stays as the user wrote it: comments, order, blank lines,
//! line ends.

use toml_edit::{Decor, Document, DocumentMut, Item, Table, TableLike, Value};

use super::key::KeyPath;
use super::source::{Lines, SyntaxError};

/// Why a key could not be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The file can't be read as it is.
    Syntax(SyntaxError),
    /// What should be a table is something else.
    NoTable(String),
}

/// The text with the key set to the value, in its place if it is there, else at the end of its table.
pub fn set(text: &str, key: &KeyPath, value: Value) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|error| EditError::Syntax(syntax(text, &error)))?;
    let parts = key.parts();
    let Some((last, tables)) = parts.split_last() else { return Ok(text.to_owned()) };
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for (depth, name) in tables.iter().enumerate() {
        let is_last = depth + 1 == tables.len();
        let next = table.entry(name).or_insert_with(|| {
            let mut new = Table::new();
            // `[programs.web]` needs no `[programs]` above it.
            new.set_implicit(!is_last);
            Item::Table(new)
        });
        table = next
            .as_table_like_mut()
            .ok_or_else(|| EditError::NoTable(KeyPath::from_parts(&parts[..=depth]).to_string()))?;
    }
    let mut value = value;
    match table.get_mut(last) {
        Some(Item::Value(old)) => {
            // The blanks and the comment behind the old value.
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        Some(other) => {
            let above = other.as_table().and_then(|table| table.decor().prefix().cloned());
            *other = Item::Value(value);
            // The comment above a table that is a value from now on.
            if let (Some(above), Some(mut key)) = (above, table.key_mut(last)) {
                *key.leaf_decor_mut() = Decor::new(above, " ");
            }
        }
        None => {
            table.insert(last, Item::Value(value));
        }
    }
    let new = document.to_string();
    let windows = text.find('\n').is_some_and(|end| text[..end].ends_with('\r'));
    Ok(if windows { new.replace("\r\n", "\n").replace('\n', "\r\n") } else { new })
}

/// The text without the key; none if it is not there. Comments above it stay: they are the user's.
pub fn unset(text: &str, key: &KeyPath) -> Result<Option<String>, EditError> {
    let document = Document::parse(text).map_err(|error| EditError::Syntax(syntax(text, &error)))?;
    let parts = key.parts();
    let Some((last, tables)) = parts.split_last() else { return Ok(None) };
    let mut table: &dyn TableLike = document.as_table();
    let mut inline = false;
    for name in tables {
        let Some(item) = table.get(name) else { return Ok(None) };
        inline |= item.is_inline_table();
        let Some(next) = item.as_table_like() else { return Ok(None) };
        table = next;
    }
    let Some(item) = table.get(last) else { return Ok(None) };
    let value = item.as_value().and_then(Value::span);
    let start = table.key(last).and_then(toml_edit::Key::span).map(|span| span.start);
    match (start, value) {
        (Some(start), Some(value)) if !inline => {
            let start = text[..start].rfind('\n').map_or(0, |end| end + 1);
            let end = text[value.end..].find('\n').map_or(text.len(), |end| value.end + end + 1);
            Ok(Some(format!("{}{}", &text[..start], &text[end..])))
        }
        _ => remove(text, key),
    }
}

/// Removes a key that does not have lines of its own.
fn remove(text: &str, key: &KeyPath) -> Result<Option<String>, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|error| EditError::Syntax(syntax(text, &error)))?;
    let parts = key.parts();
    let Some((last, tables)) = parts.split_last() else { return Ok(None) };
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for name in tables {
        let Some(next) = table.get_mut(name).and_then(Item::as_table_like_mut) else { return Ok(None) };
        table = next;
    }
    Ok(table.remove(last).map(|_| document.to_string()))
}

fn syntax(text: &str, error: &toml_edit::TomlError) -> SyntaxError {
    let (line, column) = Lines::of(text).place(error.span().map_or(0, |span| span.start));
    SyntaxError { what: error.message().trim().replace('\n', ", "), line, column }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "# My bench\n\n[redis_cache]   # the cache\n# as the documentation says\nmaxmemory = \"737mb\" # a comment\n\n# the workers\n[workers]\ncount = 2\nqueues.reports.timeout = \"50m\"\n\n[programs.web]\nready = { tcp = 8000 } # soon\nenv = { A = \"1\", B = \"2\" }\n";

    fn key(dotted: &str) -> KeyPath {
        KeyPath::from(dotted)
    }

    #[test]
    fn a_value_changes_in_its_place() {
        let new = set(FILE, &key("redis_cache.maxmemory"), "1gb".into()).unwrap();
        assert_eq!(new, FILE.replace("737mb", "1gb"));
        let new = set(FILE, &key("programs.web.env.B"), "3".into()).unwrap();
        assert_eq!(new, FILE.replace("B = \"2\"", "B = \"3\""));
    }

    #[test]
    fn a_new_key_goes_to_the_end_of_its_table() {
        let new = set(FILE, &key("redis_cache.port"), 13001.into()).unwrap();
        assert_eq!(new, FILE.replace("# a comment\n", "# a comment\nport = 13001\n"));
        let new = set(FILE, &key("workers.queues.reports.count"), 2.into()).unwrap();
        assert_eq!(new, FILE.replace("\"50m\"\n", "\"50m\"\nqueues.reports.count = 2\n"));
        let new = set(FILE, &key("web.port"), 8001.into()).unwrap();
        assert_eq!(new, format!("{FILE}\n[web]\nport = 8001\n"));
        let new = set(FILE, &key("programs.worker.env.C"), "x".into()).unwrap();
        assert_eq!(new, format!("{FILE}\n[programs.worker.env]\nC = \"x\"\n"));
        assert_eq!(set("", &key("web.port"), 1.into()).unwrap(), "[web]\nport = 1\n");
    }

    #[test]
    fn the_comment_above_a_table_outlives_it() {
        let value = "{ tcp = 8001 }".parse::<Value>().unwrap();
        let new =
            set("# when it is up\n[programs.web.ready]\ntcp = 8000\n", &key("programs.web.ready"), value);
        assert_eq!(new.unwrap(), "[programs.web]\n# when it is up\nready = { tcp = 8001 }\n");
    }

    #[test]
    fn an_unset_key_takes_nothing_along_but_its_line() {
        let new = unset(FILE, &key("redis_cache.maxmemory")).unwrap();
        assert_eq!(new, Some(FILE.replace("maxmemory = \"737mb\" # a comment\n", "")));
        let new = unset(FILE, &key("workers.queues.reports.timeout")).unwrap();
        assert_eq!(new, Some(FILE.replace("queues.reports.timeout = \"50m\"\n", "")));
        let new = unset(FILE, &key("programs.web.env.A")).unwrap();
        assert_eq!(new, Some(FILE.replace(" A = \"1\",", "")));
        assert_eq!(unset(FILE, &key("web.port")), Ok(None));
        assert_eq!(unset(FILE, &key("redis_cache.maxmemory.x")), Ok(None));
        assert_eq!(unset("[a]\nb = [\n 1,\n 2,\n]\nc = 1", &key("a.b")), Ok(Some("[a]\nc = 1".to_owned())));
    }

    #[test]
    fn line_ends_of_windows_stay() {
        let file = FILE.replace('\n', "\r\n");
        let new = set(&file, &key("redis_cache.port"), 13001.into()).unwrap();
        assert_eq!(new, file.replace("# a comment\r\n", "# a comment\r\nport = 13001\r\n"));
        let new = unset(&file, &key("redis_cache.maxmemory")).unwrap();
        assert_eq!(new, Some(file.replace("maxmemory = \"737mb\" # a comment\r\n", "")));
    }

    #[test]
    fn what_is_no_table_is_not_made_one() {
        let error = set("programs = 3\n", &key("programs.web.command"), "x".into()).unwrap_err();
        assert_eq!(error, EditError::NoTable("programs".to_owned()));
        assert!(matches!(set("a = = 1", &key("b.c"), 1.into()), Err(EditError::Syntax(_))));
    }

    proptest! {
        #[test]
        fn what_was_set_is_there_and_is_gone_when_unset(
            table in "[a-c]", name in "[a-d]{1,2}", value in "\\PC{0,12}",
            file in "(# c\n)?(\\[a\\]\n(b = 1 # x\n)?(# y\n)?(dd.c = 2\n)?)?(\\[b.d\\]\n)?(c = \\{ a = 1 \\}\n)?",
        ) {
            let key = KeyPath::new(vec![table, name]);
            if let Ok(new) = set(&file, &key, value.as_str().into()) {
                let read: DocumentMut = new.parse().expect("readable text");
                let parts = key.parts();
                prop_assert_eq!(read[parts[0]][parts[1]].as_str(), Some(value.as_str()));
                let gone = unset(&new, &key).expect("readable text").expect("the key");
                prop_assert_eq!(unset(&gone, &key), Ok(None));
                let old: DocumentMut = file.parse().expect("readable text");
                let was = old.get(parts[0]).and_then(|table| table.get(parts[1]));
                // With a table that becomes a value goes what it says of its keys.
                if !was.is_some_and(Item::is_table_like) {
                    prop_assert!(new.matches('#').count() >= file.matches('#').count());
                }
            }
        }
    }
}
