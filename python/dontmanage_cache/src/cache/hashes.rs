//! Hashes: values by name and field.

use dontmanage_cache::{CacheError, Found, Ttl};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use super::{Any, Cache, Here};
use crate::arguments::{check_generator, refuse_several_fields, several, yes};
use crate::full_key::{KeyBuffer, Whose, beginning, full_key, given_back, text};
use crate::pickling::{dumps, loads};
use crate::watch::{Watch, taken};

#[pymethods]
impl Cache {
    /// Store a field of a hash: any object that can be pickled. Nothing happens if the field is None.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hget("user|admin", "name")
    /// 'Admin'
    /// ```
    #[pyo3(signature = (name, key, value, shared=false, *_more, cache_locally=true, **options))]
    #[expect(clippy::too_many_arguments, reason = "the surface that programs know")]
    fn hset(
        &self,
        name: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
        _more: &Bound<'_, PyTuple>,
        #[pyo3(from_py_with = yes)] cache_locally: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        refuse_several_fields(options)?;
        self.set_field(name, key, value, shared, cache_locally)
    }

    /// A field of a hash; None on a miss. On a miss a `generator` is called, and its answer is stored.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hget("user|admin", "name"), cache.hget("user|admin", "age", default=0)
    /// ('Admin', 0)
    /// >>> cache.hget("user|admin", "roles", lambda: ["Guest"])
    /// ['Guest']
    /// ```
    #[pyo3(signature = (name, key, generator=None, shared=false, *, default=None))]
    fn hget<'py>(
        &self,
        name: Any<'_, 'py>,
        key: Any<'_, 'py>,
        generator: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        default: Option<Any<'_, 'py>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.get_field(name, key, generator, shared, default)
    }

    /// All fields of a hash, as the server has them.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hset("user|admin", "email", "admin@example.com")
    /// >>> cache.hgetall("user|admin")
    /// {'name': 'Admin', 'email': 'admin@example.com'}
    /// ```
    #[pyo3(signature = (name, shared=false))]
    fn hgetall<'py>(
        &self,
        name: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.all_fields(name, shared)
    }

    /// Whether the server has a field of a hash.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hexists("user|admin", "name"), cache.hexists("user|admin", "age")
    /// (True, False)
    /// ```
    #[pyo3(signature = (name, key, shared=false))]
    fn hexists(
        &self,
        name: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<bool> {
        self.has_field(name, key, shared)
    }

    /// The field names of a hash, as bytes.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hkeys("user|admin")
    /// [b'name']
    /// ```
    #[pyo3(signature = (name, shared=false))]
    fn hkeys<'py>(
        &self,
        name: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        self.field_names(name, shared)
    }

    /// Remove a field of a hash, or several: a list, tuple or set. How many there were. With a redis-py
    /// `pipeline` they are removed when it is executed.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hset("user|admin", "email", "admin@example.com")
    /// >>> cache.hdel("user|admin", "name"), cache.hdel("user|admin", ["email", "missing"])
    /// (1, 1)
    /// ```
    #[pyo3(signature = (name, keys, shared=false, pipeline=None))]
    fn hdel(
        &self,
        name: &Bound<'_, PyAny>,
        keys: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
        pipeline: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        self.delete_fields(name, keys, shared, pipeline)
    }

    /// Remove one field from several hashes, in one round trip. How many there were.
    ///
    /// ```python
    /// >>> cache.hset("roles", "ann", ["Guest"])
    /// >>> cache.hset("lang", "ann", "de")
    /// >>> cache.hdel_names(["roles", "lang"], "ann")
    /// 2
    /// ```
    #[pyo3(signature = (names, key, shared=false))]
    fn hdel_names(
        &self,
        names: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.delete_field_of(names, key, shared)
    }

    /// Remove one field from every hash whose name begins with a text. How many there were.
    ///
    /// ```python
    /// >>> cache.hset("settings::mail", "ann", 1)
    /// >>> cache.hset("settings::desk", "ann", 2)
    /// >>> cache.hdel_keys("settings::", "ann")
    /// 2
    /// ```
    #[pyo3(signature = (name_starts_with, key, shared=false))]
    fn hdel_keys(
        &self,
        name_starts_with: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.delete_field_beginning(name_starts_with, key, shared)
    }
}

impl Cache {
    fn set_field(
        &self,
        name: &Bound<'_, PyAny>,
        field: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        shared: bool,
        locally: bool,
    ) -> PyResult<()> {
        if field.is_none() {
            return Ok(());
        }
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let watch = if locally { here.watch() } else { None };
        here.store_field(&full, &text(field)?, value, watch.as_ref())
    }

