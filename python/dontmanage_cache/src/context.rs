//! Where a call is made: in which site, by which user, in which request.
//!
//! A context variable holds one [`Frame`] for each thread and each task. A frame does not change; setting
//! an attribute of `dontmanage.local` puts another one in its place, so that what a task sets is not seen
//! by the one that started it.

use std::sync::OnceLock;

use dontmanage_cache::KeyPrefix;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::error::{CacheError, NoSiteError};
use crate::full_key::KeyBuffer;
use crate::local_copy::LocalCopy;
use crate::server::Server;

/// What one request of one site knows.
///
/// ```python
/// >>> from dontmanage_cache._core import current
/// >>> current()
/// <dontmanage_cache._core.Frame object at 0x...>
/// ```
#[pyclass(frozen, module = "dontmanage_cache._core")]
pub struct Frame {
    attributes: Py<PyDict>,
    /// The attribute `conf`, if it is a dict: looked into at every call.
    conf: Option<Py<PyDict>>,
    /// The attribute `document_writes`: the transactions of this request that change documents.
    writes: Option<Py<PyTuple>>,
    server: Option<Py<Server>>,
    copy: Py<LocalCopy>,
    /// The prefix, and the object that it was read from.
    prefix: OnceLock<(Py<PyAny>, KeyPrefix)>,
}

#[pymethods]
impl Frame {
    #[new]
    #[pyo3(signature = (attributes, server=None))]
    pub fn new(py: Python<'_>, attributes: Py<PyDict>, server: Option<Py<Server>>) -> PyResult<Self> {
        Self::with_copy(py, attributes, server, Py::new(py, LocalCopy::default())?)
    }

    /// The request's local copy.
    #[getter]
    pub fn cache(&self, py: Python<'_>) -> Py<LocalCopy> {
        self.copy.clone_ref(py)
    }

    /// The server of the site.
    #[getter]
    pub fn server(&self, py: Python<'_>) -> Option<Py<Server>> {
        self.server.as_ref().map(|server| server.clone_ref(py))
    }

    /// What a program hangs on its request may hold the context that the request is in, as a task does.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.attributes)?;
        visit.call(&self.conf)?;
        visit.call(&self.writes)?;
        visit.call(self.prefix.get().map(|(source, _)| source))
    }
}

impl Frame {
    pub fn with_copy(
        py: Python<'_>,
        attributes: Py<PyDict>,
        server: Option<Py<Server>>,
        copy: Py<LocalCopy>,
    ) -> PyResult<Self> {
        let conf = attributes.bind(py).get_item(intern!(py, "conf"))?;
        let conf = conf.and_then(|conf| conf.cast_into::<PyDict>().ok()).map(Bound::unbind);
        let writes = attributes.bind(py).get_item(intern!(py, "document_writes"))?;
        let writes = writes.and_then(|writes| writes.cast_into::<PyTuple>().ok()).map(Bound::unbind);
        Ok(Self { attributes, conf, writes, server, copy, prefix: OnceLock::new() })
    }

    pub fn attributes<'py>(&self, py: Python<'py>) -> &Bound<'py, PyDict> {
        self.attributes.bind(py)
    }

    pub fn writes<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyTuple>> {
        self.writes.as_ref().map(|writes| writes.bind(py))
    }

    pub fn copy(&self) -> &LocalCopy {
        self.copy.get()
    }

    pub fn own_server<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, Server>> {
        self.server.as_ref().map(|server| server.bind(py))
    }

    /// Appends the site's prefix and its bar. The configuration is asked anew each time.
    pub fn push_prefix(&self, py: Python<'_>, out: &mut KeyBuffer) -> PyResult<()> {
        let source = self.prefix_source(py)?;
        match self.prefix.get() {
            Some((from, prefix)) if from.is(&source) => out.extend_from_slice(prefix.as_bytes()),
            _ => out.extend_from_slice(self.read_prefix(source)?.as_bytes()),
        }
        Ok(())
    }

    /// The site's prefix, once a key has been made with it.
    pub fn known_prefix(&self) -> Option<&KeyPrefix> {
        self.prefix.get().map(|(_, prefix)| prefix)
    }

    /// The site's prefix.
    pub fn prefix(&self, py: Python<'_>) -> PyResult<KeyPrefix> {
        self.read_prefix(self.prefix_source(py)?)
    }

    /// The object that says the prefix: `db_name` of the configuration, else the site's name.
    fn prefix_source<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(conf) = &self.conf
            && let Some(name) = conf.bind(py).get_item(intern!(py, "db_name"))?
            && !name.is_none()
        {
            return Ok(name);
        }
        self.attributes.bind(py).get_item(intern!(py, "site"))?.ok_or_else(no_site)
    }

    fn read_prefix(&self, source: Bound<'_, PyAny>) -> PyResult<KeyPrefix> {
        let Ok(text) = source.cast::<PyString>() else {
            return Err(CacheError::new_err(format!(
                "`db_name` of the site's configuration, which its keys begin with, is text, not {}",
                source.get_type().name()?
            )));
        };
        let text = text.to_str()?;
        let prefix =
            KeyPrefix::new(text).map_err(|error| CacheError::new_err(format!("`{text}`: {error}")))?;
        // A configuration that changes within a request is read anew each time.
        let _ = self.prefix.set((source.unbind(), prefix.clone()));
        Ok(prefix)
    }

    /// The user of the session.
    pub fn user<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let session = self.attributes.bind(py).get_item(intern!(py, "session"))?;
        let user = match session {
            Some(session) if !session.is_none() => session.getattr(intern!(py, "user")).ok(),
            _ => None,
        };
        user.filter(|user| !user.is_none()).ok_or_else(|| {
            NoSiteError::new_err("`user=True` means the session's user, and there is none: call dontmanage.set_user(name) first")
        })
    }
}

