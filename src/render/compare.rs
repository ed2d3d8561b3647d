//! A file on disk beside the file as it is to be: whose it is, and what differs.

use std::collections::HashSet;
use std::path::Path;

use similar::TextDiff;

use super::quote::split_redis;
use super::seal::{Seal, examine, say_the_same};
use super::{Rendered, Syntax};

/// What is on disk, as far as rendering it anew goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Missing,
    /// The very text, but perhaps for the program that it was rendered for.
    Current,
    /// Text that we rendered from other settings, or that today's tool wrote and nobody changed:
    /// nothing is lost when it goes.
    Replaceable,
    /// Text that somebody wrote or edited.
    Edited,
}

/// Whether the file of this path has no users in it, so that an `aclfile` directive means nothing.
pub type HasNoUsers<'a> = &'a dyn Fn(&str) -> bool;

/// Looks at what is on disk.
pub fn standing(rendered: &Rendered, on_disk: Option<&str>, has_no_users: HasNoUsers<'_>) -> Standing {
    let Some(on_disk) = on_disk else { return Standing::Missing };
    if on_disk == rendered.text {
        return Standing::Current;
    }
    match examine(on_disk) {
        Seal::Intact if say_the_same(on_disk, &rendered.text) => Standing::Current,
        Seal::Intact => Standing::Replaceable,
        Seal::Broken => Standing::Edited,
        Seal::Absent => {
            let read = |text| directives(text, rendered.syntax, has_no_users);
            let ours: HashSet<_> = read(&rendered.text).into_iter().collect();
            let only_ours = read(on_disk).iter().all(|line| ours.contains(line));
            if only_ours { Standing::Replaceable } else { Standing::Edited }
        }
    }
}

/// What the text says, line by line, without comments, blank lines and ways of spelling it. Lines of a
/// section begin with its name.
pub fn directives(text: &str, syntax: Syntax, has_no_users: HasNoUsers<'_>) -> Vec<String> {
    let mut section = String::new();
    let mut directives = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let is_comment = line.starts_with('#') || (syntax == Syntax::Sections && line.starts_with(';'));
        if line.is_empty() || is_comment {
            continue;
        }
        directives.push(match syntax {
            Syntax::Redis => match split_redis(line) {
                Some(words) if is_void(&words, has_no_users) => continue,
                Some(words) => spell(&words),
                None => line.to_owned(),
            },
            Syntax::Procfile => separated(line, ':'),
            Syntax::Sections if line.starts_with('[') => {
                line.clone_into(&mut section);
                continue;
            }
            Syntax::Sections => format!("{section} {}", separated(line, '=')),
        });
    }
    directives
}

fn is_void(words: &[String], has_no_users: HasNoUsers<'_>) -> bool {
    matches!(words, [name, path] if name.eq_ignore_ascii_case("aclfile") && has_no_users(path))
}

fn spell(words: &[String]) -> String {
    // The name of a directive may be spelt in any case.
    let mut words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    if let Some(name) = words.first_mut() {
        *name = name.to_ascii_lowercase();
    }
    words.join(" ")
}

fn separated(line: &str, separator: char) -> String {
    match line.split_once(separator) {
        Some((name, value)) => {
            let value: Vec<_> = value.split_whitespace().collect();
            format!("{}{separator} {}", name.trim(), value.join(" "))
        }
        None => line.to_owned(),
    }
}

/// The words of each directive of a redis.conf, its name in lower case first.
pub fn directive_words(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut directives: Vec<_> = lines.filter_map(split_redis).filter(|words| !words.is_empty()).collect();
    for words in &mut directives {
        words[0].make_ascii_lowercase();
    }
    directives
}

/// What would change in the file, as `diff -u` shows it; empty if nothing.
pub fn diff(path: &Path, on_disk: Option<&str>, rendered: &str) -> String {
    let on_disk = on_disk.unwrap_or_default();
    if on_disk == rendered {
        return String::new();
    }
    let path = path.display().to_string();
    TextDiff::from_lines(on_disk, rendered).unified_diff().header(&path, &path).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Comment, seal};

    fn rendered(text: &str) -> Rendered {
        Rendered {
            path: "config/x.conf".into(),
            text: seal(text, Comment::Hash, &[]),
            is_private: false,
            syntax: Syntax::Redis,
        }
    }

    fn stands(on_disk: Option<&str>) -> Standing {
        let ours = rendered("port 13000\nmaxmemory 737mb\nsave \"\"\ndir \"/a b\"\n");
        standing(&ours, on_disk, &|path| path == "/x")
    }

    #[test]
    fn a_file_without_a_hand_edit_may_go() {
        assert_eq!(stands(None), Standing::Missing);
        assert_eq!(
            stands(Some(&rendered("port 13000\nmaxmemory 737mb\nsave \"\"\ndir \"/a b\"\n").text)),
            Standing::Current
        );
        assert_eq!(stands(Some(&rendered("port 13001\n").text)), Standing::Replaceable);
        let of_todays_tool =
            "# made by hand\r\nmaxmemory   737mb\nPORT 13000\n\nsave ''\naclfile /x\ndir '/a b'\n";
        assert_eq!(stands(Some(of_todays_tool)), Standing::Replaceable);
    }

    #[test]
    fn a_hand_edit_is_seen() {
        let edited = rendered("port 13000\n").text.replace("13000", "13001");
        for text in
            [&edited[..], "port 13001\n", "port 13000\nlazyfree-lazy-eviction yes\n", "port \"13000\n"]
        {
            assert_eq!(stands(Some(text)), Standing::Edited, "{text}");
        }
    }

    #[test]
    fn sections_keep_their_lines_apart() {
        let text = "; c\n[program:a]\ncommand = x  y\n[program:b]\ncommand=x y\n";
        assert_eq!(
            directives(text, Syntax::Sections, &|_| false),
            ["[program:a] command= x y", "[program:b] command= x y"]
        );
        assert_eq!(directives("web:  a b\n#x\n", Syntax::Procfile, &|_| false), ["web: a b"]);
    }

    #[test]
    fn a_difference_is_shown_as_diff_shows_it() {
        let shown = diff(Path::new("config/x.conf"), Some("a\nb\n"), "a\nc\n");
        assert_eq!(shown, "--- config/x.conf\n+++ config/x.conf\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        assert_eq!(diff(Path::new("x"), Some("a\n"), "a\n"), "");
    }
}
