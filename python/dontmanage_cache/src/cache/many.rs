//! Several values in one round trip, and keys by their beginning.

use dontmanage_cache::CacheError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use super::{Any, Cache, Here};
use crate::arguments::{lifetime, mapping, several, yes};
use crate::full_key::{KeyBuffer, Whose, beginning, full_key, given_back};
use crate::local_copy::LocalCopy;
use crate::pickling::dumps;
use crate::watch::taken;

/// An answer about several keys, as far as the request's own copy gives it.
pub struct Sought<'py> {
    /// By key; None for what the server is to be asked for.
    pub values: Bound<'py, PyDict>,
    /// The full keys to ask the server for.
    pub wanted: Vec<KeyBuffer>,
    /// The same keys as they were given.
    pub asked: Vec<Bound<'py, PyAny>>,
}

impl<'py> Sought<'py> {
    /// Looks into the copy, if there is one that counts.
    pub fn begin(
        here: &Here<'_, 'py>,
        keys: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
        copy: Option<&LocalCopy>,
    ) -> PyResult<Self> {
        let py = keys.py();
        let mut sought = Self { values: PyDict::new(py), wanted: Vec::new(), asked: Vec::new() };
        for key in several(keys)? {
            let full = full_key(py, here.frame(), &key, whose)?;
            let lent = match copy {
                Some(copy) => copy.lend(py, &full)?,
                None => None,
            };
            // The place in the answer is that of the question, whatever is asked of the server.
            sought.values.set_item(&key, lent.as_ref())?;
            if lent.is_none() {
                sought.wanted.push(full);
                sought.asked.push(key);
            }
        }
        Ok(sought)
    }
}

#[pymethods]
impl Cache {
    /// The values of several keys, in one round trip: a dict of those that there are.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": None})
    /// >>> cache.get_values(["a", "b", "missing"])
    /// {'a': 1, 'b': None}
    /// ```
    #[pyo3(signature = (keys, user=None, shared=false, *, use_local_cache=true))]
    fn get_values<'py>(
        &self,
        keys: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] use_local_cache: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.get_several(keys, Whose { user, shared }, use_local_cache)
    }

    /// Store the values of a dict, in one round trip.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": [2]}, expires_in_sec=60)
    /// >>> cache.get_value("b")
    /// [2]
    /// ```
    #[pyo3(signature = (values, user=None, expires_in_sec=None, shared=false))]
    fn set_values(
        &self,
        values: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        expires_in_sec: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<()> {
        self.set_several(values, Whose { user, shared }, expires_in_sec)
    }

    /// Remove several values, in one round trip. How many there were.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": 2})
    /// >>> cache.delete_values(["a", "b", "missing"])
    /// 2
    /// ```
    #[pyo3(signature = (keys, user=None, shared=false))]
    fn delete_values(
        &self,
        keys: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.delete_several(keys, Whose { user, shared })
    }

    /// The full keys that begin with a text, in no order. In the text, `*` stands for anything; nothing
    /// else is special.
    ///
    /// ```python
    /// >>> cache.set_values({"report1": 1, "report2": 2, "other": 3})
    /// >>> sorted(cache.get_keys("report"))
    /// [b'_3f1b8c2a|report1', b'_3f1b8c2a|report2']
    /// ```
    #[pyo3(signature = (key, user=None, shared=false))]
    fn get_keys<'py>(
        &self,
        key: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        self.keys_beginning(key, Whose { user, shared })
    }

    /// Remove what `get_keys` finds, in steps so short that other clients do not wait. How many there were.
    ///
    /// ```python
    /// >>> cache.set_values({"report1": 1, "report2": 2, "other": 3})
    /// >>> cache.delete_keys("report")
    /// 2
    /// ```
    #[pyo3(signature = (key, user=None, shared=false))]
    fn delete_keys(
        &self,
        key: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.delete_beginning(key, Whose { user, shared })
    }

    /// All values whose keys begin with a text, by key.
    ///
    /// ```python
    /// >>> cache.set_values({"report1": 1, "report2": [2]})
    /// >>> sorted(cache.get_all("report").items())
    /// [('report1', 1), ('report2', [2])]
    /// ```
    #[pyo3(signature = (key, user=None, shared=false))]
    fn get_all<'py>(
        &self,
        key: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.values_beginning(key, Whose { user, shared })
    }
}