    fn get_field<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        generator: Option<&Bound<'py, PyAny>>,
        shared: bool,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let otherwise = || default.cloned().unwrap_or_else(|| py.None().into_bound(py));
        if field.is_none() {
            return Ok(otherwise());
        }
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let field = text(field)?;
        if let Some(copy) = here.copy()
            && let Some(value) = copy.lend_field(py, &full, &field)?
        {
            return Ok(value);
        }
        // As long as it takes, with what a generator does.
        let watch = here.watch();
        if let Some(value) = here.fetch_field(py, &full, &field, watch.as_ref())? {
            return Ok(value);
        }
        let Some(generator) = generator.filter(|generator| !generator.is_none()) else {
            return Ok(otherwise());
        };
        check_generator(generator)?;
        let value = generator.call0()?;
        here.store_field(&full, &field, &value, watch.as_ref())?;
        Ok(value)
    }

    fn all_fields<'py>(&self, name: &Bound<'py, PyAny>, shared: bool) -> PyResult<Bound<'py, PyDict>> {
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let values = PyDict::new(py);
        let fields = here.read(|store| store.hgetall(&full))?;
        for (field, pickle) in fields.iter() {
            let Ok(pickle) = pickle else { continue };
            match loads(py, pickle)? {
                Ok(value) => values.set_item(given_back(py, field)?, value)?,
                Err(why) => here.store()?.note_unreadable(&full, why),
            }
        }
        Ok(values)
    }

    fn has_field(&self, name: &Bound<'_, PyAny>, field: &Bound<'_, PyAny>, shared: bool) -> PyResult<bool> {
        if field.is_none() {
            return Ok(false);
        }
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let field = text(field)?;
        here.read(|store| store.hexists(&full, &field))
    }

    fn field_names<'py>(&self, name: &Bound<'py, PyAny>, shared: bool) -> PyResult<Bound<'py, PyList>> {
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let names = here.read(|store| store.hkeys(&full))?;
        PyList::new(py, names.iter().map(|name| PyBytes::new(py, name)))
    }

    fn delete_fields(
        &self,
        name: &Bound<'_, PyAny>,
        fields: &Bound<'_, PyAny>,
        shared: bool,
        pipeline: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let fields: Vec<KeyBuffer> = several(fields)?.iter().map(text).collect::<PyResult<_>>()?;
        if fields.is_empty() {
            return Ok(0);
        }
        let removed = if let Some(pipeline) = pipeline.filter(|pipeline| !pipeline.is_none()) {
            let words = [&full].into_iter().chain(&fields).map(|word| PyBytes::new(py, word));
            let words = PyTuple::new(py, words.collect::<Vec<_>>())?;
            pipeline.call_method1(intern!(py, "hdel"), words)?;
            None
        } else {
            here.write(|store| store.hdel(&full, &fields))?
        };
        if let Some(copy) = here.copy() {
            for field in &fields {
                copy.remove_field(&full, field);
            }
        }
        Ok(removed.unwrap_or(0))
    }

    fn delete_field_of(
        &self,
        names: &Bound<'_, PyAny>,
        field: &Bound<'_, PyAny>,
        shared: bool,
    ) -> PyResult<u64> {
        let py = names.py();
        let here = self.here(py)?;
        let full: Vec<KeyBuffer> = several(names)?
            .iter()
            .map(|name| full_key(py, here.frame(), name, Whose::shared(shared)))
            .collect::<PyResult<_>>()?;
        self.delete_field_at(py, &full, field)
    }

    fn delete_field_beginning(
        &self,
        names: &Bound<'_, PyAny>,
        field: &Bound<'_, PyAny>,
        shared: bool,
    ) -> PyResult<u64> {
        let py = names.py();
        let here = self.here(py)?;
        let beginning = beginning(py, here.frame(), names, Whose::shared(shared))?;
        let mut full = here.read(|store| store.keys(&beginning))?;
        if let Some(copy) = here.copy() {
            // What the server has lost, or could not say.
            full.extend(copy.keys_beginning(&beginning));
            full.sort_unstable();
            full.dedup();
        }
        self.delete_field_at(py, &full, field)
    }

    fn delete_field_at<K: AsRef<[u8]> + Sync>(
        &self,
        py: Python<'_>,
        full: &[K],
        field: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        if field.is_none() {
            return Ok(0);
        }
        let here = self.here(py)?;
        let field = text(field)?;
        let removed = here.write(|store| store.hdel_names(full, &field))?;
        if let Some(copy) = here.copy() {
            for key in full {
                copy.remove_field(key.as_ref(), &field);
            }
        }
        Ok(removed.unwrap_or(0))
    }
}

impl<'py> Here<'_, 'py> {
    /// A field of a hash at a full key, from the server.
    fn fetch_field(
        &self,
        py: Python<'py>,
        full: &[u8],
        field: &[u8],
        watch: Option<&Watch>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = if watch.is_some() {
            self.read(|store| store.hfind(full, field))?
        } else {
            let read = self.read(|store| store.hget(full, field, <[u8]>::to_vec))?;
            read.map(|pickle| Found::new(pickle, Ttl::Unlimited))
        };
        found.map_or(Ok(None), |found| taken(py, self.store()?, full, Some(field), &found, watch))
    }

    /// Stores a field of a hash at a full key, and keeps it for this request if there is a watch from before.
    fn store_field(
        &self,
        full: &[u8],
        field: &[u8],
        value: &Bound<'py, PyAny>,
        watch: Option<&Watch>,
    ) -> PyResult<()> {
        let pickle = dumps(value)?;
        let bytes = pickle.as_bytes();
        let is_kept = watch.is_some();
        let done = self.ask(|store| {
            if is_kept {
                store.hset_timed(full, field, bytes)
            } else {
                store.hset(full, field, bytes).map(|()| Ttl::Unlimited)
            }
        })?;
        if let Err(error) = &done {
            self.server()?.store().note_dropped_write();
            // The server is there and says no: what it would not take is not there for this request either.
            if matches!(error, CacheError::Redis(error) if error.server_error().is_some()) {
                return Ok(());
            }
        }
        if let Some(watch) = watch {
            // Without the server nothing is known of the hash.
            let left = done.unwrap_or(Ttl::Unlimited);
            watch.keep_stored(self.store()?, full, Some(field), value, pickle, left);
        } else if let Some(copy) = self.copy() {
            copy.remove_field(full, field);
        }
        Ok(())
    }
}
