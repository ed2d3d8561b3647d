//! One value at a time: the calls that a request makes by the hundred.

use std::time::Instant;

use dontmanage_cache::{Found, Lifetime, Ttl};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::Cache;
use super::here::Here;
use crate::arguments::{check_generator, lifetime, several};
use crate::full_key::{KeyBuffer, Whose, full_key};
use crate::pickling::dumps;
use crate::watch::{Watch, taken};

/// How a value is read.
pub struct How<'a, 'py> {
    pub generator: Option<&'a Bound<'py, PyAny>>,
    pub default: Option<&'a Bound<'py, PyAny>>,
    pub expires_in_sec: Option<&'a Bound<'py, PyAny>>,
    /// Whether the request's copy is asked, and keeps what is found.
    pub local: bool,
}

impl Cache {
    pub(super) fn get_one<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
        how: &How<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), key, whose)?;
        let copy = if how.local { here.copy() } else { None };
        if let Some(copy) = copy
            && let Some(value) = copy.lend(py, &full)?
        {
            return Ok(value);
        }
        // As long as it takes, with what a generator does.
        let watch = if how.local { here.watch() } else { None };
        if let Some(value) = here.fetch(py, &full, watch.as_ref())? {
            return Ok(value);
        }
        let Some(generator) = how.generator.filter(|generator| !generator.is_none()) else {
            return Ok(how.default.cloned().unwrap_or_else(|| py.None().into_bound(py)));
        };
        check_generator(generator)?;
        let lifetime = lifetime(how.expires_in_sec)?;
        let value = generator.call0()?;
        // None says that there is nothing to keep: it is asked for again.
        if !value.is_none() {
            here.store_value(&full, &value, lifetime, watch.as_ref())?;
        }
        Ok(value)
    }

    pub(super) fn set_one(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        whose: Whose<'_, '_>,
        expires_in_sec: Option<&Bound<'_, PyAny>>,
        locally: bool,
    ) -> PyResult<()> {
        let py = key.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), key, whose)?;
        let watch = if locally { here.watch() } else { None };
        here.store_value(&full, value, lifetime(expires_in_sec)?, watch.as_ref())
    }

    pub(super) fn delete_several(&self, keys: &Bound<'_, PyAny>, whose: Whose<'_, '_>) -> PyResult<u64> {
        let py = keys.py();
        let here = self.here(py)?;
        let full: Vec<KeyBuffer> = several(keys)?
            .iter()
            .map(|key| full_key(py, here.frame(), key, whose))
            .collect::<PyResult<_>>()?;
        if full.is_empty() {
            return Ok(0);
        }
        let removed = here.write(|store| store.delete(&full))?;
        if let Some(copy) = here.copy() {
            for key in &full {
                copy.remove(key);
            }
        }
        Ok(removed.unwrap_or(0))
    }

    pub(super) fn expire_one(
        &self,
        key: &Bound<'_, PyAny>,
        time: Option<&Bound<'_, PyAny>>,
        whose: Whose<'_, '_>,
    ) -> PyResult<Option<bool>> {
        let py = key.py();
        let lifetime = lifetime(time)?;
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), key, whose)?;
        let (watch, began) = (here.watch(), Instant::now());
        let done = here.write(|store| store.expire(&full, lifetime))?;
        if let Some(watch) = watch {
            watch.expire(&full, left(lifetime).after(began.elapsed()));
        }
        Ok(done)
    }

    pub(super) fn count_existing(&self, names: &Bound<'_, PyTuple>, whose: Whose<'_, '_>) -> PyResult<u64> {
        let py = names.py();
        let here = self.here(py)?;
        let full: Vec<KeyBuffer> =
            names.iter().map(|name| full_key(py, here.frame(), &name, whose)).collect::<PyResult<_>>()?;
        here.read(|store| store.exists(&full))
    }
}

impl<'py> Here<'_, 'py> {
    /// The value at a full key, from the server.
    fn fetch(
        &self,
        py: Python<'py>,
        full: &[u8],
        watch: Option<&Watch>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = if watch.is_some() {
            self.read(|store| store.find(full))?
        } else {
            let read = self.read(|store| store.get(full, <[u8]>::to_vec))?;
            read.map(|pickle| Found::new(pickle, Ttl::Unlimited))
        };
        found.map_or(Ok(None), |found| taken(py, self.store()?, full, None, &found, watch))
    }

    /// Stores a value at a full key, and keeps it for this request if there is a watch from before.
    fn store_value(
        &self,
        full: &[u8],
        value: &Bound<'py, PyAny>,
        lifetime: Lifetime,
        watch: Option<&Watch>,
    ) -> PyResult<()> {
        let pickle = dumps(value)?;
        let bytes = pickle.as_bytes();
        self.write(|store| store.set(full, bytes, lifetime))?;
        if let Some(watch) = watch {
            watch.keep_stored(self.store()?, full, None, value, pickle, left(lifetime));
        } else if let Some(copy) = self.copy() {
            copy.remove(full);
        }
        Ok(())
    }
}

/// The time left to what has just been stored.
pub fn left(lifetime: Lifetime) -> Ttl {
    lifetime.as_secs().map_or(Ttl::Unlimited, |seconds| Ttl::Left(std::time::Duration::from_secs(seconds)))
}
