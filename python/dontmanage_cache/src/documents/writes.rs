//! What a database transaction changes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dontmanage_cache::{Documents, Writes as Core};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::reading::{documents, forget_here};
use crate::cache::Cache;
use crate::context::{self, Frame, no_site};
use crate::full_key::text;
use crate::local_copy::LocalCopy;

/// What one database transaction changes.
///
/// `touch` before each statement that changes a document, `committing` before the commit, and `committed` or
/// `rolled_back` after its end. In between nobody stores the document in the cache, and this request reads
/// it with `reader(doctype, name)`, which should read within the transaction.
///
/// >>> from dontmanage_cache import documents
/// >>> writes = documents.Writes()
/// >>> writes.touch("Item", "apple")       # before the statement
/// True
/// >>> writes.committing()                 # before the commit
/// True
/// >>> writes.committed()                  # after it
/// True
#[pyclass(frozen, module = "dontmanage_cache._core")]
pub struct Writes {
    cache: Py<Cache>,
    reader: Option<Py<PyAny>>,
    /// None before the first change.
    core: Mutex<Option<Core>>,
    /// Of the request that made the last change: its copy, and the documents of its site.
    request: Mutex<Option<(Py<LocalCopy>, Documents)>>,
}

#[pymethods]
impl Writes {
    #[new]
    #[pyo3(signature = (cache, reader=None))]
    fn new(cache: Py<Cache>, reader: Option<Py<PyAny>>) -> Self {
        Self { cache, reader, core: Mutex::default(), request: Mutex::default() }
    }

    /// Tell that the next statement changes a document; without a name, that it changes any of the doctype
    /// (which is a walk over all keys of the server: name the documents where you can). Whether the server
    /// knows it; if not, it is told again later.
    ///
    /// >>> from dontmanage_cache import documents
    /// >>> writes = documents.Writes()
    /// >>> writes.touch("Item", "apple")
    /// True
    /// >>> writes.touch("Item")
    /// True
    /// >>> writes.rolled_back()
    /// True
    #[pyo3(signature = (doctype, name=None))]
    fn touch(
        slf: &Bound<'_, Self>,
        doctype: &Bound<'_, PyString>,
        name: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let py = slf.py();
        let this = slf.get();
        let here = this.cache.get().here(py)?;
        let frame = here.frame().ok_or_else(no_site)?;
        let documents = documents(py, &here, frame)?;
        let doctype = doctype.to_str()?;
        // The database may take a number for a text.
        let name = name.map(text).transpose()?;
        let name = name.as_deref().map(String::from_utf8_lossy);
        let name = name.as_deref();
        let told = py.detach(|| {
            let mut core = this.lock();
            let writes = core.get_or_insert_with(|| documents.writes());
            match name {
                Some(name) => writes.touch(doctype, name),
                None => writes.touch_doctype(doctype),
            }
        });
        // What other threads of the request were reading, too.
        if let Some(copy) = here.own_copy() {
            forget_here(copy.get(), &documents, Some(doctype), name);
            *this.request.lock().unwrap_or_else(PoisonError::into_inner) = Some((copy, documents));
        }
        stand_in(slf, frame)?;
        Ok(told)
    }

    /// Whether the transaction has changed the document; without a name, anything of the doctype.
    ///
    /// >>> from dontmanage_cache import documents
    /// >>> writes = documents.Writes()
    /// >>> writes.touch("Item", "apple"), writes.holds("Item", "apple"), writes.holds("Item", "pear")
    /// (True, True, False)
    /// >>> writes.rolled_back()
    /// True
    #[pyo3(signature = (doctype, name=None))]
    fn holds(
        &self,
        py: Python<'_>,
        doctype: &Bound<'_, PyString>,
        name: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let name = name.map(text).transpose()?;
        let name = name.as_deref().map(String::from_utf8_lossy);
        Ok(self.holds_text(py, doctype.to_str()?, name.as_deref()))
    }