pub fn no_site() -> PyErr {
    NoSiteError::new_err(
        "no site has been entered in this thread or task: call dontmanage.init(site) first, or pass shared=True for a key of all sites",
    )
}

/// The context variable's own functions, looked up once.
struct Variable {
    get: Py<PyAny>,
    set: Py<PyAny>,
}

static VARIABLE: PyOnceLock<Variable> = PyOnceLock::new();

fn variable(py: Python<'_>) -> PyResult<&Variable> {
    VARIABLE.get_or_try_init(py, || {
        let options = PyDict::new(py);
        options.set_item("default", py.None())?;
        let variable =
            py.import("contextvars")?.getattr("ContextVar")?.call(("dontmanage.local",), Some(&options))?;
        Ok(Variable { get: variable.getattr("get")?.unbind(), set: variable.getattr("set")?.unbind() })
    })
}

/// What gives the frame instead, where another package keeps the site and the user.
static FOLLOWED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What gives the frame of the thread or task: the context variable's `get`, or what is followed.
pub fn getter(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    match FOLLOWED.get(py) {
        Some(followed) => Ok(followed.bind(py)),
        None => Ok(variable(py)?.get.bind(py)),
    }
}

/// From now on `source()` gives the frame, or None, for all calls of this process: the site and the user are
/// another package's to enter and to leave.
#[pyfunction]
pub fn follow(py: Python<'_>, source: Py<PyAny>) {
    let _ = FOLLOWED.set(py, source);
}

/// The frame that a getter gives.
pub fn frame<'py>(getter: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Frame>>> {
    Ok(getter.call0()?.cast_into::<Frame>().ok())
}

/// Puts a frame in place of the thread's or task's.
pub fn replace(py: Python<'_>, frame: Frame) -> PyResult<()> {
    variable(py)?.set.bind(py).call1((frame,))?;
    Ok(())
}

/// The frame of this thread or task.
///
/// ```python
/// >>> from dontmanage_cache._core import current
/// >>> current().server.signed
/// True
/// >>> dontmanage.destroy()
/// >>> current()
/// ```
#[pyfunction]
pub fn current(py: Python<'_>) -> PyResult<Option<Bound<'_, Frame>>> {
    frame(getter(py)?)
}

/// Enters a site: its attributes become those of `dontmanage.local`, with an empty local copy.
///
/// ```python
/// >>> from dontmanage_cache._core import enter
/// >>> enter({"site": "other.local"}, None)
/// >>> dontmanage.local.site, cache.make_key("k")
/// ('other.local', b'other.local|k')
/// ```
#[pyfunction]
pub fn enter(py: Python<'_>, attributes: Py<PyDict>, server: Option<Py<Server>>) -> PyResult<()> {
    replace(py, Frame::new(py, attributes, server)?)
}

/// Leaves the site: nothing is left of it.
///
/// ```python
/// >>> from dontmanage_cache._core import leave
/// >>> leave()
/// >>> dontmanage.local
/// <dontmanage.local: no site>
/// ```
#[pyfunction]
pub fn leave(py: Python<'_>) -> PyResult<()> {
    variable(py)?.set.bind(py).call1((py.None(),))?;
    Ok(())
}
