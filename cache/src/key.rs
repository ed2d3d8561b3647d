//! Keys: which site, user or nobody in particular a value belongs to.

use std::fmt;
use std::sync::Arc;

/// What stands before the keys of one site: its `db_name`, or its name.
///
/// It is never empty and never holds a `|`, so that no site's keys can look like another's.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPrefix {
    /// With the `|` at its end, as it is needed for every key.
    with_bar: Arc<str>,
}

/// What can't be a key prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyPrefixError {
    /// Without a prefix, a site's keys would be all keys.
    #[error("a key prefix can't be empty")]
    Empty,
    /// The first `|` of a key ends its prefix.
    #[error("a key prefix can't hold `|`, which ends it")]
    Bar,
    /// A newline or the like.
    #[error("a key prefix can't hold control characters")]
    ControlCharacter,
}

impl KeyPrefix {
    /// A site's prefix, checked.
    pub fn new(prefix: &str) -> Result<Self, KeyPrefixError> {
        if prefix.is_empty() {
            return Err(KeyPrefixError::Empty);
        }
        if prefix.contains('|') {
            return Err(KeyPrefixError::Bar);
        }
        if prefix.chars().any(char::is_control) {
            return Err(KeyPrefixError::ControlCharacter);
        }
        Ok(Self { with_bar: format!("{prefix}|").into() })
    }

    /// A prefix that no site has, because none is empty.
    pub(crate) fn nobodys() -> Self {
        Self { with_bar: "|".into() }
    }

    pub(crate) fn is_nobodys(&self) -> bool {
        self.with_bar.len() == 1
    }

    /// The prefix itself, without the `|`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.with_bar[..self.with_bar.len() - 1]
    }

    /// The prefix with the `|` behind it, as full keys begin.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.with_bar.as_bytes()
    }

    /// The prefix of a full key, by its bytes; none for a shared key without one.
    pub(crate) fn of(full_key: &[u8]) -> Option<&[u8]> {
        full_key.iter().position(|&byte| byte == b'|').map(|end| &full_key[..end])
    }

    /// Whether a full key lies under this prefix.
    #[must_use]
    pub fn covers(&self, full_key: &[u8]) -> bool {
        full_key.starts_with(self.with_bar.as_bytes())
    }

    /// The full key: `{prefix}|{key}`, `{prefix}|user:{user}:{key}`, or a shared key as it is.
    #[must_use]
    pub fn make_key<'a>(&self, key: impl Into<Key<'a>>) -> Vec<u8> {
        let key = key.into();
        let parts: [&[u8]; 5] = match key.scope {
            Scope::Site => [self.with_bar.as_bytes(), b"", b"", b"", key.name],
            Scope::User(user) => [self.with_bar.as_bytes(), b"user:", user.as_bytes(), b":", key.name],
            Scope::Shared => [b"", b"", b"", b"", key.name],
        };
        parts.concat()
    }

    /// The pattern for SCAN that covers this prefix and nothing else.
    #[must_use]
    pub fn pattern(&self) -> Vec<u8> {
        let mut pattern = escape_glob(self.with_bar.as_bytes());
        pattern.push(b'*');
        pattern
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPrefix({:?})", self.as_str())
    }
}

/// Whose value a key names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Scope<'a> {
    /// The site's.
    #[default]
    Site,
    /// One user's of the site.
    User(&'a str),
    /// Every site's of the bench. Such a key is taken as it is; one that begins like a site's prefix
    /// goes when that site is flushed.
    Shared,
}

/// A key as the program names it. Texts and bytes turn into one by themselves.
///
/// ```
/// use dontmanage_cache::{Key, KeyPrefix};
///
/// let site = KeyPrefix::new("_3f1b").unwrap();
/// assert_eq!(site.make_key("total"), b"_3f1b|total");
/// assert_eq!(site.make_key(Key::from("total").user("ann@x.co")), b"_3f1b|user:ann@x.co:total");
/// assert_eq!(site.make_key(Key::from("assets").shared()), b"assets");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key<'a> {
    name: &'a [u8],
    scope: Scope<'a>,
}

impl<'a> Key<'a> {
    /// A key of the site.
    #[must_use]
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { name: name.as_ref(), scope: Scope::Site }
    }

    /// The key of that user.
    #[must_use]
    pub fn user(self, user: &'a str) -> Self {
        self.scope(Scope::User(user))
    }

    /// The key of all sites.
    #[must_use]
    pub fn shared(self) -> Self {
        self.scope(Scope::Shared)
    }

    /// The key in that scope.
    #[must_use]
    pub fn scope(mut self, scope: Scope<'a>) -> Self {
        self.scope = scope;
        self
    }
}

macro_rules! key_from {
    ($($type:ty),*) => {
        $(impl<'a> From<$type> for Key<'a> {
            fn from(name: $type) -> Self {
                Self::new(name)
            }
        })*
    };
}

key_from!(&'a str, &'a String, &'a [u8], &'a Vec<u8>);

impl<'a, const N: usize> From<&'a [u8; N]> for Key<'a> {
    fn from(name: &'a [u8; N]) -> Self {
        Self::new(name)
    }
}

impl<'a> From<&Key<'a>> for Key<'a> {
    fn from(key: &Key<'a>) -> Self {
        *key
    }
}

