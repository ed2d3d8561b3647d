//! `dontmanage.local.cache`: what this request has read and written, so that it does not ask twice.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dontmanage_cache::{Beginning, LocalCopy as Copies, LocalHits, Store, Ttl};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping};

use crate::changes::Changes;
use crate::copying::Kept;
use crate::full_key::{KeyBuffer, given_back, push_text};
use crate::pickling::dumps;

/// The request's local copy, by full keys. It is a mapping to look into and to clear; values come out as
/// copies of what is kept, and a hash as a dict of the fields that have been asked for.
///
/// ```python
/// >>> cache.set_value("total", 42)
/// >>> copy = dontmanage.local.cache
/// >>> copy[b"_3f1b8c2a|total"], len(copy), b"_3f1b8c2a|other" in copy
/// (42, 1, False)
/// ```
#[derive(Default)]
#[pyclass(frozen, mapping, module = "dontmanage_cache._core")]
pub struct LocalCopy {
    copies: Mutex<Copies<Held>>,
    /// How often the request has changed documents.
    changes: AtomicU64,
    /// How many exchanges are under way whose results may be kept here.
    watchers: AtomicUsize,
    /// What was changed while there were any.
    latest: Mutex<Changes>,
}

/// What is kept, and where it is counted that it is lent; nowhere if the program has put it here itself.
struct Held {
    kept: Kept,
    hits: Option<LocalHits>,
}

impl Held {
    fn counted(&self) -> &Kept {
        if let Some(hits) = &self.hits {
            hits.add();
        }
        &self.kept
    }
}

#[pymethods]
impl LocalCopy {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Forget all.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.clear()
    /// >>> len(dontmanage.local.cache), cache.get_value("total")
    /// (0, 42)
    /// ```
    pub fn clear(&self) {
        self.note(Changes::note_all);
        self.lock().clear();
    }

    /// The full keys.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.keys()
    /// [b'_3f1b8c2a|total']
    /// ```
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let keys: Vec<Vec<u8>> = self.lock().iter().map(|(key, _)| key.to_vec()).collect();
        PyList::new(py, keys.iter().map(|key| PyBytes::new(py, key)))
    }

    /// The value of a full key, or the default.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.get(b"_3f1b8c2a|total"), dontmanage.local.cache.get(b"missing", 0)
    /// (42, 0)
    /// ```
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.found(key)?.or(default))
    }

    /// Forget a full key, and give what was kept of it, or the default.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.pop(b"_3f1b8c2a|total"), dontmanage.local.cache.pop(b"missing", 0)
    /// (42, 0)
    /// ```
    #[pyo3(signature = (key, *default))]
    fn pop<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, pyo3::types::PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = self.found(key)?;
        self.remove(&full(key)?);
        match found {
            Some(value) => Ok(value),
            None => default.get_item(0).map_err(|_| PyKeyError::new_err(key.clone().unbind())),
        }
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.found(key)?.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let pickle = dumps(value)?;
        let key = full(key)?;
        self.note(|changes| changes.note(&key));
        self.put_counted(None, &key, value, pickle, Ttl::Unlimited);
        Ok(())
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = full(key)?;
        if !self.__contains__(key)? {
            return Err(PyKeyError::new_err(key.clone().unbind()));
        }
        self.remove(&name);
        Ok(())
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let key = full(key)?;
        let mut copies = self.lock();
        Ok(copies.get(&key).is_some() || copies.fields(&key).is_some())
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyIterator>> {
        self.keys(py)?.try_iter()
    }

    fn __repr__(&self) -> String {
        let copies = self.lock();
        format!("<dontmanage.local.cache: {} entries, {} bytes>", copies.len(), copies.bytes())
    }
}

