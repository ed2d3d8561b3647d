//! What `dontmanage.acache` asks: each method answers at once, or with a [`Pending`](super::Pending).

use std::sync::Arc;

use dontmanage_cache::{Answer, Cache as Site, CacheError, Question};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::crew::{Pace, Work};
use super::reactor::Reactor;
use crate::arguments::yes;
use crate::cache::{Cache, Here};
use crate::full_key::Whose;

/// The questions of a cache, for tasks of an event loop.
#[pyclass(frozen, module = "dontmanage_cache._core")]
pub struct Asker {
    pub(super) cache: Py<Cache>,
    /// What stands for a value that is not there.
    pub(super) missing: Py<PyAny>,
}

type Any<'a, 'py> = &'a Bound<'py, PyAny>;
type Answered<'py> = PyResult<Bound<'py, PyAny>>;

#[pymethods]
impl Asker {
    #[new]
    fn new(cache: Py<Cache>, missing: Py<PyAny>) -> Self {
        Self { cache, missing }
    }

    /// The value of a key, or what stands for none.
    fn find<'py>(
        &self,
        key: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] local: bool,
    ) -> Answered<'py> {
        self.find_value(key, Whose { user, shared }, local)
    }

    /// Stores a value.
    fn store<'py>(
        &self,
        key: Any<'_, 'py>,
        value: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        expires_in_sec: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] local: bool,
    ) -> Answered<'py> {
        self.store_value(key, value, Whose { user, shared }, expires_in_sec, local)
    }

    /// Removes values. How many there were.
    fn delete<'py>(
        &self,
        keys: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.delete_values(keys, Whose { user, shared })
    }

    /// Gives a key another lifetime.
    fn expire<'py>(
        &self,
        key: Any<'_, 'py>,
        time: Option<Any<'_, 'py>>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.expire_value(key, time, Whose { user, shared })
    }

    /// How many keys exist.
    fn exist<'py>(
        &self,
        names: &Bound<'py, PyTuple>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.count_existing(names, Whose { user, shared })
    }

    /// Several values, by key.
    fn find_many<'py>(
        &self,
        keys: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] local: bool,
    ) -> Answered<'py> {
        self.find_values(keys, Whose { user, shared }, local)
    }

    /// Stores several values.
    fn store_many<'py>(
        &self,
        values: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        expires_in_sec: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.store_values(values, Whose { user, shared }, expires_in_sec)
    }

    /// The full keys that begin with a text.
    fn keys<'py>(
        &self,
        text: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.keys_beginning(text, Whose { user, shared })
    }

    /// Removes the keys that begin with a text.
    fn delete_keys<'py>(
        &self,
        text: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.delete_beginning(text, Whose { user, shared })
    }

    /// A field of a hash, or what stands for none.
    fn find_field<'py>(
        &self,
        name: Any<'_, 'py>,
        field: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.find_in_hash(name, field, shared)
    }

    /// Stores a field of a hash.
    fn store_field<'py>(
        &self,
        name: Any<'_, 'py>,
        field: Any<'_, 'py>,
        value: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] local: bool,
    ) -> Answered<'py> {
        self.store_in_hash(name, field, value, shared, local)
    }

    /// All fields of a hash.
    fn fields<'py>(&self, name: Any<'_, 'py>, #[pyo3(from_py_with = yes)] shared: bool) -> Answered<'py> {
        self.all_fields(name, shared)
    }

    /// Whether a hash has a field.
    fn has_field<'py>(
        &self,
        name: Any<'_, 'py>,
        field: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.is_in_hash(name, field, shared)
    }

    /// The field names of a hash.
    fn field_names<'py>(
        &self,
        name: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.names_in_hash(name, shared)
    }

    /// Removes fields of a hash.
    fn delete_fields<'py>(
        &self,
        name: Any<'_, 'py>,
        fields: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.delete_in_hash(name, fields, shared)
    }

    /// Removes a field from several hashes.
    fn delete_field_of<'py>(
        &self,
        names: Any<'_, 'py>,
        field: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.delete_in_hashes(names, field, shared)
    }

    /// Removes a field from the hashes whose names begin with a text.
    fn delete_field_beginning<'py>(
        &self,
        text: Any<'_, 'py>,
        field: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.delete_in_hashes_beginning(text, field, shared)
    }

    /// A command on a list or a set.
    fn members<'py>(
        &self,
        command: &str,
        name: Any<'_, 'py>,
        words: &Bound<'py, PyTuple>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> Answered<'py> {
        self.ask_members(command, name, words, Whose { user, shared })
    }

    /// Raises for what is no lifetime.
    #[staticmethod]
    fn check_lifetime(given: Option<Any<'_, '_>>) -> PyResult<()> {
        crate::arguments::lifetime(given).map(drop)
    }

    /// Whether the server answers.
    fn connected<'py>(&self, py: Python<'py>) -> Answered<'py> {
        let cache = self.cache.get();
        let site = cache.here(py)?.server()?.cache().clone();
        let look = Work::Call(Box::new(|site, may_ask| {
            let is_there = may_ask && site.client().look().is_ok();
            Box::new(move |py| Ok(is_there.into_pyobject(py)?.to_owned().into_any()))
        }));
        // Also while the server is known to be away.
        Reactor::submit(py, Pace::Slow, site, look)
    }
}

