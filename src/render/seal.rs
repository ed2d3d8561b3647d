//! The last line of a rendered file: a checksum of what was rendered, by which an edit made by hand
//! since is seen.

/// How a comment begins in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comment {
    /// `#`
    Hash,
    /// `;`
    Semicolon,
}

impl Comment {
    const fn mark(self) -> &'static str {
        match self {
            Self::Hash => "#",
            Self::Semicolon => ";",
        }
    }
}

const NAME: &str = " bench: ";
const CHECKSUM: &str = "blake3=";

/// What a file's seal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The file is as it was rendered.
    Intact,
    /// It was rendered, and edited since.
    Broken,
    /// It has none: it was not rendered by us.
    Absent,
}

/// The text with its seal. `facts` are words that the seal carries, such as `maxmemory=737mb`.
pub fn seal(text: &str, comment: Comment, facts: &[String]) -> String {
    let mut sealed = format!("{text}{}{NAME}", comment.mark());
    for fact in facts {
        sealed.push_str(fact);
        sealed.push(' ');
    }
    let checksum = blake3::hash(sealed.as_bytes()).to_hex();
    sealed.push_str(CHECKSUM);
    sealed.push_str(&checksum);
    sealed.push('\n');
    sealed
}

/// Whether the text is as it was sealed.
pub fn examine(text: &str) -> Seal {
    let Some((start, line)) = seal_line(text) else { return Seal::Absent };
    let Some(at) = line.rfind(CHECKSUM) else { return Seal::Broken };
    let covered = start + at;
    let checksum = blake3::hash(&text.as_bytes()[..covered]).to_hex();
    // Nothing but the checksum may follow.
    if text[covered + CHECKSUM.len()..] == format!("{checksum}\n") { Seal::Intact } else { Seal::Broken }
}

/// A word that the seal carries, by its name.
pub fn fact<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, line) = seal_line(text)?;
    line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// Whether two sealed texts say the same: all but the program that they were rendered for.
pub fn say_the_same(a: &str, b: &str) -> bool {
    let parts = |text| {
        let (start, line) = seal_line(text)?;
        let facts: Vec<_> = line
            .split_whitespace()
            .filter(|word| !word.starts_with("server=") && !word.starts_with(CHECKSUM))
            .collect();
        Some((&text[..start], facts))
    };
    a == b || (parts(a).is_some() && parts(a) == parts(b))
}

/// The seal's line, the last one if there are several, and where it begins.
fn seal_line(text: &str) -> Option<(usize, &str)> {
    let mut start = text.len();
    for line in text.split_inclusive('\n').rev() {
        start -= line.len();
        let rest = line.strip_prefix(['#', ';']);
        if rest.is_some_and(|rest| rest.starts_with(NAME) && rest.contains(CHECKSUM)) {
            return Some((start, line));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_edit_breaks_the_seal() {
        let sealed = seal("port 13000\nmaxmemory 737mb\n", Comment::Hash, &["maxmemory=737mb".to_owned()]);
        assert_eq!(examine(&sealed), Seal::Intact);
        assert_eq!(fact(&sealed, "maxmemory"), Some("737mb"));
        assert_eq!(fact(&sealed, "memory"), None);
        for edited in [
            sealed.replace("13000", "13001"),
            sealed.replace("737mb blake3", "738mb blake3"),
            format!("{sealed}save 60 1\n"),
            format!("{sealed}\n"),
            sealed.trim_end().to_owned(),
            sealed.replace('\n', "\r\n"),
        ] {
            assert_eq!(examine(&edited), Seal::Broken, "{edited}");
        }
    }

    #[test]
    fn the_program_it_was_rendered_for_makes_no_other_file() {
        let sealed = |text, facts: &[&str]| {
            seal(text, Comment::Hash, &facts.iter().map(|&fact| fact.to_owned()).collect::<Vec<_>>())
        };
        let a = sealed("x\n", &["maxmemory=1mb", "server=redis-7.0.15@ab"]);
        assert!(say_the_same(&a, &sealed("x\n", &["maxmemory=1mb", "server=redis-7.0.16@cd"])));
        assert!(say_the_same(&a, &sealed("x\n", &["maxmemory=1mb"])));
        assert!(!say_the_same(&a, &sealed("x\n", &["maxmemory=2mb", "server=redis-7.0.15@ab"])));
        assert!(!say_the_same(&a, &sealed("y\n", &["maxmemory=1mb", "server=redis-7.0.15@ab"])));
        assert!(!say_the_same(&a, "x\n"));
    }

    #[test]
    fn a_file_of_another_tool_has_no_seal() {
        assert_eq!(examine("port 13000\n# bench: see the wiki\n"), Seal::Absent);
        assert_eq!(examine(""), Seal::Absent);
        assert_eq!(examine(&seal("", Comment::Semicolon, &[])), Seal::Intact);
    }
}
