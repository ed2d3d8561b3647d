//! Documents in the cache, never older than the database: leases, as *Scaling Memcache at Facebook* (NSDI
//! 2013, section 3.2.1) has them, and marks for writers.
//!
//! Whoever reads the database to fill the cache takes a lease first, and stores what he read only if the
//! lease is still valid. Whoever changes a document takes all its leases away, before the change and after
//! its end, and in between his mark keeps others from getting one. So what was read before a commit can't be
//! stored after it. `docs/documents.md` has the proof, and what is left if the server fails.

mod lease;
mod names;
mod owed;
mod script;
mod writes;

use std::time::Duration;

pub use lease::{Lease, Look};
pub(crate) use names::site_generation;
pub(crate) use owed::Owed;
pub use writes::Writes;

use crate::cache::{Cache, CacheError};
use crate::client::Call;
use crate::error::RedisError;
use crate::key::Beginning;
use crate::lifetime::Lifetime;
use lease::Answer;
use names::ReaderKeys;
use owed::Debt;

/// How long an entry is kept, unless its reader says otherwise.
pub const DOCUMENT_LIFETIME: Lifetime = Lifetime::HOUR;

/// How long what the readers and writers leave with the server is valid.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// A reader who takes longer does not store what he read.
    lease: Duration,
    /// What a writer who dies leaves behind keeps others from storing for so long.
    mark: Duration,
    generation: Duration,
}

/// The cached documents of a site. Cheap to clone.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// use dontmanage_cache::{Cache, DOCUMENT_LIFETIME, Documents, Look};
///
/// fn price(cache: &Cache, read: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
///     let documents = Documents::new(cache);
///     match documents.look("Item", "apple") {
///         Look::Found(found) => found.pickle,
///         Look::Around => read("apple"),
///         Look::Read(lease) => {
///             let pickle = read("apple"); // in a snapshot that begins now
///             documents.fill(lease, &pickle, DOCUMENT_LIFETIME);
///             pickle
///         }
///     }
/// }
///
/// assert_eq!(price(&cache, |_| b"\x80\x05K\x03.".to_vec()), b"\x80\x05K\x03.");
/// assert_eq!(price(&cache, |_| unreachable!("it is cached")), b"\x80\x05K\x03.");
/// ```
#[derive(Clone, Debug)]
pub struct Documents {
    cache: Cache,
    times: Times,
}

impl Documents {
    /// The documents of that cache's site.
    #[must_use]
    pub fn new(cache: &Cache) -> Self {
        let minute = Duration::from_secs(60);
        let times = Times { lease: minute, mark: minute, generation: Duration::from_secs(24 * 60 * 60) };
        Self { cache: cache.clone(), times }
    }

    /// With another time for which a reader's lease is valid; a minute without this.
    #[must_use]
    pub fn lease(mut self, time: Duration) -> Self {
        self.times.lease = time.max(Duration::from_millis(1));
        self
    }

    /// With another time for which a writer's mark is valid without being renewed; a minute without this.
    #[must_use]
    pub fn mark(mut self, time: Duration) -> Self {
        self.times.mark = time.max(Duration::from_millis(1));
        self
    }

    /// The full key of a document's entry.
    #[must_use]
    pub fn key(&self, doctype: &str, name: &str) -> Vec<u8> {
        names::entry(&self.cache.prefix, doctype, name)
    }

    /// The full keys of a doctype's entries.
    #[must_use]
    pub fn keys(&self, doctype: &str) -> Beginning {
        names::entries_of(&self.cache.prefix, doctype)
    }

    /// The full key of the hash that says, by doctype, when it was last changed.
    #[must_use]
    pub fn last_modified_key(&self) -> Vec<u8> {
        names::last_modified(&self.cache.prefix)
    }

    /// The document in the cache, or what to do to get it: one round trip if it is there, two if not.
    pub fn look(&self, doctype: &str, name: &str) -> Look {
        self.look_at(&self.key(doctype, name), &[], || {
            ReaderKeys::document(&self.cache.prefix, doctype, name)
        })
    }

    /// As [`look`](Self::look), for one who has found the entry to be of no use to him: it is passed over,
    /// and may be replaced.
    pub fn look_past(&self, doctype: &str, name: &str) -> Look {
        self.ask(&ReaderKeys::document(&self.cache.prefix, doctype, name), true)
    }