impl Asker {
    /// Asks, unless the server is known to be away: then there is the answer at once.
    pub(super) fn ask<'py>(
        py: Python<'py>,
        here: &Here<'_, 'py>,
        pace: Pace,
        work: Work,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::ask_at(py, here.server()?.cache(), pace, work)
    }

    pub(super) fn ask_at<'py>(
        py: Python<'py>,
        site: &Arc<Site>,
        pace: Pace,
        work: Work,
    ) -> PyResult<Bound<'py, PyAny>> {
        if site.client().ready().is_err() {
            return work.leave_undone(site).finish(py);
        }
        Reactor::submit(py, pace, site.clone(), work)
    }

    /// Asks one question that others may travel with.
    pub(super) fn ask_question<'py>(
        py: Python<'py>,
        here: &Here<'_, 'py>,
        question: Question,
        then: impl for<'p> FnOnce(Python<'p>, Question, Answer) -> PyResult<Bound<'p, PyAny>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::ask(py, here, Pace::Quick, Work::Question(Box::new(question), Box::new(then)))
    }

    /// Reads: without the server, `finish` gets none.
    pub(super) fn read<'py, T: Send + 'static>(
        py: Python<'py>,
        here: &Here<'_, 'py>,
        pace: Pace,
        question: impl FnOnce(&Site) -> Result<T, CacheError> + Send + 'static,
        finish: impl for<'p> FnOnce(Python<'p>, Option<T>) -> PyResult<Bound<'p, PyAny>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let work = Work::Call(Box::new(move |site, may_ask| {
            let outcome = if may_ask { question(site).ok() } else { None };
            Box::new(move |py| finish(py, outcome))
        }));
        Self::ask(py, here, pace, work)
    }

    /// Writes: without the server, that is dropped and counted, and `finish` gets none.
    pub(super) fn write<'py, T: Send + 'static>(
        py: Python<'py>,
        here: &Here<'_, 'py>,
        pace: Pace,
        order: impl FnOnce(&Site) -> Result<T, CacheError> + Send + 'static,
        finish: impl for<'p> FnOnce(Python<'p>, Option<T>) -> PyResult<Bound<'p, PyAny>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let work = Work::Call(Box::new(move |site, may_ask| {
            let outcome = if may_ask { order(site).ok() } else { None };
            if outcome.is_none() {
                site.store().note_dropped_write();
            }
            Box::new(move |py| finish(py, outcome))
        }));
        Self::ask(py, here, pace, work)
    }

    pub(super) fn site(here: &Here<'_, '_>) -> PyResult<Arc<Site>> {
        Ok(here.server()?.cache().clone())
    }
}

/// A number as a result.
pub(super) fn number(py: Python<'_>, number: u64) -> PyResult<Bound<'_, PyAny>> {
    Ok(number.into_pyobject(py)?.into_any())
}

/// A truth as a result.
pub(super) fn truth(py: Python<'_>, truth: bool) -> PyResult<Bound<'_, PyAny>> {
    Ok(truth.into_pyobject(py)?.to_owned().into_any())
}
