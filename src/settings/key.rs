//! Dotted keys: `redis_cache.maxmemory`, `workers.queues."eu.west".count`.

use std::fmt;

/// The way to one value, table by table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPath(Vec<String>);

impl KeyPath {
    /// From its parts, from the outermost table inwards.
    pub const fn new(parts: Vec<String>) -> Self {
        Self(parts)
    }

    /// Reads what a person types: parts with dots between, quoted as in TOML where a part holds a dot.
    pub fn parse(text: &str) -> Option<Self> {
        // `Key::parse` reads whitespace and comments too; a key that someone names holds neither.
        if text.chars().any(|c| c.is_control() || c == '#') {
            return None;
        }
        let keys = toml_edit::Key::parse(text.trim()).ok()?;
        Some(Self(keys.iter().map(|key| key.get().to_owned()).collect()))
    }

    /// From its parts, borrowed.
    pub fn from_parts(parts: &[&str]) -> Self {
        Self(parts.iter().map(|part| (*part).to_owned()).collect())
    }

    /// The parts.
    pub fn parts(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    /// The key of something inside this table.
    #[must_use]
    pub fn child(&self, part: &str) -> Self {
        let mut parts = self.0.clone();
        parts.push(part.to_owned());
        Self(parts)
    }
}

impl From<&str> for KeyPath {
    /// For keys that stand in the program's text: split at dots, nothing quoted.
    fn from(dotted: &str) -> Self {
        Self(dotted.split('.').map(str::to_owned).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            if !part.is_empty() && part.bytes().all(bare) {
                f.write_str(part)?;
            } else {
                write!(
                    f,
                    "{}",
                    toml_edit::Key::new(part.as_str()).default_repr().as_raw().as_str().unwrap_or(part)
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_with_a_dot_is_quoted() {
        let key = KeyPath::from("workers.queues").child("eu.west").child("count");
        assert_eq!(key.to_string(), "workers.queues.\"eu.west\".count");
        assert_eq!(KeyPath::parse("workers.queues.\"eu.west\".count"), Some(key));
    }

    proptest! {
        #[test]
        fn a_shown_key_is_read_back(parts in proptest::collection::vec("[ -~]{1,8}", 1..4)) {
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.contains('#')).collect();
            prop_assume!(!parts.is_empty());
            let key = KeyPath::new(parts);
            prop_assert_eq!(KeyPath::parse(&key.to_string()), Some(key));
        }
    }
}
