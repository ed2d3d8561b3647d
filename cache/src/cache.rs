//! The cache of one site, as workers use it: a server that is away costs speed, and nothing else.

use std::fmt;
use std::sync::Arc;

use crate::client::Client;
use crate::envelope::Rejection;
use crate::error::RedisError;
use crate::flush::{Flush, FlushError, FlushReport};
use crate::key::{Key, KeyPrefix};
use crate::lifetime::{Lifetime, Ttl};
use crate::local_copy::LocalCopy;
use crate::pickle::{PickleError, UnpicklableError};
use crate::request::{Local, Watch};
use crate::shared_copy::Changed;
use crate::signing_key::SigningKey;
use crate::store::Store;
use crate::strict::Strict;
use crate::value::Value;

/// Why an operation has no result. Only [`Strict`] tells; the methods of [`Cache`] make it a miss.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The server did not do it.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// What is stored is not to be trusted.
    #[error("the stored value is not taken: {0}")]
    Rejected(#[from] Rejection),
    /// What is stored is no plain data.
    #[error("the stored value can't be read here: {0}")]
    Unreadable(#[from] PickleError),
    /// What is stored is not of the shape that was asked for.
    #[cfg(feature = "serde")]
    #[error("the stored value has another shape: {0}")]
    Shape(#[from] crate::serde::ShapeError),
    /// The value can't be stored.
    #[error("the value can't be stored: {0}")]
    Unpicklable(#[from] UnpicklableError),
}

/// The cache of one site. Cheap to clone; clones and the caches of other sites share the client.
///
/// Every method here goes on without the server: a read is a miss, a write is dropped, within the
/// client's deadlines, and both are counted ([`Client::stats`]). [`strict`](Self::strict) has the same
/// methods with errors instead.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// # use dontmanage_cache::{Client, RedisUrl};
/// # let (url, _) = (cache.client().url().clone(), ());
/// use dontmanage_cache::{Cache, KeyPrefix, Lifetime, Value};
///
/// let cache = Cache::new(Client::new(url), KeyPrefix::new("_3f1b")?);
/// let sum = match cache.get_value("slow_addition|40+2") {
///     Some(sum) => sum,
///     None => {
///         let sum = Value::from(42);
///         cache.set_value("slow_addition|40+2", &sum, Lifetime::secs(3600))?;
///         sum
///     }
/// };
/// assert_eq!(cache.get_value("slow_addition|40+2"), Some(sum));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Cache {
    pub(crate) client: Client,
    pub(crate) prefix: KeyPrefix,
    pub(crate) signing_key: Option<Arc<SigningKey>>,
    /// In a request.
    pub(crate) local: Option<Arc<Local>>,
}

impl Cache {
    /// The cache of the site with that prefix. Values are bare pickles until
    /// [`with_signing_key`](Self::with_signing_key).
    #[must_use]
    pub fn new(client: Client, prefix: KeyPrefix) -> Self {
        Self { client, prefix, signing_key: None, local: None }
    }

    /// The cache of no site in particular, for bindings that make full keys themselves, and for
    /// [`for_site`](Self::for_site).
    #[must_use]
    pub fn of_no_site(client: Client) -> Self {
        Self::new(client, KeyPrefix::nobodys())
    }

    /// The same cache with signed values: what was not signed with this key, or is not where it was put,
    /// is a miss and is never read.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, SigningKey, Value};
    ///
    /// // In a bench: SigningKey::from_file_text(&std::fs::read_to_string("config/cache.key")?)?
    /// let stranger = cache.clone().with_signing_key(SigningKey::from_bytes([1; 32]));
    /// stranger.set_value("total", &Value::from(42), Lifetime::NONE)?;
    /// assert_eq!(cache.get_value("total"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_signing_key(mut self, key: SigningKey) -> Self {
        self.signing_key = Some(Arc::new(key));
        // What has been read by other rules.
        self.local = None;
        self
    }

    /// The cache of another site of the bench, by the same client and signing key.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{KeyPrefix, Lifetime, Value};
    ///
    /// let other = cache.for_site(KeyPrefix::new("_9c2d")?);
    /// cache.set_value("total", &Value::from(42), Lifetime::NONE)?;
    /// assert_eq!(other.get_value("total"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn for_site(&self, prefix: KeyPrefix) -> Self {
        Self { prefix, ..self.clone() }
    }

    /// The same operations, telling what went wrong.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{CacheError, Rejection, Call};
    ///
    /// let full = cache.make_key("total");
    /// cache.client().command(Call::Write, &[b"SET", &full, b"unsigned"])?;
    /// assert_eq!(cache.get_value("total"), None);
    /// let why = cache.strict().get_value("total");
    /// assert!(matches!(why, Err(CacheError::Rejected(Rejection::Unsigned))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn strict(&self) -> Strict<'_> {
        Strict::new(self)
    }

    /// The pickles at full keys, without regard to a site or a request's copy.
    #[must_use]
    pub fn store(&self) -> Store<'_> {
        let store = Store::new(&self.client, self.signing_key.as_deref());
        if self.prefix.is_nobodys() { store } else { store.of_site(&self.prefix) }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The site's key prefix.
    #[must_use]
    pub fn prefix(&self) -> &KeyPrefix {
        &self.prefix
    }

    /// Whether values are signed.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signing_key.is_some()
    }

    /// The full key in Redis.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::Key;
    ///
    /// assert_eq!(cache.make_key("total"), b"_3f1b8c2a|total");
    /// assert_eq!(cache.make_key(Key::from("theme").user("ann@x.co")), b"_3f1b8c2a|user:ann@x.co:theme");
    /// assert_eq!(cache.make_key(Key::from("assets").shared()), b"assets");
    /// ```
    #[must_use]
    pub fn make_key<'a>(&self, key: impl Into<Key<'a>>) -> Vec<u8> {
        self.prefix.make_key(key)
    }

    /// Whether the server answers.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// assert!(cache.connected());
    /// ```
    #[must_use]
    pub fn connected(&self) -> bool {
        self.client.ping().is_ok()
    }

    /// A value, or none on a miss. A stored `None` is `Some(Value::None)`.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Key, Lifetime, Value};
    ///
    /// cache.set_value(Key::from("theme").user("ann@x.co"), &Value::from("dark"), Lifetime::NONE)?;
    /// assert_eq!(cache.get_value(Key::from("theme").user("ann@x.co")), Some(Value::from("dark")));
    /// assert_eq!(cache.get_value("theme"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_value<'a>(&self, key: impl Into<Key<'a>>) -> Option<Value> {
        self.strict().get_value(key).ok().flatten()
    }

    /// Stores a value, in place of an older one and its lifetime. Fails only if Python could not take
    /// the value back.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Value};
    ///
    /// cache.set_value("price", &Value::from(1.5), Lifetime::secs(60))?;
    /// assert_eq!(cache.get_value("price"), Some(Value::from(1.5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_value<'a>(
        &self,
        key: impl Into<Key<'a>>,
        value: &Value,
        lifetime: Lifetime,
    ) -> Result<(), UnpicklableError> {
        self.stored(self.strict().set_value(key, value, lifetime))
    }

    /// Removes a value. Whether there was one.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Value};
    ///
    /// cache.set_value("price", &Value::from(1.5), Lifetime::NONE)?;
    /// assert!(cache.delete_value("price"));
    /// assert!(!cache.delete_value("price"), "it is gone");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete_value<'a>(&self, key: impl Into<Key<'a>>) -> bool {
        self.written(self.strict().delete_value(key))
    }

    /// Removes values. How many there were.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Value};
    ///
    /// cache.set_values([("a", Value::from(1)), ("b", Value::from(2))], Lifetime::NONE)?;
    /// assert_eq!(cache.delete_values(["a", "b", "c"]), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete_values<'a, K: Into<Key<'a>>>(&self, keys: impl IntoIterator<Item = K>) -> u64 {
        self.written(self.strict().delete_values(keys))
    }

    /// Removes what [`get_keys`](Self::get_keys) finds. How many there were.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Value};
    ///
    /// cache.set_values([("price|apple", Value::from(1)), ("stock|apple", Value::from(2))], Lifetime::NONE)?;
    /// assert_eq!(cache.delete_keys("price|"), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete_keys(&self, beginning: impl AsRef<[u8]>) -> u64 {
        self.written(self.strict().delete_keys(beginning))
    }

    /// How many of the keys exist.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Value};
    ///
    /// cache.set_value("a", &Value::None, Lifetime::NONE)?;
    /// assert_eq!(cache.exists(["a", "b"]), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn exists<'a, K: Into<Key<'a>>>(&self, keys: impl IntoIterator<Item = K>) -> u64 {
        self.strict().exists(keys).unwrap_or_default()
    }

    /// Gives a key another lifetime, from now. Whether there is such a key.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Ttl, Value};
    ///
    /// cache.set_value("price", &Value::from(1.5), Lifetime::NONE)?;
    /// assert_eq!(cache.ttl("price"), Ttl::Unlimited);
    /// assert!(cache.expire_key("price", Lifetime::secs(60)));
    /// assert!(matches!(cache.ttl("price"), Ttl::Left(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expire_key<'a>(&self, key: impl Into<Key<'a>>, lifetime: Lifetime) -> bool {
        self.written(self.strict().expire_key(key, lifetime))
    }

    /// The time left to a key; [`Ttl::Missing`] also if the server is away.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// assert_eq!(cache.ttl("price"), dontmanage_cache::Ttl::Missing);
    /// ```
    #[must_use]
    pub fn ttl<'a>(&self, key: impl Into<Key<'a>>) -> Ttl {
        self.strict().ttl(key).unwrap_or(Ttl::Missing)
    }

    /// The full keys of this site that begin with a text, in no order. In the text, `*` stands for
    /// anything, and nothing else is special.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Value};
    ///
    /// cache.set_value("report[1].total", &Value::from(1), Lifetime::NONE)?;
    /// assert_eq!(cache.get_keys("report[1]"), [b"_3f1b8c2a|report[1].total"]);
    /// assert_eq!(cache.get_keys("r*total").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_keys(&self, beginning: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
        self.strict().get_keys(beginning).unwrap_or_default()
    }

    /// A field of a hash, or none on a miss.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::Value;
    ///
    /// cache.hset("roles", "ann@x.co", &Value::from("Accountant"))?;
    /// assert_eq!(cache.hget("roles", "ann@x.co"), Some(Value::from("Accountant")));
    /// assert_eq!(cache.hget("roles", "bob@x.co"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hget<'a>(&self, name: impl Into<Key<'a>>, field: impl AsRef<[u8]>) -> Option<Value> {
        self.strict().hget(name, field).ok().flatten()
    }

    /// Stores a field of a hash.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Key, Value};
    ///
    /// cache.hset(Key::from("versions").shared(), "css", &Value::from(7))?;
    /// assert!(cache.hexists(Key::from("versions").shared(), "css"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hset<'a>(
        &self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
        value: &Value,
    ) -> Result<(), UnpicklableError> {
        self.stored(self.strict().hset(name, field, value))
    }

    /// All fields of a hash. One whose value is rejected or unreadable is left out.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::Value;
    ///
    /// cache.hset("roles", "ann@x.co", &Value::from("Accountant"))?;
    /// assert_eq!(cache.hgetall("roles"), [(b"ann@x.co".to_vec(), Value::from("Accountant"))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hgetall<'a>(&self, name: impl Into<Key<'a>>) -> Vec<(Vec<u8>, Value)> {
        let fields = self.strict().hgetall(name).unwrap_or_default();
        fields.into_iter().filter_map(|(field, value)| Some((field, value.ok()?))).collect()
    }

    /// Removes fields of a hash. How many there were.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// cache.hset("roles", "ann@x.co", &dontmanage_cache::Value::None)?;
    /// assert_eq!(cache.hdel("roles", &["ann@x.co", "bob@x.co"]), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hdel<'a, F: AsRef<[u8]>>(&self, name: impl Into<Key<'a>>, fields: &[F]) -> u64 {
        self.written(self.strict().hdel(name, fields))
    }

    /// Whether a hash has a field.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// assert!(!cache.hexists("roles", "ann@x.co"));
    /// ```
    #[must_use]
    pub fn hexists<'a>(&self, name: impl Into<Key<'a>>, field: impl AsRef<[u8]>) -> bool {
        self.strict().hexists(name, field).unwrap_or_default()
    }

    /// The field names of a hash, in no order.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// cache.hset("roles", "ann@x.co", &dontmanage_cache::Value::None)?;
    /// assert_eq!(cache.hkeys("roles"), [b"ann@x.co"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hkeys<'a>(&self, name: impl Into<Key<'a>>) -> Vec<Vec<u8>> {
        self.strict().hkeys(name).unwrap_or_default()
    }

    /// Removes every key of this site; other sites' and shared keys stay. For a dry run, progress or
    /// several sites at once see [`Flush`].
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// cache.set_value("price", &dontmanage_cache::Value::from(1.5), dontmanage_cache::Lifetime::NONE)?;
    /// assert_eq!(cache.flush()?.removed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&self) -> Result<FlushReport, FlushError> {
        let report = Flush::of([self.prefix.clone()]).run(&self.client);
        if let Some(local) = &self.local {
            local.change(Changed::Any, LocalCopy::clear);
        }
        report
    }

    /// A write that was not done is dropped and counted; nothing else about it concerns a worker.
    /// In a request: what watches its copy, to be asked for before the server is asked or told anything.
    pub(crate) fn watch(&self) -> Option<Watch> {
        self.local.as_ref().map(Local::watch)
    }

    fn written<T: Default>(&self, result: Result<T, CacheError>) -> T {
        result.unwrap_or_else(|_| {
            self.client.counters().dropped_writes.add();
            T::default()
        })
    }

    /// As [`written`](Self::written), but a value that can't be stored is the program's own mistake.
    fn stored(&self, result: Result<(), CacheError>) -> Result<(), UnpicklableError> {
        match result {
            Err(CacheError::Unpicklable(error)) => Err(error),
            result => {
                self.written(result);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("client", &self.client)
            .field("prefix", &self.prefix)
            .field("signed", &self.is_signed())
            .finish_non_exhaustive()
    }
}
