//! The one edit by hand that is expected, because the documentation tells people to make it:
//! `maxmemory` in `redis_cache.conf`.

use super::compare::{HasNoUsers, directives};
use super::quote::split_redis;
use super::seal::{Seal, examine, fact};
use super::{Rendered, Syntax};
use crate::settings::{Bytes, MaxMemory};

/// `maxmemory` was changed in the file, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxmemoryEdit {
    /// The value that stands there now.
    pub value: String,
    /// The line it stands in, counted from 1.
    pub line: usize,
    /// The value that was rendered; none in a file of today's tool.
    pub rendered: Option<String>,
}

/// Whether `maxmemory` is all that was changed in the file on disk.
pub fn maxmemory_edit(
    rendered: &Rendered,
    on_disk: &str,
    has_no_users: HasNoUsers<'_>,
) -> Option<MaxmemoryEdit> {
    let (line, value) = maxmemory_line(on_disk)?;
    let was = fact(on_disk, "maxmemory").map(str::to_owned);
    let edit = MaxmemoryEdit { value, line, rendered: was.clone() };
    if let Some(was) = &was
        && examine(&with_maxmemory(on_disk, line, was)) == Seal::Intact
    {
        return Some(edit);
    }
    let others = |text: &str| {
        let mut lines = directives(text, Syntax::Redis, has_no_users);
        lines.retain(|line| !line.starts_with("\"maxmemory\" "));
        lines.sort();
        lines
    };
    let ours = others(&rendered.text);
    let theirs = others(on_disk);
    let only_maxmemory = match examine(on_disk) {
        // Today's tool does not write what we add.
        Seal::Absent => theirs.iter().all(|line| ours.contains(line)),
        _ => theirs == ours,
    };
    only_maxmemory.then_some(edit)
}

/// The only `maxmemory` of the file.
fn maxmemory_line(text: &str) -> Option<(usize, String)> {
    let mut found = None;
    for (index, line) in text.lines().enumerate() {
        let words = if line.trim_start().starts_with('#') { None } else { split_redis(line) };
        let Some([name, value]) = words.as_deref() else { continue };
        if name.eq_ignore_ascii_case("maxmemory") && found.replace((index + 1, value.clone())).is_some() {
            return None;
        }
    }
    found
}

/// The text with another value in that line.
fn with_maxmemory(text: &str, number: usize, value: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if index + 1 == number {
            out.push_str("maxmemory ");
            out.push_str(value);
            out.push('\n');
        } else {
            out.push_str(line);
        }
    }
    out
}

/// The limit that redis-server would read. It takes a number without a unit for bytes.
pub fn read_maxmemory(value: &str) -> Option<MaxMemory> {
    let limit = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Bytes(value.parse().ok()?)
    } else {
        Bytes::parse(value).ok()?
    };
    (limit.0 > 0).then_some(MaxMemory::Limit(limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Comment, seal};

    const TEXT: &str = "port 13000\nmaxmemory 737mb\nsave \"\"\n\nlazyfree-lazy-expire yes\n";

    fn rendered(text: &str, maxmemory: &str) -> Rendered {
        Rendered {
            path: "config/redis_cache.conf".into(),
            text: seal(text, Comment::Hash, &[format!("maxmemory={maxmemory}")]),
            is_private: false,
            syntax: Syntax::Redis,
        }
    }

    fn edit(on_disk: &str) -> Option<MaxmemoryEdit> {
        maxmemory_edit(&rendered(TEXT, "737mb"), on_disk, &|_| false)
    }

    #[test]
    fn an_edited_maxmemory_is_found() {
        let ours = rendered(TEXT, "737mb").text;
        let found = edit(&ours.replace("maxmemory 737mb", "maxmemory 2gb")).expect("an edit");
        assert_eq!((found.value.as_str(), found.line), ("2gb", 2));
        assert_eq!(found.rendered.as_deref(), Some("737mb"));
        // Also when the settings have changed since, and when a comment says why.
        let older = rendered(&TEXT.replace("13000", "13001"), "737mb").text;
        assert!(edit(&older.replace("maxmemory 737mb", "maxmemory 2gb")).is_some());
        assert!(edit(&ours.replace("maxmemory 737mb", "# for the import\n  MAXMEMORY \"2gb\"")).is_some());
        // Today's tool wrote less.
        let found = edit("port 13000\nmaxmemory 2gb\nsave \"\"\n").expect("an edit");
        assert_eq!(found.rendered, None);
    }

    #[test]
    fn any_other_edit_is_none_of_it() {
        let ours = rendered(TEXT, "737mb").text;
        for on_disk in [
            ours.replace("maxmemory 737mb", "maxmemory 2gb").replace("13000", "13001"),
            ours.replace("maxmemory 737mb\n", ""),
            ours.replace("maxmemory 737mb", "maxmemory 2gb\nmaxmemory 3gb"),
            ours.replace("maxmemory 737mb", "maxmemory 2gb\nsave 60 1"),
            ours.replace("maxmemory 737mb", "maxmemory 2gb").replace("lazyfree-lazy-expire yes\n", ""),
        ] {
            assert_eq!(edit(&on_disk), None, "{on_disk}");
        }
    }

    #[test]
    fn the_value_is_read_as_redis_reads_it() {
        let limit = |bytes| Some(MaxMemory::Limit(Bytes(bytes)));
        assert_eq!(read_maxmemory("2gb"), limit(2 << 30));
        assert_eq!(read_maxmemory("1000000"), limit(1_000_000));
        assert_eq!(read_maxmemory("1K"), limit(1000));
        for value in ["0", "-5", "50MBs", "", "1gbmb"] {
            assert_eq!(read_maxmemory(value), None, "{value}");
        }
    }
}