/// Text with every character escaped that means something in the patterns of SCAN and KEYS.
#[must_use]
pub fn escape_glob(text: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(text.len() + 4);
    for &byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'^' | b'-' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern
}

/// Keys that begin with a text in which only `*` is a wildcard.
///
/// ```
/// use dontmanage_cache::{Beginning, KeyPrefix};
///
/// let reports = Beginning::new(&KeyPrefix::new("_3f1b").unwrap(), b"report[1]*total");
/// assert!(reports.covers(b"_3f1b|report[1].sum.total"));
/// assert!(!reports.covers(b"_3f1b|report1.sum.total"));
/// ```
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The text before the first `*`, between the stars, and after the last.
    parts: Vec<Vec<u8>>,
}

impl Beginning {
    /// Keys of a site that begin with `text`.
    #[must_use]
    pub fn new(prefix: &KeyPrefix, text: &[u8]) -> Self {
        Self::after(prefix.as_bytes(), text)
    }

    /// Full keys that begin with `text`, whoever's they are.
    #[must_use]
    pub fn shared(text: &[u8]) -> Self {
        Self::after(b"", text)
    }

    /// Keys of a site that begin with `text`, in which `*` is no wildcard.
    pub(crate) fn exactly(prefix: &KeyPrefix, text: &[u8]) -> Self {
        Self { parts: vec![[prefix.as_bytes(), text].concat()] }
    }

    /// Keys of a user of a site that begin with `text`.
    #[must_use]
    pub fn of_user(prefix: &KeyPrefix, user: &(impl AsRef<[u8]> + ?Sized), text: &[u8]) -> Self {
        Self::after(&[prefix.as_bytes(), b"user:", user.as_ref(), b":"].concat(), text)
    }

    /// What stands before the text is taken as it is: it is no place for a wildcard.
    fn after(before: &[u8], text: &[u8]) -> Self {
        let mut parts: Vec<Vec<u8>> = text.split(|&byte| byte == b'*').map(<[u8]>::to_vec).collect();
        // `split` gives one part at least.
        if let Some(first) = parts.first_mut() {
            first.splice(0..0, before.iter().copied());
        }
        Self { parts }
    }

    /// The pattern for SCAN.
    pub(crate) fn pattern(&self) -> Vec<u8> {
        let mut pattern = Vec::new();
        for part in &self.parts {
            pattern.extend(escape_glob(part));
            pattern.push(b'*');
        }
        pattern
    }

    /// Whether a full key is one of them, byte by byte.
    #[must_use]
    pub fn covers(&self, key: &[u8]) -> bool {
        let mut rest = key;
        for (at, part) in self.parts.iter().enumerate() {
            // The first part is at the start; the next ones come anywhere after it, as soon as they can.
            let found = if at == 0 {
                rest.starts_with(part).then_some(0)
            } else if part.is_empty() {
                Some(0)
            } else {
                rest.windows(part.len()).position(|window| window == part)
            };
            match found {
                Some(start) => rest = &rest[start + part.len()..],
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_is_checked() {
        assert_eq!(KeyPrefix::new(""), Err(KeyPrefixError::Empty));
        assert_eq!(KeyPrefix::new("a|b"), Err(KeyPrefixError::Bar));
        assert_eq!(KeyPrefix::new("a\n"), Err(KeyPrefixError::ControlCharacter));
        assert_eq!(KeyPrefix::new("site1.local").unwrap().as_str(), "site1.local");
    }

    #[test]
    fn keys_may_hold_anything() {
        let site = KeyPrefix::new("D").unwrap();
        assert_eq!(site.make_key("ключ | a:b"), "D|ключ | a:b".as_bytes());
        assert_eq!(site.make_key(b"\xff\0"), b"D|\xff\0");
        assert_eq!(site.make_key(Key::from("k").shared().user("u")), b"D|user:u:k");
    }

    #[test]
    fn only_the_star_is_a_wildcard_of_a_beginning() {
        let site = KeyPrefix::new("a*").unwrap();
        let covers = |text: &str, key: &str| Beginning::new(&site, text.as_bytes()).covers(key.as_bytes());
        assert!(covers("", "a*|anything"));
        assert!(!covers("", "ab|anything"));
        assert!(covers("report[1]", "a*|report[1].x"));
        assert!(!covers("report[1]", "a*|report1"));
        assert!(covers("r*t", "a*|rust.x"));
        assert!(covers("r*t*", "a*|rt"));
        assert!(!covers("r*t*z", "a*|rust"));
        assert!(covers("*z", "a*|rustz-and-more"));
        assert_eq!(Beginning::new(&site, b"r*[").pattern(), b"a\\*|r*\\[*");
    }

    proptest! {
        #[test]
        fn no_prefix_covers_another_sites_key(a in "[^|\\p{Cc}]{1,6}", b in "[^|\\p{Cc}]{1,6}", key in "\\PC{0,6}") {
            let (a, b) = (KeyPrefix::new(&a).unwrap(), KeyPrefix::new(&b).unwrap());
            let full = b.make_key(key.as_str());
            prop_assert_eq!(a.covers(&full), a == b);
            prop_assert_eq!(KeyPrefix::of(&full), Some(b.as_str().as_bytes()));
        }
    }
}
