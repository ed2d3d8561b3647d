//! The cache's operations with their errors, for tools and for callers who want to know.

use std::sync::Arc;

use crate::cache::{Cache, CacheError};
use crate::envelope::Rejection;
use crate::key::{Beginning, Key};
use crate::lifetime::{Lifetime, Ttl};
use crate::local_copy::LocalCopy;
use crate::pickle;
use crate::request::Local;
use crate::shared_copy::Changed;
use crate::store::Store;
use crate::value::Value;

/// A [`Cache`] whose operations tell what went wrong.
#[derive(Clone, Copy, Debug)]
pub struct Strict<'c> {
    cache: &'c Cache,
}

impl<'c> Strict<'c> {
    pub(crate) fn new(cache: &'c Cache) -> Self {
        Self { cache }
    }

    pub(crate) fn cache(self) -> &'c Cache {
        self.cache
    }

    /// A value, or none if there is none.
    pub fn get_value<'a>(self, key: impl Into<Key<'a>>) -> Result<Option<Value>, CacheError> {
        let key = self.cache.make_key(key);
        self.get_full(&key, |bytes| self.unpickled(&key, bytes))?.transpose()
    }

    /// Lends the pickle of a value, after its signature has been checked, to `read`.
    pub fn get_pickle<'a, T>(
        self,
        key: impl Into<Key<'a>>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, CacheError> {
        self.get_full(&self.cache.make_key(key), read)
    }

    fn get_full<T>(self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, CacheError> {
        match &self.cache.local {
            None => self.store().get(key, read),
            Some(local) => self.through(local, key, None, read),
        }
    }

    /// Stores a value, in place of an older one and its lifetime.
    pub fn set_value<'a>(
        self,
        key: impl Into<Key<'a>>,
        value: &Value,
        lifetime: Lifetime,
    ) -> Result<(), CacheError> {
        let key = self.cache.make_key(key);
        if self.cache.local.is_none() {
            return self.store().set_written(&key, lifetime, |out| pickle::write(value, out));
        }
        let mut bytes = Vec::with_capacity(128);
        pickle::write(value, &mut bytes)?;
        self.set_full(&key, &bytes, lifetime)
    }

    /// Stores a value that has been pickled elsewhere.
    pub fn set_pickle<'a>(
        self,
        key: impl Into<Key<'a>>,
        bytes: &[u8],
        lifetime: Lifetime,
    ) -> Result<(), CacheError> {
        self.set_full(&self.cache.make_key(key), bytes, lifetime)
    }

    /// Removes a value. Whether there was one.
    pub fn delete_value<'a>(self, key: impl Into<Key<'a>>) -> Result<bool, CacheError> {
        Ok(self.delete_values([key])? > 0)
    }

    /// Removes values, in one round trip. How many there were.
    pub fn delete_values<'a, K: Into<Key<'a>>>(
        self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<u64, CacheError> {
        let keys = self.full(keys);
        let removed = self.store().delete(&keys);
        for key in &keys {
            self.follow(Changed::Key(key), |copy| copy.remove(key));
        }
        removed
    }

    /// How many of the keys exist.
    pub fn exists<'a, K: Into<Key<'a>>>(self, keys: impl IntoIterator<Item = K>) -> Result<u64, CacheError> {
        self.store().exists(&self.full(keys))
    }

    /// Removes what [`get_keys`](Self::get_keys) finds, in bounded steps. How many there were.
    pub fn delete_keys(self, beginning: impl AsRef<[u8]>) -> Result<u64, CacheError> {
        let beginning = Beginning::new(&self.cache.prefix, beginning.as_ref());
        let removed = self.store().delete_beginning(&beginning);
        self.follow(Changed::Any, |copy| copy.remove_beginning(&beginning));
        removed
    }

    /// The full keys of this site that begin with a text, in no order. In the text, `*` stands for
    /// anything, and nothing else is special.
    pub fn get_keys(self, beginning: impl AsRef<[u8]>) -> Result<Vec<Vec<u8>>, CacheError> {
        self.store().keys(&Beginning::new(&self.cache.prefix, beginning.as_ref()))
    }

    /// Gives a key another lifetime, from now. Whether there is such a key.
    pub fn expire_key<'a>(self, key: impl Into<Key<'a>>, lifetime: Lifetime) -> Result<bool, CacheError> {
        let key = self.cache.make_key(key);
        let expired = self.store().expire(&key, lifetime);
        self.follow(Changed::Key(&key), |copy| copy.remove(&key));
        expired
    }

    /// The time left to a key.
    pub fn ttl<'a>(self, key: impl Into<Key<'a>>) -> Result<Ttl, CacheError> {
        self.store().ttl(&self.cache.make_key(key))
    }

    /// A field of a hash, or none if there is none.
    pub fn hget<'a>(
        self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
    ) -> Result<Option<Value>, CacheError> {
        let key = self.cache.make_key(name);
        self.hget_full(&key, field.as_ref(), |bytes| self.unpickled(&key, bytes))?.transpose()
    }

    /// Lends the pickle of a field, after its signature has been checked, to `read`.
    pub fn hget_pickle<'a, T>(
        self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, CacheError> {
        self.hget_full(&self.cache.make_key(name), field.as_ref(), read)
    }

    fn hget_full<T>(
        self,
        key: &[u8],
        field: &[u8],
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, CacheError> {
        match &self.cache.local {
            None => self.store().hget(key, field, read),
            Some(local) => self.through(local, key, Some(field), read),
        }
    }

    /// Stores a field of a hash.
    pub fn hset<'a>(
        self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
        value: &Value,
    ) -> Result<(), CacheError> {
        let key = self.cache.make_key(name);
        let field = field.as_ref();
        let stored = self.store().hset_written(&key, field, |out| pickle::write(value, out));
        // The time left to the hash is known at the next read.
        self.follow(Changed::Key(&key), |copy| copy.remove_field(&key, field));
        stored
    }

    /// All fields of a hash, in no order. A value that is not taken stands as the reason why.
    #[expect(clippy::type_complexity, reason = "a list of names with results, and an error of the whole")]
    pub fn hgetall<'a>(
        self,
        name: impl Into<Key<'a>>,
    ) -> Result<Vec<(Vec<u8>, Result<Value, CacheError>)>, CacheError> {
        let key = self.cache.make_key(name);
        let fields = self.store().hgetall(&key)?;
        let read = |pickle: Result<&[u8], Rejection>| self.unpickled(&key, pickle?);
        Ok(fields.iter().map(|(name, pickle)| (name.to_vec(), read(pickle))).collect())
    }

    /// Removes fields of a hash. How many there were.
    pub fn hdel<'a, F: AsRef<[u8]>>(self, name: impl Into<Key<'a>>, fields: &[F]) -> Result<u64, CacheError> {
        let key = self.cache.make_key(name);
        let removed = self.store().hdel(&key, fields);
        self.follow(Changed::Key(&key), |copy| {
            for field in fields {
                copy.remove_field(&key, field.as_ref());
            }
        });
        removed
    }

    /// Whether a hash has a field.
    pub fn hexists<'a>(self, name: impl Into<Key<'a>>, field: impl AsRef<[u8]>) -> Result<bool, CacheError> {
        self.store().hexists(&self.cache.make_key(name), field.as_ref())
    }

    /// The field names of a hash, in no order.
    pub fn hkeys<'a>(self, name: impl Into<Key<'a>>) -> Result<Vec<Vec<u8>>, CacheError> {
        self.store().hkeys(&self.cache.make_key(name))
    }

    /// Reads through a request's copy.
    fn through<T>(
        self,
        local: &Arc<Local>,
        key: &[u8],
        field: Option<&[u8]>,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, CacheError> {
        if let Some(pickle) = local.get(key, field) {
            self.cache.client.counters().local_hit(self.store().name(key));
            return Ok(Some(read(&pickle)));
        }
        let watch = local.watch();
        let found = match field {
            None => self.store().find(key),
            Some(field) => self.store().hfind(key, field),
        };
        Ok(found?.map(|found| {
            watch.found(key, field, &found.pickle, found.left);
            read(&found.pickle)
        }))
    }

    fn set_full(self, key: &[u8], pickle: &[u8], lifetime: Lifetime) -> Result<(), CacheError> {
        let watch = self.cache.watch();
        let stored = self.store().set(key, pickle, lifetime);
        if let Some(watch) = watch {
            watch.stored(key, pickle, lifetime, stored.is_ok());
        }
        stored
    }

    /// Lets a request's copy follow a change that the server was told of, also one that failed: it may have
    /// been done.
    pub(crate) fn follow(self, what: Changed<'_>, change: impl FnOnce(&mut LocalCopy<Arc<[u8]>>)) {
        if let Some(local) = &self.cache.local {
            local.change(what, change);
        }
    }

    pub(crate) fn store(self) -> Store<'c> {
        self.cache.store()
    }

    pub(crate) fn full<'a, K: Into<Key<'a>>>(self, keys: impl IntoIterator<Item = K>) -> Vec<Vec<u8>> {
        keys.into_iter().map(|key| self.cache.make_key(key)).collect()
    }

    pub(crate) fn unpickled(self, key: &[u8], bytes: &[u8]) -> Result<Value, CacheError> {
        pickle::read(bytes).map_err(|error| {
            // Found, but of no use here: what was counted as a hit is a miss.
            self.store().note_unreadable(key, (&error).into());
            error.into()
        })
    }
}
