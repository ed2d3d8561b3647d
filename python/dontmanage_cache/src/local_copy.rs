//! `dontmanage.local.cache`: what this request has read and written, so that it does not ask twice.

use dontmanage_cache::{Beginning, Changed, LocalCopy as Copies, LocalHits, SharedCopy, Store, Ttl};
use pyo3::exceptions::PyKeyError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::arguments;
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
    /// Its lock is never held while Python code may run, and the interpreter never released under it: so no
    /// fork finds it held, and no thread waits for it.
    shared: SharedCopy<Held>,
}

/// What is kept, and where it is counted that it is lent; nowhere if the program has put it here itself.
pub struct Held {
    kept: Kept,
    hits: Option<LocalHits>,
}

impl Held {
    /// A value of the store at a full key.
    pub fn of(store: Store<'_>, key: &[u8], kept: Kept) -> Self {
        Self { kept, hits: Some(store.local_hits(key)) }
    }

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
        self.shared.change(Changed::Any, Copies::clear);
    }

    /// The full keys.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.keys()
    /// [b'_3f1b8c2a|total']
    /// ```
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let keys: Vec<Vec<u8>> =
            self.shared.look(|copies| copies.iter().map(|(key, _)| key.to_vec()).collect());
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

    /// Each full key with a copy of what is kept of it.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.items()
    /// [(b'_3f1b8c2a|total', 42)]
    /// ```
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(self.copy(py)?.items())
    }

    /// A copy of each value that is kept.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.values()
    /// [42]
    /// ```
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(self.copy(py)?.values())
    }

    /// A dict of copies of all that is kept.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.copy()
    /// {b'_3f1b8c2a|total': 42}
    /// ```
    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for key in self.keys(py)? {
            // Its time may be over.
            if let Some(value) = self.found(&key)? {
                all.set_item(key, value)?;
            }
        }
        Ok(all)
    }

    /// Put values at full keys, as a dict or as pairs: for this request alone.
    ///
    /// ```python
    /// >>> dontmanage.local.cache.update({cache.make_key("total"): 42})
    /// >>> cache.get_value("total")
    /// 42
    /// ```
    #[pyo3(signature = (other=None, /, **more))]
    fn update(
        &self,
        py: Python<'_>,
        other: Option<&Bound<'_, PyAny>>,
        more: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let all = PyDict::new(py);
        if let Some(other) = other {
            all.call_method1(intern!(py, "update"), (other,))?;
        }
        if let Some(more) = more {
            all.update(more.as_mapping())?;
        }
        self.fill(py, all.as_any())
    }

    /// A copy of what is kept of a full key; the default, which then is kept, if nothing is.
    ///
    /// ```python
    /// >>> dontmanage.local.cache.setdefault(cache.make_key("total"), 42)
    /// 42
    /// >>> dontmanage.local.cache.setdefault(cache.make_key("total"), 0)
    /// 42
    /// ```
    #[pyo3(signature = (key, default=None, /))]
    fn setdefault<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(value) = self.found(key)? {
            return Ok(value);
        }
        let default = default.unwrap_or_else(|| key.py().None().into_bound(key.py()));
        self.__setitem__(key, &default)?;
        // One that is too large is not kept.
        Ok(self.found(key)?.unwrap_or(default))
    }

    /// Forget any full key, and give it with what was kept of it.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> dontmanage.local.cache.popitem()
    /// (b'_3f1b8c2a|total', 42)
    /// ```
    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        for key in self.keys(py)? {
            if let Some(value) = self.found(&key)? {
                self.remove(&full(&key)?);
                return Ok((key, value));
            }
        }
        Err(PyKeyError::new_err("the request's copy is empty"))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        if let Ok(other) = other.cast::<Self>() {
            return self.copy(py)?.eq(other.get().copy(py)?);
        }
        self.copy(py)?.eq(other)
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.found(key)?.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let pickle = dumps(value)?;
        let key = full(key)?;
        let (weight, held) = (pickle.as_bytes().len(), Held { kept: Kept::new(value, pickle), hits: None });
        self.shared.change(Changed::Key(&key), |copies| copies.put(&key, held, weight, Ttl::Unlimited));
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
        Ok(self.shared.look(|copies| copies.get(&key).is_some() || copies.fields(&key).is_some()))
    }

    fn __len__(&self) -> usize {
        self.shared.look(|copies| copies.len())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyIterator>> {
        self.keys(py)?.try_iter()
    }

    fn __repr__(&self) -> String {
        let (entries, bytes) = self.shared.look(|copies| (copies.len(), copies.bytes()));
        format!("<dontmanage.local.cache: {entries} entries, {bytes} bytes>")
    }
}

impl LocalCopy {
    /// What threads of the request may use at once.
    pub fn shared(&self) -> &SharedCopy<Held> {
        &self.shared
    }

    /// A copy of what is kept of a value.
    pub fn lend<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
        let kept = self.shared.look(|copies| Some(copies.get(key)?.counted().clone_ref(py)));
        self.lend_kept(py, kept, |copies| copies.get_mut(key))
    }

    /// A copy of what is kept of a field.
    pub fn lend_field<'py>(
        &self,
        py: Python<'py>,
        key: &[u8],
        field: &[u8],
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let kept = self.shared.look(|copies| Some(copies.get_field(key, field)?.counted().clone_ref(py)));
        self.lend_kept(py, kept, |copies| copies.get_field_mut(key, field))
    }

    /// A copy of what is kept, and where it is kept the form that the next copy is made from more quickly.
    fn lend_kept<'py>(
        &self,
        py: Python<'py>,
        kept: Option<Kept>,
        place: impl FnOnce(&mut Copies<Held>) -> Option<&mut Held>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let kept = match kept {
            None => return Ok(None),
            Some(Kept::Atom(object)) => return Ok(Some(object.into_bound(py))),
            Some(Kept::Dict(dict)) => return Ok(Some(dict.bind(py).copy()?.into_any())),
            Some(kept) => kept,
        };
        let Some((lent, better)) = lend_copy(py, kept)? else { return Ok(None) };
        if let Some((better, pickle)) = better {
            self.shared.look(|copies| {
                if let Some(place) = place(copies)
                    && place.kept.is_fresh(&pickle)
                {
                    place.kept = better;
                }
            });
        }
        Ok(Some(lent))
    }

    pub fn remove(&self, key: &[u8]) {
        self.shared.change(Changed::Key(key), |copies| copies.remove(key));
    }

    pub fn remove_field(&self, key: &[u8], field: &[u8]) {
        self.shared.change(Changed::Key(key), |copies| copies.remove_field(key, field));
    }

    pub fn remove_beginning(&self, beginning: &Beginning) {
        self.shared.change(Changed::Any, |copies| copies.remove_beginning(beginning));
    }

    pub fn keys_beginning(&self, beginning: &Beginning) -> Vec<Vec<u8>> {
        self.shared.look(|copies| copies.keys(beginning))
    }

    /// Takes what a program puts in place of the copy: most often an empty dict.
    pub fn fill(&self, py: Python<'_>, mapping: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(other) = mapping.cast::<Self>() {
            for key in other.get().keys(py)? {
                self.__setitem__(&key, &other.get().__getitem__(&key)?)?;
            }
            return Ok(());
        }
        for item in arguments::mapping(mapping)?.items()? {
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
        let fields = self.shared.look(|copies| -> Option<Vec<Vec<u8>>> {
            Some(copies.fields(&key)?.into_iter().map(<[u8]>::to_vec).collect())
        });
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
