//! Calls as their function sees them: positional or by name, with defaults filled in, they are one call.

use dontmanage_cache::memo::Canonical;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::encode::encode;

/// One parameter.
struct Parameter {
    name: Py<PyString>,
    default: Option<Py<PyAny>>,
}

/// The parameters of a function.
pub struct Signature {
    /// The positional ones; the first `positional_only` can't be given by name.
    positional: Vec<Parameter>,
    positional_only: usize,
    by_name: Vec<Parameter>,
    takes_more: bool,
    takes_more_by_name: bool,
    /// The first argument is an object whose class counts, and nothing else of it.
    ignores_self: bool,
}

/// As Python hands a signature over: names with their defaults.
pub type Parameters = Vec<(Py<PyString>, Option<(Py<PyAny>,)>)>;

impl Signature {
    pub fn new(
        positional: Parameters,
        positional_only: usize,
        by_name: Parameters,
        takes_more: bool,
        takes_more_by_name: bool,
        ignores_self: bool,
    ) -> Self {
        let parameters = |given: Parameters| {
            given
                .into_iter()
                .map(|(name, default)| Parameter { name, default: default.map(|(value,)| value) })
        };
        Self {
            positional: parameters(positional).collect(),
            positional_only,
            by_name: parameters(by_name).collect(),
            takes_more,
            takes_more_by_name,
            ignores_self,
        }
    }

    /// Writes a call. False if the function does not take these arguments: it will say so itself.
    pub fn write(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
        to: &mut Canonical,
    ) -> PyResult<bool> {
        let kwargs = kwargs.filter(|kwargs| !kwargs.is_empty());
        let given = args.len();
        if given > self.positional.len() && !self.takes_more {
            return Ok(false);
        }
        let mut used = 0;
        for (at, parameter) in self.positional.iter().enumerate() {
            let named = match kwargs {
                Some(kwargs) if at >= self.positional_only => kwargs.get_item(&parameter.name)?,
                _ => None,
            };
            used += usize::from(named.is_some());
            let value = match (at < given, named) {
                (true, Some(_)) => return Ok(false),
                (true, None) => Some(args.get_item(at)?),
                (false, named) => named.or_else(|| parameter.default(py)),
            };
            let Some(value) = value else { return Ok(false) };
            if at == 0 && self.ignores_self {
                encode(value.get_type().as_any(), to)?;
            } else {
                parameter.write(&value, to)?;
            }
        }
        if self.takes_more {
            let more = args.get_slice(self.positional.len(), given.max(self.positional.len()));
            to.tuple(more.len());
            for value in more.iter() {
                encode(&value, to).map_err(|error| unfit(py, "an argument", &error))?;
            }
        }
        for parameter in &self.by_name {
            let named = match kwargs {
                Some(kwargs) => kwargs.get_item(&parameter.name)?,
                None => None,
            };
            used += usize::from(named.is_some());
            let Some(value) = named.or_else(|| parameter.default(py)) else { return Ok(false) };
            parameter.write(&value, to)?;
        }
        let rest = kwargs.map_or(0, PyDictMethods::len) - used;
        if rest == 0 && !self.takes_more_by_name {
            return Ok(true);
        }
        if !self.takes_more_by_name {
            return Ok(false);
        }
        self.write_rest(py, kwargs, to)?;
        Ok(true)
    }

    /// Writes what was given by names that are no parameters.
    fn write_rest(
        &self,
        py: Python<'_>,
        kwargs: Option<&Bound<'_, PyDict>>,
        to: &mut Canonical,
    ) -> PyResult<()> {
        let rest = PyDict::new(py);
        for (name, value) in kwargs.into_iter().flatten() {
            let mut own = self.positional.iter().skip(self.positional_only).chain(&self.by_name);
            if !own.any(|parameter| parameter.name.bind(py).as_any().eq(&name).unwrap_or(false)) {
                rest.set_item(name, value)?;
            }
        }
        encode(rest.as_any(), to).map_err(|error| unfit(py, "an argument", &error))
    }
}

impl Parameter {
    fn default<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.default.as_ref().map(|value| value.bind(py).clone())
    }

    fn write(&self, value: &Bound<'_, PyAny>, to: &mut Canonical) -> PyResult<()> {
        encode(value, to).map_err(|error| {
            let py = value.py();
            let name = self.name.bind(py);
            unfit(py, &format!("the argument `{name}`"), &error)
        })
    }
}

fn unfit(py: Python<'_>, what: &str, error: &PyErr) -> PyErr {
    let better = PyTypeError::new_err(format!(
        "a call can be cached if its arguments can be pickled, and {what} can't be: {}; give what it stands for instead",
        error.value(py)
    ));
    better.set_cause(py, Some(error.clone_ref(py)));
    better
}
