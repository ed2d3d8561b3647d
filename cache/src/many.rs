//! Many values in one round trip.

use crate::cache::{Cache, CacheError};
use crate::key::Key;
use crate::lifetime::Lifetime;
use crate::pickle::{self, UnpicklableError};
use crate::strict::Strict;
use crate::value::Value;

impl Cache {
    /// Several values in one round trip, in the keys' order; none in the place of a miss.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Value};
    ///
    /// cache.set_values([("price|apple", Value::from(1.5))], Lifetime::secs(60))?;
    /// assert_eq!(cache.get_values(["price|apple", "price|pear"]), [Some(Value::from(1.5)), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_values<'a, K: Into<Key<'a>>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Option<Value>> {
        let keys: Vec<Key<'a>> = keys.into_iter().map(Into::into).collect();
        match self.strict().get_values(keys.iter()) {
            Ok(values) => values.into_iter().map(|value| value.ok().flatten()).collect(),
            Err(_) => vec![None; keys.len()],
        }
    }

    /// Stores several values in one round trip. Fails, and stores none, if Python could not take one of them
    /// back.
    pub fn set_values<'a, K: Into<Key<'a>>>(
        &self,
        values: impl IntoIterator<Item = (K, Value)>,
        lifetime: Lifetime,
    ) -> Result<(), UnpicklableError> {
        match self.strict().set_values(values, lifetime) {
            Err(CacheError::Unpicklable(error)) => Err(error),
            Err(_) => {
                self.client.counters().dropped_writes.add();
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

impl Strict<'_> {
    /// Several values in one round trip, in the keys' order. One that is not taken stands as the reason why.
    pub fn get_values<'a, K: Into<Key<'a>>>(
        self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Result<Option<Value>, CacheError>>, CacheError> {
        let keys = self.full(keys);
        let counters = self.cache().client.counters();
        let Some(local) = &self.cache().local else {
            let found = self.store().find_many(&keys)?;
            return Ok(keys.iter().zip(found).map(|(key, found)| self.value_of(key, found)).collect());
        };
        let watch = local.watch();
        let mut values: Vec<_> = keys
            .iter()
            .map(|key| {
                let pickle = local.get(key, None)?;
                counters.local_hit(self.store().name(key));
                Some(self.unpickled(key, &pickle).map(Some))
            })
            .collect();
        let missing: Vec<&Vec<u8>> =
            keys.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(key, _)| key).collect();
        let mut found = missing.iter().zip(self.store().find_many(&missing)?);
        for value in values.iter_mut().filter(|value| value.is_none()) {
            let Some((key, found)) = found.next() else { break };
            if let Ok(Some(found)) = &found {
                watch.found(key, None, &found.pickle, found.left);
            }
            *value = Some(self.value_of(key, found));
        }
        Ok(values.into_iter().map(|value| value.unwrap_or(Ok(None))).collect())
    }

    /// Stores several values in one round trip, none if one of them can't be pickled. Fails if one of them was
    /// not stored.
    pub fn set_values<'a, K: Into<Key<'a>>>(
        self,
        values: impl IntoIterator<Item = (K, Value)>,
        lifetime: Lifetime,
    ) -> Result<(), CacheError> {
        let mut pickles = Vec::new();
        for (key, value) in values {
            let mut out = Vec::with_capacity(64);
            pickle::write(&value, &mut out)?;
            pickles.push((self.cache().make_key(key), out));
        }
        let watch = self.cache().watch();
        let stored = self.store().set_many(&pickles, lifetime);
        if let Some(watch) = watch {
            for (key, pickle) in &pickles {
                watch.stored(key, pickle, lifetime, stored.is_ok());
            }
        }
        stored
    }

    fn value_of(
        self,
        key: &[u8],
        found: Result<Option<crate::store::Found>, CacheError>,
    ) -> Result<Option<Value>, CacheError> {
        found?.map(|found| self.unpickled(key, &found.pickle)).transpose()
    }
}
