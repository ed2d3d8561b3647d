//! The cache in Rust's own types.

use serde::{Serialize, de::DeserializeOwned};

use crate::cache::{Cache, CacheError};
use crate::key::Key;
use crate::lifetime::Lifetime;
use crate::pickle::UnpicklableError;
use crate::serde::{ShapeError, from_value, to_value};
use crate::stats::Unreadable;
use crate::strict::Strict;
use crate::value::Value;

/// A value of the program's own that can't be stored: the program's mistake, not the server's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// serde has no value for it.
    #[error("the value can't be stored: {0}")]
    Shape(#[from] ShapeError),
    /// Python has none for it.
    #[error("the value can't be stored: {0}")]
    Unpicklable(#[from] UnpicklableError),
}

impl Cache {
    /// A value as a type of the program's own, or none on a miss. A value of another shape is a miss too, and
    /// counted as unreadable; [`Strict::get`] tells what does not fit.
    ///
    /// ```no_run
    /// # fn run(cache: &dontmanage_cache::Cache) -> Result<(), Box<dyn std::error::Error>> {
    /// use dontmanage_cache::Lifetime;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Price {
    ///     amount: f64,
    ///     currency: String,
    /// }
    ///
    /// cache.set("price|apple", &Price { amount: 1.5, currency: "EUR".into() }, Lifetime::secs(60))?;
    /// // In Python: dontmanage.cache.get_value("price|apple") == {"amount": 1.5, "currency": "EUR"}
    /// if let Some(price) = cache.get::<Price>("price|apple") {
    ///     println!("{} {}", price.amount, price.currency);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn get<'a, T: DeserializeOwned>(&self, key: impl Into<Key<'a>>) -> Option<T> {
        self.strict().get(key).ok().flatten()
    }

    /// Stores a value of the program's own, in place of an older one and its lifetime. Fails only if it can't
    /// be stored in any cache.
    pub fn set<'a, T: Serialize + ?Sized>(
        &self,
        key: impl Into<Key<'a>>,
        value: &T,
        lifetime: Lifetime,
    ) -> Result<(), StoreError> {
        Ok(self.set_value(key, &to_value(value)?, lifetime)?)
    }

    /// The value in the cache, or what `make` makes, which is then kept. One that can't be kept is only
    /// made anew the next time.
    ///
    /// For an answer that is dear to make and wanted by many at once, `#[redis_cache]` and
    /// [`memo`](crate::memo) let one of them make it.
    pub fn get_or_set_with<'a, T: Serialize + DeserializeOwned>(
        &self,
        key: impl Into<Key<'a>>,
        lifetime: Lifetime,
        make: impl FnOnce() -> T,
    ) -> T {
        let key = key.into();
        self.get(key).unwrap_or_else(|| {
            let value = make();
            if self.set(key, &value, lifetime).is_err() {
                self.client.counters().dropped_writes.add();
            }
            value
        })
    }

    /// A field of a hash as a type of the program's own, or none on a miss.
    #[must_use]
    pub fn get_field<'a, T: DeserializeOwned>(
        &self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
    ) -> Option<T> {
        self.strict().get_field(name, field).ok().flatten()
    }

    /// Stores a field of a hash.
    pub fn set_field<'a, T: Serialize + ?Sized>(
        &self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
        value: &T,
    ) -> Result<(), StoreError> {
        Ok(self.hset(name, field, &to_value(value)?)?)
    }
}

impl Strict<'_> {
    /// A value as a type of the program's own, or none if there is none.
    pub fn get<'a, T: DeserializeOwned>(self, key: impl Into<Key<'a>>) -> Result<Option<T>, CacheError> {
        let key = key.into();
        self.get_value(key)?.map(|value| self.shaped(key, value)).transpose()
    }

    /// A field of a hash as a type of the program's own, or none if there is none.
    pub fn get_field<'a, T: DeserializeOwned>(
        self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
    ) -> Result<Option<T>, CacheError> {
        let name = name.into();
        self.hget(name, field)?.map(|value| self.shaped(name, value)).transpose()
    }

    fn shaped<T: DeserializeOwned>(self, key: Key<'_>, value: Value) -> Result<T, CacheError> {
        from_value(value).map_err(|error| {
            // Found, but of no use here: what was counted as a hit is a miss.
            self.store().note_unreadable(&self.cache().make_key(key), Unreadable::Shape);
            CacheError::Shape(error)
        })
    }
}
