//! `dontmanage.local`: attributes of the thread or task.

use pyo3::exceptions::PyAttributeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::context::{self, Frame};
use crate::local_copy::LocalCopy;

/// Attributes that each thread and each task has for itself; `cache` is the request's local copy.
///
/// ```python
/// >>> dontmanage.local.site
/// 'site1.local'
/// >>> dontmanage.local.batch = 7
/// >>> dontmanage.local.batch
/// 7
/// >>> cache.set_value("total", 42)
/// >>> dontmanage.local.cache
/// <dontmanage.local.cache: 1 entries, ... bytes>
/// ```
#[pyclass(frozen, module = "dontmanage_cache._core")]
pub struct Local;

#[pymethods]
#[expect(clippy::unused_self, reason = "Python calls these on the object, which has no state of its own")]
impl Local {
    #[new]
    fn new() -> Self {
        Self
    }

    /// Not `__getattr__`: that is only asked after an `AttributeError` has been made in vain, and says what is
    /// missing.
    fn __getattribute__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if name.to_str()?.starts_with("__") {
            return py.get_type::<PyAny>().call_method1(intern!(py, "__getattribute__"), (slf, name));
        }
        if let Some(frame) = context::current(py)? {
            let frame = frame.get();
            if name.to_str()? == "cache" {
                return Ok(frame.cache(py).into_bound(py).into_any());
            }
            if let Some(value) = frame.attributes(py).get_item(name)? {
                return Ok(value);
            }
        }
        Err(PyAttributeError::new_err(()))
    }

    fn __getattr__(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        Err(PyAttributeError::new_err(if context::current(py)?.is_some() {
            format!("dontmanage.local has no `{name}` here")
        } else {
            format!(
                "dontmanage.local has no `{name}`, for no site has been entered in this thread or task: call dontmanage.init(site) first"
            )
        }))
    }

    fn __setattr__(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let current = context::current(py)?;
        let (attributes, server, copy) = parts(py, current.as_ref())?;
        if name.to_str()? == "cache" {
            let copy = Py::new(py, LocalCopy::default())?;
            copy.get().fill(py, value)?;
            return context::replace(py, Frame::with_copy(py, attributes.unbind(), server, copy)?);
        }
        attributes.set_item(name, value)?;
        context::replace(py, Frame::with_copy(py, attributes.unbind(), server, copy)?)
    }

    fn __delattr__(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let current = context::current(py)?;
        let (attributes, server, copy) = parts(py, current.as_ref())?;
        if name.to_str()? == "cache" && current.is_some() {
            copy.get().clear();
            return Ok(());
        }
        if !attributes.contains(name)? {
            return Err(PyAttributeError::new_err(format!("dontmanage.local has no `{name}` here")));
        }
        attributes.del_item(name)?;
        context::replace(py, Frame::with_copy(py, attributes.unbind(), server, copy)?)
    }

    fn __dir__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names = PyList::empty(py);
        if let Some(frame) = context::current(py)? {
            names.append("cache")?;
            for name in frame.get().attributes(py).keys() {
                names.append(name)?;
            }
        }
        Ok(names)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(match context::current(py)? {
            None => "<dontmanage.local: no site>".to_owned(),
            Some(frame) => format!("<dontmanage.local: {}>", frame.get().attributes(py).keys()),
        })
    }
}

type Parts<'py> = (Bound<'py, PyDict>, Option<Py<crate::server::Server>>, Py<LocalCopy>);

/// A frame's parts, for another frame that differs in one of them.
fn parts<'py>(py: Python<'py>, current: Option<&Bound<'py, Frame>>) -> PyResult<Parts<'py>> {
    match current {
        None => Ok((PyDict::new(py), None, Py::new(py, LocalCopy::default())?)),
        Some(frame) => {
            let frame = frame.get();
            Ok((frame.attributes(py).copy()?, frame.server(py), frame.cache(py)))
        }
    }
}
