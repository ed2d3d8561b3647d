//! Calls as their function sees them: positional or by name, with defaults filled in, they are one call.

use dontmanage_cache::memo::Canonical;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};

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
    /// It takes anything and hands it on to a function with these parameters, in its own way.
    wraps: bool,
    /// The first argument is an object whose class counts, and nothing else of it.
    ignores_self: bool,
}

/// As Python hands a signature over: names with their defaults.
pub type Parameters = Vec<(Py<PyString>, Option<(Py<PyAny>,)>)>;

impl Signature {
    #[expect(clippy::fn_params_excessive_bools, reason = "made in one place, by name")]
    pub fn new(
        positional: Parameters,
        positional_only: usize,
        by_name: Parameters,
        takes_more: bool,
        takes_more_by_name: bool,
        wraps: bool,
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
            wraps,
            ignores_self,
        }
    }

    /// Shows the garbage collector the defaults.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.positional.iter().chain(&self.by_name).try_for_each(|parameter| visit.call(&parameter.default))
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
        if self.wraps {
            return self.write_wrapped(py, args, kwargs, to).map(|()| true);
        }
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
            let value = if at == 0 { self.object(value) } else { value };
            parameter.write(&value, to)?;
        }
        if self.takes_more {
            let more = args.get_slice(self.positional.len(), given.max(self.positional.len()));
            to.tuple(more.len());
            for (at, value) in more.iter().enumerate() {
                let value = if at == 0 && self.positional.is_empty() { self.object(value) } else { value };
                encode(&value, to).map_err(|error| unfit(py, "an argument", error))?;
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

    /// Writes a call of a function that hands its arguments on: those that the wrapped one has names for by
    /// their names, however they were given. Defaults are not filled in, because the wrapper may have others.
    fn write_wrapped(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
        to: &mut Canonical,
    ) -> PyResult<()> {
        let (by_name, more, twice) = (PyDict::new(py), PyList::empty(py), PyDict::new(py));
        for (at, value) in args.iter().enumerate() {
            let value = if at == 0 { self.object(value) } else { value };
            match self.positional.get(at) {
                Some(parameter) if at >= self.positional_only => by_name.set_item(&parameter.name, value)?,
                _ => more.append(value)?,
            }
        }
        for (name, value) in kwargs.into_iter().flatten() {
            let into = if by_name.contains(&name)? { &twice } else { &by_name };
            into.set_item(name, value)?;
        }
        let mut pairs = Vec::new();
        for (name, value) in by_name {
            let (mut key, mut content) = (Canonical::new(), Canonical::new());
            encode(&name, &mut key)?;
            encode(&value, &mut content)
                .map_err(|error| unfit(py, &format!("the argument `{name}`"), error))?;
            pairs.push((key, content));
        }
        to.dict(pairs);
        for part in [more.as_any(), twice.as_any()] {
            encode(part, to).map_err(|error| unfit(py, "an argument", error))?;
        }
        Ok(())
    }

    /// What of a method's object counts.
    fn object<'py>(&self, object: Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        if self.ignores_self && !object.is_instance_of::<PyType>() {
            object.get_type().into_any()
        } else {
            object
        }
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
        encode(rest.as_any(), to).map_err(|error| unfit(py, "an argument", error))
    }
}

impl Parameter {
    fn default<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.default.as_ref().map(|value| value.bind(py).clone())
    }

    fn write(&self, value: &Bound<'_, PyAny>, to: &mut Canonical) -> PyResult<()> {
        let from = to.as_bytes().len();
        encode(value, to).or_else(|error| {
            let py = value.py();
            let is_default = self.default.as_ref().is_some_and(|default| default.is(value));
            if is_default && error.is_instance_of::<PyException>(py) {
                // What it is tells the function's version.
                to.cut(from).object("default", b"");
                return Ok(());
            }
            let name = self.name.bind(py);
            Err(unfit(py, &format!("the argument `{name}`"), error))
        })
    }
}

/// An interrupt, or the exit, goes on its way.
fn unfit(py: Python<'_>, what: &str, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyException>(py) {
        return error;
    }
    let better = PyTypeError::new_err(format!(
        "a call can be cached if its arguments can be pickled, and {what} can't be: {}; give what it stands for instead",
        error.value(py)
    ));
    better.set_cause(py, Some(error));
    better
}