    /// To be called before the commit: what did not reach the server is told again. Usually it asks nothing.
    ///
    /// >>> from dontmanage_cache import documents
    /// >>> writes = documents.Writes()
    /// >>> writes.committing()
    /// True
    fn committing(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().as_mut().is_none_or(Core::committing))
    }

    /// To be called after the commit, before anybody is told of it. Whether the server knows it; if not, it
    /// is told as soon as it can be.
    ///
    /// >>> from dontmanage_cache import documents
    /// >>> writes = documents.Writes()
    /// >>> writes.touch("Item", "apple"), writes.committed(), writes.holds("Item", "apple")
    /// (True, True, False)
    fn committed(&self, py: Python<'_>) -> bool {
        self.finish(py, Core::committed)
    }

    /// To be called after the rollback. Whether the server knows it, as with `committed`.
    ///
    /// >>> from dontmanage_cache import documents
    /// >>> writes = documents.Writes()
    /// >>> writes.touch("Item", "apple"), writes.rolled_back()
    /// (True, True)
    fn rolled_back(&self, py: Python<'_>) -> bool {
        self.finish(py, Core::rolled_back)
    }

    /// Whether anything has been changed.
    fn __bool__(&self, py: Python<'_>) -> bool {
        self.with(py, |writes| writes.is_some_and(|writes| !writes.is_empty()))
    }
}

impl Writes {
    pub fn reader<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyAny>> {
        self.reader.as_ref().map(|reader| reader.bind(py))
    }

    pub fn holds_text(&self, py: Python<'_>, doctype: &str, name: Option<&str>) -> bool {
        self.with(py, |writes| match (writes, name) {
            (None, _) => false,
            (Some(writes), Some(name)) => writes.holds(doctype, name),
            (Some(writes), None) => writes.holds_doctype(doctype),
        })
    }

    /// Ends the transaction, and has the request forget what its other threads have read meanwhile of what is
    /// changed by it.
    fn finish(&self, py: Python<'_>, end: fn(&mut Core) -> bool) -> bool {
        let (told, touched) = py.detach(|| {
            let Some(mut writes) = self.lock().take() else { return (true, Vec::new()) };
            let touched: Vec<(String, Option<String>)> = writes
                .touched()
                .map(|(doctype, name)| (doctype.to_owned(), name.map(str::to_owned)))
                .collect();
            (end(&mut writes), touched)
        });
        let request = self.request.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((copy, documents)) = request {
            for (doctype, name) in touched {
                forget_here(copy.get(), &documents, Some(&doctype), name.as_deref());
            }
        }
        told
    }

    fn lock(&self) -> MutexGuard<'_, Option<Core>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks, without holding the interpreter while another thread asks the server.
    fn with<T: Send>(&self, py: Python<'_>, look: impl FnOnce(Option<&Core>) -> T + Send) -> T {
        if let Ok(core) = self.core.try_lock() {
            return look(core.as_ref());
        }
        py.detach(|| look(self.lock().as_ref()))
    }
}

/// Lets the request know of the transaction, so that it reads what it has changed itself around the cache.
fn stand_in(writes: &Bound<'_, Writes>, frame: &Frame) -> PyResult<()> {
    let py = writes.py();
    let name = intern!(py, "document_writes");
    let mut all = vec![writes.clone().into_any()];
    if let Some(known) = frame.attributes(py).get_item(name)? {
        for other in known.cast::<PyTuple>()?.iter() {
            if other.is(writes) {
                return Ok(());
            }
            // What is over is forgotten.
            if other.is_truthy()? {
                all.push(other);
            }
        }
    }
    let attributes: Bound<'_, PyDict> = frame.attributes(py).copy()?;
    attributes.set_item(name, PyTuple::new(py, all)?)?;
    context::replace(py, Frame::with_copy(py, attributes.unbind(), frame.server(py), frame.cache(py))?)
}
