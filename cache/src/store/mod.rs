//! Pickles at full keys: what a [`Cache`](crate::Cache) does for plain data, open to bindings that pickle
//! values themselves.

mod exchange;
mod fields;
mod hashes;
mod keys;
mod sealing;
mod values;

pub use fields::Fields;
pub(crate) use sealing::{found, still_there};
pub(crate) use values::add_set;

use crate::client::Client;
use crate::key::KeyPrefix;
use crate::lifetime::Ttl;
use crate::prefixes::LocalHits;
use crate::signing_key::SigningKey;
use crate::stats::Unreadable;

/// A server with the key that signs what is stored there; keys are full keys.
///
/// What is read has been checked: a value whose signature, place or time is not right is an error
/// ([`CacheError::Rejected`](crate::CacheError::Rejected)), and nothing of it is handed out.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// use dontmanage_cache::{Lifetime, Store};
///
/// let store = Store::new(cache.client(), None);
/// store.set(b"_3f1b|total", b"\x80\x05K*.", Lifetime::secs(60))?;
/// let found = store.find(b"_3f1b|total")?.expect("it was just put there");
/// assert_eq!(found.pickle, b"\x80\x05K*.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Store<'c> {
    client: &'c Client,
    signing_key: Option<&'c SigningKey>,
    /// The site whose keys these are, for counting.
    site: Option<&'c KeyPrefix>,
}

/// A value as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The pickle.
    pub pickle: Vec<u8>,
    /// How long it is still kept; never [`Ttl::Missing`].
    pub left: Ttl,
}

impl Found {
    /// A pickle that is kept for so long.
    #[must_use]
    pub fn new(pickle: Vec<u8>, left: Ttl) -> Self {
        Self { pickle, left }
    }
}

impl<'c> Store<'c> {
    /// The store that a client reaches. Without a key, values are bare pickles.
    #[must_use]
    pub fn new(client: &'c Client, signing_key: Option<&'c SigningKey>) -> Self {
        Self { client, signing_key, site: None }
    }

    /// The same store for the keys of a site, and shared ones. That makes no difference but to what is counted
    /// ([`PrefixStats`](crate::PrefixStats)): of a site's key, what the program calls it. Without this, a site's
    /// prefix is taken to be what stands before the first `|`.
    #[must_use]
    pub fn of_site(self, prefix: &'c KeyPrefix) -> Self {
        Self { site: Some(prefix), ..self }
    }

    /// Counts hits of a key that a copy of the caller's own will answer.
    #[must_use]
    pub fn local_hits(self, key: &[u8]) -> LocalHits {
        LocalHits::of(&self.client.counters().prefixes, self.name(key))
    }

    /// The client that reaches it.
    #[must_use]
    pub fn client(self) -> &'c Client {
        self.client
    }

    /// Whether values are signed.
    #[must_use]
    pub fn is_signed(self) -> bool {
        self.signing_key.is_some()
    }

    /// Counts a pickle that was handed out but could not be read: not a hit, but a miss.
    pub fn note_unreadable(self, key: &[u8], why: Unreadable) {
        self.client.counters().unreadable(self.name(key), why);
    }

    /// Counts a write that did not reach the server and is not tried again.
    pub fn note_dropped_write(self) {
        self.client.counters().dropped_writes.add();
    }

    /// What the program calls a key: without what stands before it for its site and its user.
    pub(crate) fn name(self, key: &[u8]) -> &[u8] {
        let name = match self.site {
            Some(prefix) => key.strip_prefix(prefix.as_bytes()),
            None => KeyPrefix::of(key).map(|prefix| &key[prefix.len() + 1..]),
        };
        let Some(name) = name else { return key };
        name.strip_prefix(b"user:")
            .and_then(|rest| Some(&rest[rest.iter().position(|&byte| byte == b':')? + 1..]))
            .unwrap_or(name)
    }
}