    /// When a doctype was last changed, or what to do to get it.
    pub fn look_last_modified(&self, doctype: &str) -> Look {
        self.look_at(&self.last_modified_key(), doctype.as_bytes(), || {
            ReaderKeys::last_modified(&self.cache.prefix, doctype)
        })
    }

    /// As [`look_past`](Self::look_past), for the time when a doctype was last changed.
    pub fn look_past_last_modified(&self, doctype: &str) -> Look {
        self.ask(&ReaderKeys::last_modified(&self.cache.prefix, doctype), true)
    }

    /// Whether the server can't be asked, because it was not reached with a change of that document.
    #[must_use]
    pub fn owes(&self, full_key: &[u8], field: &[u8]) -> bool {
        let owed = self.cache.client.owed();
        if owed.is_nothing() {
            return false;
        }
        // Unless it is away still.
        if !self.cache.client.is_paused() {
            owed.pay(&self.cache.client);
        }
        owed.concerns(full_key, field)
    }

    /// Stores a document's pickle if the lease is still valid. Whether it was stored.
    #[expect(clippy::must_use_candidate, reason = "there is nothing to do about it")]
    pub fn fill(&self, lease: Lease, pickle: &[u8], lifetime: Lifetime) -> bool {
        // A failure is in the client's counts, and the next reader's miss.
        lease.fill(self.cache.store(), pickle, lifetime).unwrap_or(false)
    }

    /// What a transaction changes.
    #[must_use]
    pub fn writes(&self) -> Writes {
        Writes::new(self.clone())
    }

    /// Removes a document that was changed without [`Writes`], after the change has been committed. Whether
    /// the server did it; if not, the process goes on trying.
    #[expect(clippy::must_use_candidate, reason = "there is nothing to do about it")]
    pub fn invalidate(&self, doctype: &str, name: &str) -> bool {
        self.forget(Some(doctype), Some(name))
    }

    /// The same for all documents of a doctype: a walk over all keys of the server.
    #[expect(clippy::must_use_candidate, reason = "there is nothing to do about it")]
    pub fn invalidate_doctype(&self, doctype: &str) -> bool {
        self.forget(Some(doctype), None)
    }

    /// The same for all documents of the site.
    #[expect(clippy::must_use_candidate, reason = "there is nothing to do about it")]
    pub fn invalidate_all(&self) -> bool {
        self.forget(None, None)
    }

    fn forget(&self, doctype: Option<&str>, name: Option<&str>) -> bool {
        let client = &self.cache.client;
        let debt = Debt::new(&self.cache.prefix, doctype, name, b"");
        let done = debt.pay(client).is_ok();
        if !done {
            client.owed().add(client, vec![debt]);
        }
        done
    }

    /// The rest of the keys is made when it is needed.
    fn look_at(&self, entry: &[u8], field: &[u8], keys: impl FnOnce() -> ReaderKeys) -> Look {
        if self.owes(entry, field) {
            return Look::Around;
        }
        let store = self.cache.store();
        let found = if field.is_empty() { store.find(entry) } else { store.hfind(entry, field) };
        match found {
            Ok(Some(found)) => Look::Found(found),
            Ok(None) => self.ask(&keys(), false),
            // Without the server there is no lease; what is not to be trusted is to be replaced.
            Err(CacheError::Redis(_)) => Look::Around,
            Err(_) => self.ask(&keys(), true),
        }
    }

    fn ask(&self, keys: &ReaderKeys, of_no_use: bool) -> Look {
        let asked =
            |anyway| self.cache.client.run(Call::Write, |redis| lease::ask(redis, keys, &self.times, anyway));
        self.read(asked(of_no_use), keys).or_else(|| self.read(asked(true), keys)).unwrap_or(Look::Around)
    }

    /// What an answer means; none if there is an entry that is not to be trusted.
    fn read(&self, answer: Result<Answer, RedisError>, keys: &ReaderKeys) -> Option<Look> {
        match answer {
            Ok(Answer::Lease(lease)) => Some(Look::Read(lease)),
            Ok(Answer::Written) | Err(_) => Some(Look::Around),
            Ok(Answer::Entry(bytes, left)) => {
                self.cache.store().found_at(&keys.entry, &keys.field, &bytes, left).map(Look::Found)
            }
        }
    }
}