impl LocalCopy {
    /// The lock is never held while Python code may run, and the interpreter never released under it: so
    /// no fork finds it held, and no thread waits for it.
    fn lock(&self) -> MutexGuard<'_, Copies<Held>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of what is kept of a value.
    pub fn lend<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
        let kept = match self.lock().get(key).map(Held::counted) {
            None => return Ok(None),
            Some(Kept::Atom(object)) => return Ok(Some(object.bind(py).clone())),
            Some(kept) => kept.clone_ref(py),
        };
        self.lend_kept(py, kept, |copies| copies.get_mut(key))
    }

    /// A copy of what is kept of a field.
    pub fn lend_field<'py>(
        &self,
        py: Python<'py>,
        key: &[u8],
        field: &[u8],
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let kept = match self.lock().get_field(key, field).map(Held::counted) {
            None => return Ok(None),
            Some(Kept::Atom(object)) => return Ok(Some(object.bind(py).clone())),
            Some(kept) => kept.clone_ref(py),
        };
        self.lend_kept(py, kept, |copies| copies.get_field_mut(key, field))
    }

    /// A copy of what is kept, and where it is kept the form that the next copy is made from more quickly.
    fn lend_kept<'py>(
        &self,
        py: Python<'py>,
        kept: Kept,
        place: impl FnOnce(&mut Copies<Held>) -> Option<&mut Held>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Kept::Dict(dict) = &kept {
            return Ok(Some(dict.bind(py).copy()?.into_any()));
        }
        let Some((lent, better)) = lend_copy(py, kept)? else { return Ok(None) };
        if let Some((better, pickle)) = better
            && let Some(place) = place(&mut self.lock())
            && place.kept.is_fresh(&pickle)
        {
            place.kept = better;
        }
        Ok(Some(lent))
    }

    /// Keeps a value of the store. `object` is looked at, and shared only if nobody can change it.
    pub fn put(
        &self,
        store: Store<'_>,
        key: &[u8],
        object: &Bound<'_, PyAny>,
        pickle: Bound<'_, PyBytes>,
        left: Ttl,
    ) {
        self.note(|changes| changes.note(key));
        self.put_found(store, key, object, pickle, left);
    }

    /// As [`put`](Self::put), for what was there already.
    pub fn put_found(
        &self,
        store: Store<'_>,
        key: &[u8],
        object: &Bound<'_, PyAny>,
        pickle: Bound<'_, PyBytes>,
        left: Ttl,
    ) {
        self.put_counted(Some(store.local_hits(key)), key, object, pickle, left);
    }

    fn put_counted(
        &self,
        hits: Option<LocalHits>,
        key: &[u8],
        object: &Bound<'_, PyAny>,
        pickle: Bound<'_, PyBytes>,
        left: Ttl,
    ) {
        let weight = pickle.as_bytes().len();
        let held = Held { kept: Kept::new(object, pickle), hits };
        self.lock().put(key, held, weight, left);
    }

    /// Keeps an object for the request, which gets this very object again.
    pub fn share(&self, store: Store<'_>, key: &[u8], object: &Bound<'_, PyAny>, weight: usize, left: Ttl) {
        let kept = Kept::Atom(object.clone().unbind());
        self.lock().put(key, Held { kept, hits: Some(store.local_hits(key)) }, weight, left);
    }

    /// What the request had changed of documents when it looked.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Notes a change of documents: what is being read now is not to be kept.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps a field of a hash of the store.
    pub fn put_field(
        &self,
        store: Store<'_>,
        key: &[u8],
        field: &[u8],
        object: &Bound<'_, PyAny>,
        pickle: Bound<'_, PyBytes>,
        left: Ttl,
    ) {
        self.note(|changes| changes.note(key));
        self.put_field_found(store, key, field, object, pickle, left);
    }

    /// As [`put_field`](Self::put_field), for what was there already.
    pub fn put_field_found(
        &self,
        store: Store<'_>,
        key: &[u8],
        field: &[u8],
        object: &Bound<'_, PyAny>,
        pickle: Bound<'_, PyBytes>,
        left: Ttl,
    ) {
        let weight = pickle.as_bytes().len();
        let held = Held { kept: Kept::new(object, pickle), hits: Some(store.local_hits(key)) };
        self.lock().put_field(key, field, held, weight, left);
    }

    /// Begins to watch for changes. How many there were so far.
    pub fn watch(&self) -> u64 {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        self.noted()
    }

    pub fn unwatch(&self) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many changes there were, that somebody watched for.
    pub fn noted(&self) -> u64 {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).count()
    }

    /// Whether the key was changed after so many changes. Rather yes than no.
    pub fn changed_since(&self, count: u64, key: &[u8]) -> bool {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).since(count, key)
    }

    fn note(&self, change: impl FnOnce(&mut Changes)) {
        if self.watchers.load(Ordering::Relaxed) > 0 {
            change(&mut self.latest.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub fn remove(&self, key: &[u8]) {
        self.note(|changes| changes.note(key));
        self.lock().remove(key);
    }

    pub fn remove_field(&self, key: &[u8], field: &[u8]) {
        self.note(|changes| changes.note(key));
        self.lock().remove_field(key, field);
    }

    pub fn remove_beginning(&self, beginning: &Beginning) {
        self.note(Changes::note_all);
        self.lock().remove_beginning(beginning);
    }

    pub fn expire(&self, key: &[u8], left: Ttl) {
        self.note(|changes| changes.note(key));
        self.lock().expire(key, left);
    }

    pub fn keys_beginning(&self, beginning: &Beginning) -> Vec<Vec<u8>> {
        self.lock().keys(beginning)
    }

    /// Takes what a program puts in place of the copy: most often an empty dict.
    pub fn fill(&self, py: Python<'_>, mapping: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(other) = mapping.cast::<Self>() {
            for key in other.get().keys(py)? {
                self.__setitem__(&key, &other.get().__getitem__(&key)?)?;
            }
            return Ok(());
        }
        for item in mapping.cast::<PyMapping>()?.items()? {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            self.__setitem__(&key, &value)?;
        }
        Ok(())
    }

    fn found<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        let key = full(key)?;
        if let Some(value) = self.lend(py, &key)? {
            return Ok(Some(value));
        }
        let fields: Option<Vec<Vec<u8>>> =
            self.lock().fields(&key).map(|fields| fields.into_iter().map(<[u8]>::to_vec).collect());
        let Some(fields) = fields else { return Ok(None) };
        let hash = PyDict::new(py);
        for field in fields {
            if let Some(value) = self.lend_field(py, &key, &field)? {
                hash.set_item(given_back(py, &field)?, value)?;
            }
        }
        Ok(Some(hash.into_any()))
    }
}

fn full(key: &Bound<'_, PyAny>) -> PyResult<KeyBuffer> {
    let mut out = KeyBuffer::new();
    push_text(key, &mut out)?;
    Ok(out)
}

/// A copy to lend, and perhaps what is better kept in place of a pickle.
type Lent<'py> = (Bound<'py, PyAny>, Option<(Kept, Py<PyBytes>)>);

fn lend_copy(py: Python<'_>, kept: Kept) -> PyResult<Option<Lent<'_>>> {
    let fresh = match &kept {
        Kept::Fresh(pickle) => Some(pickle.clone_ref(py)),
        _ => None,
    };
    Ok(kept.lend(py)?.map(|(lent, better)| (lent, better.zip(fresh))))
}