impl Cache {
    fn get_several<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
        local: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = keys.py();
        let here = self.here(py)?;
        let copy = if local { here.copy() } else { None };
        let Sought { values, wanted, asked } = Sought::begin(&here, keys, whose, copy)?;
        if wanted.is_empty() {
            return Ok(values);
        }
        let watch = if local { here.watch() } else { None };
        let found = here.read(|store| store.find_many(&wanted))?;
        let mut found = found.into_iter();
        for (full, key) in wanted.iter().zip(&asked) {
            let value = match found.next() {
                Some(Ok(Some(found))) => taken(py, here.store()?, full, None, &found, watch.as_ref())?,
                _ => None,
            };
            match value {
                Some(value) => values.set_item(key, value)?,
                // Asked for twice, it may be gone from the answer already.
                None if values.contains(key)? => values.del_item(key)?,
                None => {}
            }
        }
        Ok(values)
    }

    fn set_several(
        &self,
        values: &Bound<'_, PyAny>,
        whose: Whose<'_, '_>,
        expires_in_sec: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = values.py();
        let here = self.here(py)?;
        let lifetime = lifetime(expires_in_sec)?;
        let mut pickled = Vec::new();
        for item in mapping(values)?.items()? {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let full = full_key(py, here.frame(), &key, whose)?;
            let pickle = dumps(&value)?;
            pickled.push((full, value, pickle));
        }
        let pairs: Vec<(&[u8], &[u8])> =
            pickled.iter().map(|(full, _, pickle)| (full.as_slice(), pickle.as_bytes())).collect();
        let watch = here.watch();
        here.write(|store| store.set_many(&pairs, lifetime))?;
        drop(pairs);
        if let Some(watch) = watch {
            for (full, value, pickle) in pickled {
                watch.keep_stored(here.store()?, &full, None, &value, pickle, lifetime.into());
            }
        }
        Ok(())
    }

    fn keys_beginning<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = text.py();
        let here = self.here(py)?;
        let beginning = beginning(py, here.frame(), text, whose)?;
        let keys = match here.ask(|store| store.keys(&beginning))? {
            Ok(keys) => keys,
            // What this request knows is better than nothing.
            Err(CacheError::Redis(_)) => {
                here.copy().map_or_else(Vec::new, |copy| copy.keys_beginning(&beginning))
            }
            Err(_) => Vec::new(),
        };
        PyList::new(py, keys.iter().map(|key| PyBytes::new(py, key)))
    }

    fn delete_beginning(&self, text: &Bound<'_, PyAny>, whose: Whose<'_, '_>) -> PyResult<u64> {
        let py = text.py();
        let here = self.here(py)?;
        let beginning = beginning(py, here.frame(), text, whose)?;
        let removed = here.write(|store| store.delete_beginning(&beginning))?;
        if let Some(copy) = here.copy() {
            copy.remove_beginning(&beginning);
        }
        Ok(removed.unwrap_or(0))
    }

    fn values_beginning<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = text.py();
        let here = self.here(py)?;
        // What stands before the program's own text.
        let before = full_key(py, here.frame(), PyBytes::new(py, b"").as_any(), whose)?.len();
        let keys = self.keys_beginning(text, whose)?;
        let by_full_key = self.get_several(keys.as_any(), Whose::shared(true), true)?;
        let values = PyDict::new(py);
        for (full, value) in by_full_key {
            let full: &[u8] = full.extract()?;
            values.set_item(given_back(py, full.get(before..).unwrap_or_default())?, value)?;
        }
        Ok(values)
    }
}
