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
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
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
    /// let price: Price = cache.get("price|apple").expect("it was just put there");
    /// assert_eq!((price.amount, price.currency.as_str()), (1.5, "EUR"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get<'a, T: DeserializeOwned>(&self, key: impl Into<Key<'a>>) -> Option<T> {
        self.strict().get(key).ok().flatten()
    }

    /// Stores a value of the program's own, in place of an older one and its lifetime. Fails only if it can't
    /// be stored in any cache.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::Lifetime;
    ///
    /// cache.set("primes", &[2, 3, 5, 7], Lifetime::NONE)?;
    /// assert_eq!(cache.get::<Vec<u32>>("primes"), Some(vec![2, 3, 5, 7]));
    /// assert_eq!(cache.get::<String>("primes"), None, "it is of another shape");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::Lifetime;
    ///
    /// for _ in 0..2 {
    ///     let sum: i64 = cache.get_or_set_with("slow_addition|40+2", Lifetime::secs(60), || 40 + 2);
    ///     assert_eq!(sum, 42);
    /// }
    /// assert_eq!(cache.client().stats().writes, 1);
    /// ```
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
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// cache.set_field("stock", "apple", &12)?;
    /// assert_eq!(cache.get_field::<u32>("stock", "apple"), Some(12));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_field<'a, T: DeserializeOwned>(
        &self,
        name: impl Into<Key<'a>>,
        field: impl AsRef<[u8]>,
    ) -> Option<T> {
        self.strict().get_field(name, field).ok().flatten()
    }

    /// Stores a field of a hash.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// cache.set_field("stock", "apple", &Some(12))?;
    /// assert!(cache.hexists("stock", "apple"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
