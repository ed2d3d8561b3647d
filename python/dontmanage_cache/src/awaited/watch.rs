//! What an exchange that takes its time may still tell the request's copy, when it is over.

use dontmanage_cache::{Found, Store, Ttl};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::local_copy::LocalCopy;
use crate::pickling::loads;

/// The copy, watched for what others do to it meanwhile: an old value must not overwrite theirs.
pub struct Watch {
    copy: Py<LocalCopy>,
    since: u64,
}

impl Watch {
    /// For a read.
    pub fn new(copy: Py<LocalCopy>) -> Self {
        let since = copy.get().watch();
        Self { copy, since }
    }

    /// For a write: until it is over, nobody knows what is there.
    pub fn for_write(copy: Py<LocalCopy>, key: &[u8], field: Option<&[u8]>) -> Self {
        let mut watch = Self::new(copy);
        watch.forget(key, field);
        watch.begin();
        watch
    }

    /// What has been changed so far does not count.
    pub fn begin(&mut self) {
        self.since = self.copy.get().noted();
    }

    pub fn is_unchanged(&self, key: &[u8]) -> bool {
        !self.copy.get().changed_since(self.since, key)
    }

    pub fn copy(&self) -> &LocalCopy {
        self.copy.get()
    }

    /// Keeps what was found, unless it has been changed since the question.
    pub fn keep(
        &self,
        store: Store<'_>,
        key: &[u8],
        field: Option<&[u8]>,
        value: &Bound<'_, PyAny>,
        pickle: Bound<'_, PyBytes>,
        left: Ttl,
    ) {
        let copy = self.copy.get();
        match field {
            _ if !self.is_unchanged(key) => {}
            None => copy.put_found(store, key, value, pickle, left),
            Some(field) => copy.put_field_found(store, key, field, value, pickle, left),
        }
    }

    /// As [`keep`](Self::keep) for what was stored. If another write was under way at the same time, nobody
    /// knows which was the last.
    pub fn keep_stored(
        &self,
        store: Store<'_>,
        key: &[u8],
        field: Option<&[u8]>,
        value: &Bound<'_, PyAny>,
        pickle: Bound<'_, PyBytes>,
        left: Ttl,
    ) {
        let copy = self.copy.get();
        match field {
            _ if !self.is_unchanged(key) => self.forget(key, field),
            None => copy.put(store, key, value, pickle, left),
            Some(field) => copy.put_field(store, key, field, value, pickle, left),
        }
    }

    pub fn forget(&self, key: &[u8], field: Option<&[u8]>) {
        match field {
            None => self.copy.get().remove(key),
            Some(field) => self.copy.get().remove_field(key, field),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.copy.get().unwatch();
    }
}

/// An object of what was found, kept for this request. None if it can't be read, which is counted.
pub fn taken<'py>(
    py: Python<'py>,
    store: Store<'_>,
    key: &[u8],
    field: Option<&[u8]>,
    found: &Found,
    watch: Option<&Watch>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let pickle = PyBytes::new(py, &found.pickle);
    let value = match loads(py, pickle.as_bytes())? {
        Ok(value) => value,
        Err(why) => {
            store.note_unreadable(key, why);
            return Ok(None);
        }
    };
    if let Some(watch) = watch {
        watch.keep(store, key, field, &value, pickle, found.left);
    }
    Ok(Some(value))
}
