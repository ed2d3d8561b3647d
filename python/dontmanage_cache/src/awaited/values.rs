//! One value at a time.

use std::time::Instant;

use dontmanage_cache::{Answer, Question, Ttl};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::asker::{Asker, number, truth};
use super::crew::Pace;
use crate::arguments::{lifetime, several};
use crate::full_key::{KeyBuffer, Whose, full_key};
use crate::pickling::dumps;
use crate::watch::taken;

impl Asker {
    pub(super) fn find_value<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
        local: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), key, whose)?;
        let copy = if local { here.copy() } else { None };
        if let Some(copy) = copy
            && let Some(value) = copy.lend(py, &full)?
        {
            return Ok(value);
        }
        let watch = if local { here.watch() } else { None };
        let question = Question::Find { key: full.to_vec(), timed: watch.is_some() };
        let (site, missing) = (Self::site(&here)?, self.missing.clone_ref(py));
        Self::ask_question(py, &here, question, move |py, question, answer| {
            if let (Answer::Found(found), Question::Find { key, .. }) = (answer, question)
                && let Some(value) = taken(py, site.store(), &key, None, &found, watch.as_ref())?
            {
                return Ok(value);
            }
            Ok(missing.into_bound(py))
        })
    }

    pub(super) fn store_value<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
        expires_in_sec: Option<&Bound<'py, PyAny>>,
        local: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), key, whose)?;
        let lifetime = lifetime(expires_in_sec)?;
        let pickle = dumps(value)?;
        if let Some(copy) = here.copy() {
            // Until it is over, nobody knows what is there.
            copy.remove(&full);
        }
        let (watch, copy) = (if local { here.watch() } else { None }, here.own_copy());
        let question = Question::Set { key: full.to_vec(), pickle: pickle.as_bytes().to_vec(), lifetime };
        let (site, value, pickle) = (Self::site(&here)?, value.clone().unbind(), pickle.unbind());
        Self::ask_question(py, &here, question, move |py, question, _| {
            let Question::Set { key, .. } = question else { return Ok(py.None().into_bound(py)) };
            if let Some(watch) = watch {
                let (value, pickle) = (value.bind(py), pickle.into_bound(py));
                watch.keep_stored(site.store(), &key, None, value, pickle, lifetime.into());
            } else if let Some(copy) = copy {
                copy.get().remove(&key);
            }
            Ok(py.None().into_bound(py))
        })
    }

    pub(super) fn delete_values<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = keys.py();
        let here = self.cache.get().here(py)?;
        let full: Vec<KeyBuffer> = several(keys)?
            .iter()
            .map(|key| full_key(py, here.frame(), key, whose))
            .collect::<PyResult<_>>()?;
        if full.is_empty() {
            return number(py, 0);
        }
        let (copy, forgotten) = (here.own_copy(), full.clone());
        let forget = move || {
            if let Some(copy) = &copy {
                for key in &forgotten {
                    copy.get().remove(key);
                }
            }
        };
        // What others put there while the server is asked may be what it removes.
        forget();
        Self::write(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().delete(&full),
            move |py, removed| {
                forget();
                number(py, removed.unwrap_or(0))
            },
        )
    }

    pub(super) fn expire_value<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        time: Option<&Bound<'py, PyAny>>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let lifetime = lifetime(time)?;
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), key, whose)?;
        let (watch, began, key) = (here.watch(), Instant::now(), full.to_vec());
        Self::write(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().expire(&full, lifetime),
            move |py, done| {
                if let Some(watch) = watch {
                    watch.expire(&key, Ttl::from(lifetime).after(began.elapsed()));
                }
                done.map_or_else(|| Ok(py.None().into_bound(py)), |done| truth(py, done))
            },
        )
    }

    pub(super) fn count_existing<'py>(
        &self,
        names: &Bound<'py, PyTuple>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = names.py();
        let here = self.cache.get().here(py)?;
        let full: Vec<KeyBuffer> =
            names.iter().map(|name| full_key(py, here.frame(), &name, whose)).collect::<PyResult<_>>()?;
        if full.is_empty() {
            return number(py, 0);
        }
        Self::read(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().exists(&full),
            |py, count| number(py, count.unwrap_or(0)),
        )
    }
}
