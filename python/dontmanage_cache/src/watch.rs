//! What an exchange with the server may still tell the request's copy when it is over: other threads and tasks
//! of the request may have changed meanwhile what it is about.

use dontmanage_cache::{Found, LocalCopy as Copies, Store, Ttl};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::copying::Kept;
use crate::local_copy::{Held, LocalCopy};
use crate::pickling::loads;

/// The copy, watched for what others do to it from before the server is asked.
pub struct Watch {
    copy: Py<LocalCopy>,
    since: u64,
}

impl Watch {
    pub fn new(copy: Py<LocalCopy>) -> Self {
        let since = copy.get().shared().watch();
        Self { copy, since }
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
        let weight = pickle.as_bytes().len();
        let held = Held::of(store, key, Kept::new(value, pickle));
        self.copy.get().shared().keep(self.since, key, |copies| put(copies, key, field, held, weight, left));
    }

    /// Keeps a very object, which the request gets again, unless it has been changed since the question.
    pub fn share(&self, store: Store<'_>, key: &[u8], object: &Bound<'_, PyAny>, weight: usize, left: Ttl) {
        let held = Held::of(store, key, Kept::Atom(object.clone().unbind()));
        self.copy.get().shared().keep(self.since, key, |copies| copies.put(key, held, weight, left));
    }

    /// Keeps what was stored. If something else was stored at the same time, nobody knows which was the last.
    pub fn keep_stored(
        &self,
        store: Store<'_>,
        key: &[u8],
        field: Option<&[u8]>,
        value: &Bound<'_, PyAny>,
        pickle: Bound<'_, PyBytes>,
        left: Ttl,
    ) {
        let weight = pickle.as_bytes().len();
        let held = Held::of(store, key, Kept::new(value, pickle));
        self.copy.get().shared().settle(self.since, key, |copies, is_known| match field {
            _ if is_known => put(copies, key, field, held, weight, left),
            None => copies.remove(key),
            Some(field) => copies.remove_field(key, field),
        });
    }

    /// Gives what is kept another lifetime, as the server has been told to.
    pub fn expire(&self, key: &[u8], left: Ttl) {
        self.copy.get().shared().settle(self.since, key, |copies, is_known| {
            if is_known { copies.expire(key, left) } else { copies.remove(key) }
        });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.copy.get().shared().unwatch(self.since);
    }
}

fn put(copies: &mut Copies<Held>, key: &[u8], field: Option<&[u8]>, held: Held, weight: usize, left: Ttl) {
    match field {
        None => copies.put(key, held, weight, left),
        Some(field) => copies.put_field(key, field, held, weight, left),
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
