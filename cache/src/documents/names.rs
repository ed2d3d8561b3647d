//! The keys behind a document and behind a doctype.
//!
//! | key | holds |
//! |---|---|
//! | `document_cache::DOCTYPE::NAME` | the document |
//! | `document_lease::DOCTYPE::NAME` | the token of those who are reading it |
//! | `document_writers::DOCTYPE::NAME` | who is changing it, each until when |
//! | `document_writers::DOCTYPE` | who is changing any of the doctype at once |
//! | `document_changes::DOCTYPE` | who is changing anything of the doctype |
//! | `document_generation::DOCTYPE` | lost when all of the doctype is cleared |
//! | `document_generation` | lost when all of the site is cleared |
//! | `last_modified` | a hash: when a doctype was last changed |
//! | `document_lease::DOCTYPE` | the token of those who are reading that |

use std::borrow::Cow;

use crate::key::{Beginning, KeyPrefix};

/// A doctype as it stands in keys: no two documents share a key, whatever their doctypes and names hold.
///
/// The first `::` behind the doctype ends it. One that holds such a thing, or may be taken for an escaped
/// one, is escaped.
pub(super) fn doctype_in_keys(doctype: &str) -> Cow<'_, str> {
    if doctype.contains("::") || doctype.ends_with(':') || doctype.contains('%') {
        return Cow::Owned(doctype.replace('%', "%25").replace(':', "%3A"));
    }
    Cow::Borrowed(doctype)
}

/// The full key of a document's entry.
pub(super) fn entry(prefix: &KeyPrefix, doctype: &str, name: &str) -> Vec<u8> {
    let doctype = doctype_in_keys(doctype);
    let parts: [&[u8]; 5] =
        [prefix.as_bytes(), b"document_cache::", doctype.as_bytes(), b"::", name.as_bytes()];
    parts.concat()
}

/// The entries of a doctype.
pub(super) fn entries_of(prefix: &KeyPrefix, doctype: &str) -> Beginning {
    Beginning::exactly(prefix, format!("document_cache::{}::", doctype_in_keys(doctype)).as_bytes())
}

/// The entries of a site.
pub(super) fn entries(prefix: &KeyPrefix) -> Beginning {
    Beginning::exactly(prefix, b"document_cache::")
}

/// What tells whether anything that was read of a site before may still be stored.
pub(crate) fn site_generation(prefix: &KeyPrefix) -> Vec<u8> {
    prefix.make_key("document_generation")
}

/// The hash of the times at which doctypes were last changed.
pub(super) fn last_modified(prefix: &KeyPrefix) -> Vec<u8> {
    prefix.make_key("last_modified")
}

fn full(prefix: &KeyPrefix, kind: &str, doctype: &str, name: Option<&str>) -> Vec<u8> {
    let doctype = doctype_in_keys(doctype);
    let key = match name {
        Some(name) => format!("{kind}::{doctype}::{name}"),
        None => format!("{kind}::{doctype}"),
    };
    prefix.make_key(&key)
}

/// What a reader's scripts concern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ReaderKeys {
    pub(super) entry: Vec<u8>,
    /// Of the entry, if it is a hash; else empty.
    pub(super) field: Vec<u8>,
    pub(super) lease: Vec<u8>,
    pub(super) writers: Vec<u8>,
    pub(super) other_writers: Vec<u8>,
    pub(super) generation: Vec<u8>,
    pub(super) site_generation: Vec<u8>,
}

impl ReaderKeys {
    pub(super) fn document(prefix: &KeyPrefix, doctype: &str, name: &str) -> Self {
        Self {
            entry: entry(prefix, doctype, name),
            field: Vec::new(),
            lease: full(prefix, "document_lease", doctype, Some(name)),
            writers: full(prefix, "document_writers", doctype, Some(name)),
            other_writers: full(prefix, "document_writers", doctype, None),
            generation: full(prefix, "document_generation", doctype, None),
            site_generation: site_generation(prefix),
        }
    }

    pub(super) fn last_modified(prefix: &KeyPrefix, doctype: &str) -> Self {
        let changes = full(prefix, "document_changes", doctype, None);
        Self {
            entry: last_modified(prefix),
            field: doctype.as_bytes().to_vec(),
            lease: full(prefix, "document_lease", doctype, None),
            writers: changes.clone(),
            other_writers: changes,
            generation: full(prefix, "document_generation", doctype, None),
            site_generation: site_generation(prefix),
        }
    }

    pub(super) fn all(&self) -> Vec<&[u8]> {
        vec![
            &self.entry,
            &self.lease,
            &self.writers,
            &self.other_writers,
            &self.generation,
            &self.site_generation,
        ]
    }
}

/// What a writer's scripts concern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct WriterKeys {
    /// The entry; of a whole doctype, its generation.
    pub(super) first: Vec<u8>,
    pub(super) lease: Vec<u8>,
    pub(super) writers: Vec<u8>,
    pub(super) changes: Vec<u8>,
    pub(super) last_modified: Vec<u8>,
    pub(super) last_modified_lease: Vec<u8>,
    pub(super) doctype: Vec<u8>,
}

impl WriterKeys {
    /// Of one document, or of all of a doctype.
    pub(super) fn new(prefix: &KeyPrefix, doctype: &str, name: Option<&str>) -> Self {
        let last_modified_lease = full(prefix, "document_lease", doctype, None);
        Self {
            first: match name {
                Some(name) => entry(prefix, doctype, name),
                None => full(prefix, "document_generation", doctype, None),
            },
            lease: match name {
                Some(name) => full(prefix, "document_lease", doctype, Some(name)),
                None => last_modified_lease.clone(),
            },
            writers: full(prefix, "document_writers", doctype, name),
            changes: full(prefix, "document_changes", doctype, None),
            last_modified: last_modified(prefix),
            last_modified_lease,
            doctype: doctype.as_bytes().to_vec(),
        }
    }

    pub(super) fn all(&self) -> Vec<&[u8]> {
        vec![
            &self.first,
            &self.lease,
            &self.writers,
            &self.changes,
            &self.last_modified,
            &self.last_modified_lease,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn site() -> KeyPrefix {
        KeyPrefix::new("D").unwrap()
    }

    #[test]
    fn a_documents_key_is_the_frameworks() {
        let keys = ReaderKeys::document(&site(), "Sales Invoice", "INV::1");
        assert_eq!(keys.entry, b"D|document_cache::Sales Invoice::INV::1");
    }

    proptest! {
        #[test]
        fn no_two_documents_share_a_key(
            a in "[A:%253]{0,5}", b in "[A:%253]{0,5}", x in "[a:%]{0,4}", y in "[a:%]{0,4}",
        ) {
            let one = ReaderKeys::document(&site(), &a, &x);
            let other = ReaderKeys::document(&site(), &b, &y);
            prop_assert_eq!(one.entry == other.entry, (&a, &x) == (&b, &y));
            prop_assert_eq!(one.lease == other.lease, (&a, &x) == (&b, &y));
            prop_assert_eq!(one.writers == other.writers, (&a, &x) == (&b, &y));
            prop_assert_eq!(one.generation == other.generation, a == b);
            // Neither is a doctype's key one of a document.
            let whole = WriterKeys::new(&site(), &b, None);
            prop_assert_ne!(&one.writers, &whole.writers);
            prop_assert_ne!(&one.lease, &whole.lease);
            prop_assert_eq!(entries_of(&site(), &b).covers(&one.entry), a == b);
        }
    }
}
