//! One value at a time: the calls that a request makes by the hundred.

use std::time::Instant;

use dontmanage_cache::{Found, Lifetime, Ttl};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::here::Here;
use super::{Any, Cache};
use crate::arguments::{check_generator, lifetime, several, yes};
use crate::full_key::{KeyBuffer, Whose, full_key};
use crate::pickling::dumps;
use crate::watch::{Watch, taken};

/// How a value is read.
struct How<'a, 'py> {
    generator: Option<&'a Bound<'py, PyAny>>,
    default: Option<&'a Bound<'py, PyAny>>,
    expires_in_sec: Option<&'a Bound<'py, PyAny>>,
    /// Whether the request's copy is asked, and keeps what is found.
    local: bool,
}

#[pymethods]
impl Cache {
    /// The value of a key; None, or `default`, on a miss.
    ///
    /// On a miss a `generator` is called, and its answer is stored (for `expires_in_sec`) unless it is
    /// None. `user` is a user's name, or True for the session's. With `expires=True` the server is always
    /// asked.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> cache.get_value("total"), cache.get_value("missing"), cache.get_value("missing", default=0)
    /// (42, None, 0)
    /// >>> cache.get_value("rates", generator=lambda: {"EUR": 1.0}, expires_in_sec=3600)
    /// {'EUR': 1.0}
    /// >>> cache.get_value("rates")
    /// {'EUR': 1.0}
    /// ```
    #[pyo3(signature = (key, generator=None, user=None, expires=false, shared=false, *, use_local_cache=true, default=None, expires_in_sec=None))]
    #[expect(clippy::too_many_arguments, reason = "the surface that programs know")]
    fn get_value<'py>(
        &self,
        key: Any<'_, 'py>,
        generator: Option<Any<'_, 'py>>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] expires: bool,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] use_local_cache: bool,
        default: Option<Any<'_, 'py>>,
        expires_in_sec: Option<Any<'_, 'py>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = How { generator, default, expires_in_sec, local: use_local_cache && !expires };
        self.get_one(key, Whose { user, shared }, &how)
    }

    /// Store a value: any object that can be pickled. `expires_in_sec` is a number of seconds or a
    /// timedelta; None or 0 is no limit. With `cache_locally=False` this request reads it from the server.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> cache.set_value("theme", "dark", user="ann@example.com", expires_in_sec=3600)
    /// >>> cache.get_value("theme"), cache.get_value("theme", user="ann@example.com")
    /// (None, 'dark')
    /// ```
    #[pyo3(signature = (key, val, user=None, expires_in_sec=None, shared=false, *, cache_locally=true))]
    fn set_value<'py>(
        &self,
        key: Any<'_, 'py>,
        val: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        expires_in_sec: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] cache_locally: bool,
    ) -> PyResult<()> {
        self.set_one(key, val, Whose { user, shared }, expires_in_sec, cache_locally)
    }

    /// Remove a value, or several: a list, tuple or set of keys. With `make_keys=False` they are full keys.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": 2, "c": 3})
    /// >>> cache.delete_value("a")
    /// >>> cache.delete_value(["b", "missing"])
    /// >>> cache.get_values(["a", "b", "c"])
    /// {'c': 3}
    /// ```
    #[pyo3(signature = (keys, user=None, make_keys=true, shared=false))]
    fn delete_value(
        &self,
        keys: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] make_keys: bool,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<()> {
        self.delete_several(keys, Whose { user, shared: shared || !make_keys }).map(drop)
    }

    /// The same as `delete_value`.
    ///
    /// ```python
    /// >>> cache.set_value("a", 1)
    /// >>> cache.delete_key("a")
    /// >>> cache.get_value("a")
    /// ```
    #[pyo3(signature = (keys, user=None, make_keys=true, shared=false))]
    fn delete_key(
        &self,
        keys: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] make_keys: bool,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<()> {
        self.delete_value(keys, user, make_keys, shared)
    }

    /// Give a key another lifetime, from now; None or 0 is no limit. Whether there is such a key; None if
    /// the server is away.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> cache.expire_key("total", 60), cache.expire_key("missing", 60)
    /// (True, False)
    /// ```
    #[pyo3(signature = (key, time, *, user=None, shared=false))]
    fn expire_key(
        &self,
        key: &Bound<'_, PyAny>,
        time: Option<&Bound<'_, PyAny>>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Option<bool>> {
        self.expire_one(key, time, Whose { user, shared })
    }

    /// How many of the keys exist; 0 if the server is away.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": 2})
    /// >>> cache.exists("a", "b", "missing")
    /// 2
    /// ```
    #[pyo3(signature = (*names, user=None, shared=false))]
    fn exists(
        &self,
        names: &Bound<'_, PyTuple>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.count_existing(names, Whose { user, shared })
    }
}

impl Cache {
    fn get_one<'py>(
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

    fn set_one(
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

    fn expire_one(
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
            watch.expire(&full, Ttl::from(lifetime).after(began.elapsed()));
        }
        Ok(done)
    }

    fn count_existing(&self, names: &Bound<'_, PyTuple>, whose: Whose<'_, '_>) -> PyResult<u64> {
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
            watch.keep_stored(self.store()?, full, None, value, pickle, lifetime.into());
        } else if let Some(copy) = self.copy() {
            copy.remove(full);
        }
        Ok(())
    }
}
