//! One value at a time.

use dontmanage_cache::{Answer, Question};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::asker::{Asker, number, truth};
use super::crew::Pace;
use super::watch::{Watch, taken};
use crate::arguments::{lifetime, several};
use crate::cache::left;
use crate::full_key::{KeyBuffer, Whose, full_key};
use crate::pickling::dumps;

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
        let watch = if local { here.own_copy().map(Watch::new) } else { None };
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
        let watch = here.own_copy().map(|copy| Watch::for_write(copy, &full, None));
        let question = Question::Set { key: full.to_vec(), pickle: pickle.as_bytes().to_vec(), lifetime };
        let (site, value, pickle) = (Self::site(&here)?, value.clone().unbind(), pickle.unbind());
        Self::ask_question(py, &here, question, move |py, question, _| {
            if let (Some(watch), Question::Set { key, .. }) = (&watch, question) {
                if local {
                    let (value, pickle) = (value.bind(py), pickle.into_bound(py));
                    watch.keep_stored(site.store(), &key, None, value, pickle, left(lifetime));
                } else {
                    watch.forget(&key, None);
                }
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
        let watch = here.own_copy().map(Watch::new);
        let forgotten = full.clone();
        let forget = move || {
            for key in &forgotten {
                if let Some(watch) = &watch {
                    watch.forget(key, None);
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
        let watch = here.own_copy().map(Watch::new);
        if let Some(watch) = &watch {
            watch.copy().expire(&full, left(lifetime));
        }
        let key = full.to_vec();
        Self::write(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().expire(&full, lifetime),
            move |py, done| {
                if let Some(watch) = watch {
                    watch.copy().expire(&key, left(lifetime));
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
