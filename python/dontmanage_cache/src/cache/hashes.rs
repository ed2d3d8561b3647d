//! Hashes: values by name and field.

use dontmanage_cache::{CacheError, Found, Ttl};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use super::{Cache, Here};
use crate::arguments::{check_generator, several};
use crate::full_key::{KeyBuffer, Whose, beginning, full_key, given_back, text};
use crate::pickling::{dumps, loads};
use crate::watch::{Watch, taken};

impl Cache {
    pub(super) fn set_field(
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

    pub(super) fn get_field<'py>(
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

    pub(super) fn all_fields<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let values = PyDict::new(py);
        for (field, pickle) in here.read(|store| store.hgetall(&full))? {
            let Ok(pickle) = pickle else { continue };
            match loads(py, &pickle)? {
                Ok(value) => values.set_item(given_back(py, &field)?, value)?,
                Err(why) => here.store()?.note_unreadable(&full, why),
            }
        }
        Ok(values)
    }

    pub(super) fn has_field(
        &self,
        name: &Bound<'_, PyAny>,
        field: &Bound<'_, PyAny>,
        shared: bool,
    ) -> PyResult<bool> {
        if field.is_none() {
            return Ok(false);
        }
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let field = text(field)?;
        here.read(|store| store.hexists(&full, &field))
    }

    pub(super) fn field_names<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let names = here.read(|store| store.hkeys(&full))?;
        PyList::new(py, names.iter().map(|name| PyBytes::new(py, name)))
    }

    pub(super) fn delete_fields(
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
            let words = pyo3::types::PyTuple::new(py, words.collect::<Vec<_>>())?;
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

    pub(super) fn delete_field_of(
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

    pub(super) fn delete_field_beginning(
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
        let done = self.ask(|store| store.hset(full, field, bytes))?;
        if let Err(error) = &done {
            self.server()?.store().note_dropped_write();
            // The server is there and says no: what it would not take is not there for this request either.
            if matches!(error, CacheError::Redis(error) if error.server_error().is_some()) {
                return Ok(());
            }
        }
        if let Some(watch) = watch {
            watch.keep_stored(self.store()?, full, Some(field), value, pickle, Ttl::Unlimited);
        } else if let Some(copy) = self.copy() {
            copy.remove_field(full, field);
        }
        Ok(())
    }
}
