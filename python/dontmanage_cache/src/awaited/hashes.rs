//! Hashes: values by name and field.

use dontmanage_cache::{Answer, Cache as Site, CacheError, Question, Ttl};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use super::asker::{Asker, number, truth};
use super::crew::Pace;
use crate::arguments::several;
use crate::cache::Here;
use crate::full_key::{KeyBuffer, Whose, beginning, full_key, given_back, text};
use crate::pickling::{dumps, loads};
use crate::watch::taken;

impl Asker {
    pub(super) fn find_in_hash<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        if field.is_none() {
            return Ok(self.missing.bind(py).clone());
        }
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let field = text(field)?;
        if let Some(copy) = here.copy()
            && let Some(value) = copy.lend_field(py, &full, &field)?
        {
            return Ok(value);
        }
        let watch = here.watch();
        let question =
            Question::FindField { key: full.to_vec(), field: field.to_vec(), timed: watch.is_some() };
        let (site, missing) = (Self::site(&here)?, self.missing.clone_ref(py));
        Self::ask_question(py, &here, question, move |py, question, answer| {
            if let (Answer::Found(found), Question::FindField { key, field, .. }) = (answer, question)
                && let Some(value) = taken(py, site.store(), &key, Some(&field), &found, watch.as_ref())?
            {
                return Ok(value);
            }
            Ok(missing.into_bound(py))
        })
    }

    pub(super) fn store_in_hash<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        shared: bool,
        local: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        if field.is_none() {
            return Ok(py.None().into_bound(py));
        }
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let field = text(field)?;
        let pickle = dumps(value)?;
        if let Some(copy) = here.copy() {
            // Until it is over, nobody knows what is there.
            copy.remove_field(&full, &field);
        }
        let (watch, copy) = (if local { here.watch() } else { None }, here.own_copy());
        let question = Question::SetField {
            key: full.to_vec(),
            field: field.to_vec(),
            pickle: pickle.as_bytes().to_vec(),
            timed: watch.is_some(),
        };
        let (site, value, pickle) = (Self::site(&here)?, value.clone().unbind(), pickle.unbind());
        Self::ask_question(py, &here, question, move |py, question, answer| {
            let Question::SetField { key, field, .. } = question else {
                return Ok(py.None().into_bound(py));
            };
            // What the server would not take is not there for this request either.
            if let Some(watch) = watch.filter(|_| !matches!(answer, Answer::Refused)) {
                let (value, pickle) = (value.bind(py), pickle.into_bound(py));
                let left = if let Answer::Stored(left) = answer { left } else { Ttl::Unlimited };
                watch.keep_stored(site.store(), &key, Some(&field), value, pickle, left);
            } else if let Some(copy) = copy {
                copy.get().remove_field(&key, &field);
            }
            Ok(py.None().into_bound(py))
        })
    }

    pub(super) fn all_fields<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let (site, key) = (Self::site(&here)?, full.clone());
        Self::read(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().hgetall(&full),
            move |py, fields| {
                let values = PyDict::new(py);
                for (field, pickle) in fields.unwrap_or_default().iter() {
                    let Ok(pickle) = pickle else { continue };
                    match loads(py, pickle)? {
                        Ok(value) => values.set_item(given_back(py, field)?, value)?,
                        Err(why) => site.store().note_unreadable(&key, why),
                    }
                }
                Ok(values.into_any())
            },
        )
    }

    pub(super) fn is_in_hash<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        if field.is_none() {
            return truth(py, false);
        }
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let field = text(field)?;
        Self::read(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().hexists(&full, &field),
            |py, is_there| truth(py, is_there.unwrap_or(false)),
        )
    }

    pub(super) fn names_in_hash<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        Self::read(
            py,
            &here,
            Pace::Quick,
            move |site| site.store().hkeys(&full),
            |py, names| {
                let names = names.unwrap_or_default();
                Ok(PyList::new(py, names.iter().map(|name| PyBytes::new(py, name)))?.into_any())
            },
        )
    }

    pub(super) fn delete_in_hash<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        fields: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), name, Whose::shared(shared))?;
        let fields: Vec<KeyBuffer> = several(fields)?.iter().map(text).collect::<PyResult<_>>()?;
        if fields.is_empty() {
            return number(py, 0);
        }
        let forgotten = fields.iter().map(|field| (full.clone(), field.clone())).collect();
        Self::delete_places(py, &here, forgotten, move |site| site.store().hdel(&full, &fields))
    }

    pub(super) fn delete_in_hashes<'py>(
        &self,
        names: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = names.py();
        let here = self.cache.get().here(py)?;
        let full: Vec<KeyBuffer> = several(names)?
            .iter()
            .map(|name| full_key(py, here.frame(), name, Whose::shared(shared)))
            .collect::<PyResult<_>>()?;
        if field.is_none() || full.is_empty() {
            return number(py, 0);
        }
        let field = text(field)?;
        let forgotten = full.iter().map(|full| (full.clone(), field.clone())).collect();
        Self::delete_places(py, &here, forgotten, move |site| site.store().hdel_names(&full, &field))
    }

    /// Has fields of hashes removed, and forgets them; how many there were.
    fn delete_places<'py>(
        py: Python<'py>,
        here: &Here<'_, 'py>,
        places: Vec<(KeyBuffer, KeyBuffer)>,
        order: impl FnOnce(&Site) -> Result<u64, CacheError> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let copy = here.own_copy();
        let forget = move || {
            if let Some(copy) = &copy {
                for (key, field) in &places {
                    copy.get().remove_field(key, field);
                }
            }
        };
        forget();
        Self::write(py, here, Pace::Quick, order, move |py, removed| {
            forget();
            number(py, removed.unwrap_or(0))
        })
    }

    pub(super) fn delete_in_hashes_beginning<'py>(
        &self,
        names: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = names.py();
        let here = self.cache.get().here(py)?;
        let beginning = beginning(py, here.frame(), names, Whose::shared(shared))?;
        if field.is_none() {
            return number(py, 0);
        }
        let field = text(field)?;
        let (copy, sought, forgotten) = (here.own_copy(), beginning, field.clone());
        let kept = here.copy().map_or_else(Vec::new, |copy| copy.keys_beginning(&sought));
        let forget = move |keys: &[Vec<u8>]| {
            if let Some(copy) = &copy {
                for key in keys {
                    copy.get().remove_field(key, &forgotten);
                }
            }
        };
        forget(&kept);
        Self::write(
            py,
            &here,
            Pace::Slow,
            move |site| {
                let keys = site.store().keys(&sought)?;
                Ok((site.store().hdel_names(&keys, &field)?, keys))
            },
            move |py, removed| {
                let (removed, keys) = removed.unwrap_or_default();
                forget(&keys);
                number(py, removed)
            },
        )
    }
}
