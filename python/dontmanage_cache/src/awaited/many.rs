//! Several values in one round trip, and keys by their beginning.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::asker::{Asker, number};
use super::crew::Pace;
use crate::arguments::{lifetime, mapping};
use crate::cache::Sought;
use crate::full_key::{KeyBuffer, Whose, beginning, full_key};
use crate::pickling::dumps;
use crate::watch::taken;

impl Asker {
    pub(super) fn find_values<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
        local: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = keys.py();
        let here = self.cache.get().here(py)?;
        let copy = if local { here.copy() } else { None };
        let Sought { values, wanted, asked } = Sought::begin(&here, keys, whose, copy)?;
        let asked: Vec<Py<PyAny>> = asked.into_iter().map(Bound::unbind).collect();
        if wanted.is_empty() {
            return Ok(values.into_any());
        }
        let watch = if local { here.watch() } else { None };
        let (site, values, sought) = (Self::site(&here)?, values.unbind(), wanted.clone());
        Self::read(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().find_many(&sought),
            move |py, found| {
                let values = values.into_bound(py);
                let mut found = found.unwrap_or_default().into_iter();
                for (full, key) in wanted.iter().zip(asked) {
                    let key = key.into_bound(py);
                    let value = match found.next() {
                        Some(Ok(Some(found))) => taken(py, site.store(), full, None, &found, watch.as_ref())?,
                        _ => None,
                    };
                    match value {
                        Some(value) => values.set_item(key, value)?,
                        // Asked for twice, it may be gone from the answer already.
                        None if values.contains(&key)? => values.del_item(key)?,
                        None => {}
                    }
                }
                Ok(values.into_any())
            },
        )
    }

    pub(super) fn store_values<'py>(
        &self,
        values: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
        expires_in_sec: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = values.py();
        let here = self.cache.get().here(py)?;
        let lifetime = lifetime(expires_in_sec)?;
        let (mut pairs, mut kept) = (Vec::new(), Vec::new());
        for item in mapping(values)?.items()? {
            let (key, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item.extract()?;
            let full = full_key(py, here.frame(), &key, whose)?;
            let pickle = dumps(&value)?;
            pairs.push((full, pickle.as_bytes().to_vec()));
            kept.push((value.unbind(), pickle.unbind()));
        }
        if pairs.is_empty() {
            return Ok(py.None().into_bound(py));
        }
        if let Some(copy) = here.copy() {
            // Until it is over, nobody knows what is there.
            for (full, _) in &pairs {
                copy.remove(full);
            }
        }
        let watch = here.watch();
        let site = Self::site(&here)?;
        let keys: Vec<KeyBuffer> = pairs.iter().map(|(full, _)| full.clone()).collect();
        Self::write(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().set_many(&pairs, lifetime),
            move |py, _| {
                if let Some(watch) = watch {
                    for (full, (value, pickle)) in keys.iter().zip(kept) {
                        let (value, pickle) = (value.bind(py), pickle.into_bound(py));
                        watch.keep_stored(site.store(), full, None, value, pickle, lifetime.into());
                    }
                }
                Ok(py.None().into_bound(py))
            },
        )
    }

    pub(super) fn keys_beginning<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = text.py();
        let here = self.cache.get().here(py)?;
        let beginning = beginning(py, here.frame(), text, whose)?;
        let (copy, sought) = (here.own_copy(), beginning.clone());
        Self::read(
            py,
            &here,
            Pace::Slow,
            move |site| site.store().keys(&sought),
            move |py, keys| {
                // What this request knows is better than nothing.
                let known = || copy.map_or_else(Vec::new, |copy| copy.get().keys_beginning(&beginning));
                let keys = keys.unwrap_or_else(known);
                Ok(PyList::new(py, keys.iter().map(|key| PyBytes::new(py, key)))?.into_any())
            },
        )
    }

    pub(super) fn delete_beginning<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = text.py();
        let here = self.cache.get().here(py)?;
        let beginning = beginning(py, here.frame(), text, whose)?;
        let copy = here.own_copy();
        if let Some(copy) = &copy {
            copy.get().remove_beginning(&beginning);
        }
        let doomed = beginning.clone();
        Self::write(
            py,
            &here,
            Pace::Slow,
            move |site| site.store().delete_beginning(&doomed),
            move |py, removed| {
                if let Some(copy) = copy {
                    copy.get().remove_beginning(&beginning);
                }
                number(py, removed.unwrap_or(0))
            },
        )
    }
}
