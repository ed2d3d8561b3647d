//! Reading documents through the cache.

use dontmanage_cache::{DOCUMENT_LIFETIME, Documents as Core, Lease, Lifetime, Look, Ttl};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use super::writes::Writes;
use crate::arguments::lifetime;
use crate::cache::{Cache, Here};
use crate::context::{Frame, no_site};
use crate::error::CacheError;
use crate::local_copy::LocalCopy;
use crate::pickling::{dumps, loads};
use crate::waiting::waiting;

/// The documents of the site that a call is made in. What reads the database is given by Python: see
/// `dontmanage_cache.documents`.
///
/// >>> load = lambda doctype, name: ({"name": name}, True)
/// >>> found = Documents(dontmanage.cache, load, lambda doctype, own: -1)
/// >>> found.get("Item", "apple")
/// {'name': 'apple'}
#[pyclass(frozen, module = "dontmanage_cache._core")]
pub struct Documents {
    cache: Py<Cache>,
    /// `(doctype, name)`: the document, and whether it is really called so.
    load: Py<PyAny>,
    /// `(doctype)`: when it was last changed.
    load_last_modified: Py<PyAny>,
}

/// Of one document, or of a doctype's last change.
#[derive(Clone, Copy)]
struct Subject<'a> {
    doctype: &'a str,
    name: Option<&'a str>,
}

#[pymethods]
impl Documents {
    #[new]
    fn new(cache: Py<Cache>, load: Py<PyAny>, load_last_modified: Py<PyAny>) -> Self {
        Self { cache, load, load_last_modified }
    }

    /// The document, from the cache if it is there: the same object within a request.
    ///
    /// A single doctype's document has the doctype's name. A missing one is what the loader raises.
    ///
    /// >>> from dontmanage_cache import documents
    /// >>> documents.register(lambda doctype, name: {"name": name, "price": 3})
    /// >>> documents.get("Item", "apple")
    /// {'name': 'apple', 'price': 3}
    /// >>> documents.get("Item", "apple") is documents.get("Item", "apple")
    /// True
    #[pyo3(signature = (doctype, name=None))]
    fn get<'py>(
        &self,
        doctype: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = doctype.py();
        let here = self.cache.get().here(py)?;
        let frame = here.frame().ok_or_else(no_site)?;
        let name = name.unwrap_or(doctype);
        let (Ok(doctype_text), Ok(name_text)) = (doctype.cast::<PyString>(), name.cast::<PyString>()) else {
            // Only text is a key.
            return Ok(self.loaded(py, doctype, name)?.0);
        };
        let subject = Subject { doctype: doctype_text.to_str()?, name: Some(name_text.to_str()?) };
        let documents = documents(py, &here, frame)?;
        let key = documents.key(subject.doctype, name_text.to_str()?);
        // First: another thread of the request may be reading what is committed, and share it.
        if let Some(writes) = holder(py, frame, subject)? {
            return match writes.get().reader(py) {
                Some(reader) => reader.call1((doctype, name)),
                None => Ok(self.loaded(py, doctype, name)?.0),
            };
        }
        if let Some(copy) = here.copy()
            && let Some(document) = copy.lend(py, &key)?
        {
            return Ok(document);
        }
        let watch = here.watch();
        let (document, weight, left) = match look(py, &here, &documents, subject, &key)? {
            Step::Found(document, weight, left) => (document, weight, left),
            Step::Read(lease) => {
                let (document, is_named_so) = self.loaded(py, doctype, name)?;
                let pickle = pickled(&document, doctype, name)?;
                if !is_named_so {
                    return Ok(document);
                }
                let lifetime = document_lifetime(py, frame)?;
                let bytes = pickle.as_bytes();
                if let Some(lease) = lease {
                    py.detach(|| documents.fill(lease, bytes, lifetime));
                }
                (document, bytes.len(), lifetime.into())
            }
        };
        if let Some(watch) = watch
            && holder(py, frame, subject)?.is_none()
        {
            watch.share(here.store()?, &key, &document, weight, left);
        }
        Ok(document)
    }

    /// When anything of a doctype was last changed; None if there is nothing of it.
    ///
    /// >>> from dontmanage_cache import documents
    /// >>> documents.register(lambda doctype, name: {}, last_modified=lambda doctype: "2026-01-01 12:00:00")
    /// >>> documents.last_modified("Item")
    /// '2026-01-01 12:00:00'
    fn last_modified<'py>(&self, doctype: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = doctype.py();
        let here = self.cache.get().here(py)?;
        let frame = here.frame().ok_or_else(no_site)?;
        let subject = Subject { doctype: doctype.to_str()?, name: None };
        let documents = documents(py, &here, frame)?;
        let hash = documents.last_modified_key();
        let field = subject.doctype.as_bytes();
        if holder(py, frame, subject)?.is_some() {
            return Ok(unless_empty(self.load_last_modified.bind(py).call1((doctype, true))?));
        }
        if let Some(copy) = here.copy()
            && let Some(time) = copy.lend_field(py, &hash, field)?
        {
            return Ok(unless_empty(time));
        }
        let watch = here.watch();
        let (time, pickle, left) = match look(py, &here, &documents, subject, &hash)? {
            Step::Found(time, _, left) => (time.clone(), dumps(&time)?, left),
            Step::Read(lease) => {
                let time = self.load_last_modified.bind(py).call1((doctype, false))?;
                let pickle = dumps(&time)?;
                let lifetime = document_lifetime(py, frame)?;
                let bytes = pickle.as_bytes();
                if let Some(lease) = lease {
                    py.detach(|| documents.fill(lease, bytes, lifetime));
                }
                (time, pickle, lifetime.into())
            }
        };
        if let Some(watch) = watch
            && holder(py, frame, subject)?.is_none()
        {
            watch.keep(here.store()?, &hash, Some(field), &time, pickle, left);
        }
        Ok(unless_empty(time))
    }

    /// Forget a document, all of a doctype, or all of the site, that was changed by someone who is not
    /// known to the cache, after that change has been committed. Whether the server did it; if not, it is
    /// tried again until it does.
    ///
    /// >>> from dontmanage_cache import documents
    /// >>> documents.invalidate("Item", "apple")
    /// True
    #[pyo3(signature = (doctype=None, name=None))]
    fn invalidate(
        &self,
        py: Python<'_>,
        doctype: Option<&Bound<'_, PyString>>,
        name: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let here = self.cache.get().here(py)?;
        let frame = here.frame().ok_or_else(no_site)?;
        let documents = documents(py, &here, frame)?;
        let name = name.map(PyAnyMethods::str).transpose()?;
        let name = name.as_ref().map(|name| name.to_str()).transpose()?;
        let doctype = doctype.map(|doctype| doctype.to_str()).transpose()?;
        let told = py.detach(|| match (doctype, name) {
            (None, _) => documents.invalidate_all(),
            (Some(doctype), None) => documents.invalidate_doctype(doctype),
            (Some(doctype), Some(name)) => documents.invalidate(doctype, name),
        });
        if let Some(copy) = here.copy() {
            forget_here(copy, &documents, doctype, name);
        }
        Ok(told)
    }
}

impl Documents {
    fn loaded<'py>(
        &self,
        py: Python<'py>,
        doctype: &Bound<'py, PyAny>,
        name: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, bool)> {
        let loaded = self.load.bind(py).call1((doctype, name))?;
        loaded.cast::<PyTuple>()?.extract()
    }
}

/// Has a request's copy forget what was changed, and what its threads were reading of it.
pub fn forget_here(copy: &LocalCopy, documents: &Core, doctype: Option<&str>, name: Option<&str>) {
    let Some(doctype) = doctype else { return copy.clear() };
    match name {
        Some(name) => copy.remove(&documents.key(doctype, name)),
        None => copy.remove_beginning(&documents.keys(doctype)),
    }
    copy.remove_field(&documents.last_modified_key(), doctype.as_bytes());
}

/// The documents of a call's site.
pub fn documents(py: Python<'_>, here: &Here<'_, '_>, frame: &Frame) -> PyResult<Core> {
    Ok(Core::new(&here.server()?.cache().for_site(frame.prefix(py)?)))
}

/// What is left to do.
enum Step<'py> {
    Found(Bound<'py, PyAny>, usize, Ttl),
    Read(Option<Lease>),
}

fn look<'py>(
    py: Python<'py>,
    here: &Here<'_, 'py>,
    documents: &Core,
    subject: Subject<'_>,
    key: &[u8],
) -> PyResult<Step<'py>> {
    let Subject { doctype, name } = subject;
    let mut of_no_use = false;
    loop {
        let look = waiting(py, || match (name, of_no_use) {
            (Some(name), false) => documents.look(doctype, name),
            (Some(name), true) => documents.look_past(doctype, name),
            (None, false) => documents.look_last_modified(doctype),
            (None, true) => documents.look_past_last_modified(doctype),
        })?;
        let found = match look {
            Look::Around => return Ok(Step::Read(None)),
            Look::Read(lease) => return Ok(Step::Read(Some(lease))),
            Look::Found(found) => found,
        };
        let pickle = PyBytes::new(py, &found.pickle);
        match loads(py, pickle.as_bytes())? {
            Ok(document) => return Ok(Step::Found(document, found.pickle.len(), found.left)),
            Err(why) => here.store()?.note_unreadable(key, why),
        }
        of_no_use = true;
    }
}

/// Who is changing it in this very request.
fn holder<'py>(py: Python<'py>, frame: &Frame, subject: Subject<'_>) -> PyResult<Option<Bound<'py, Writes>>> {
    let Some(all) = frame.writes(py) else { return Ok(None) };
    for writes in all {
        let writes = writes.cast_into::<Writes>()?;
        if writes.get().holds_text(py, subject.doctype, subject.name) {
            return Ok(Some(writes));
        }
    }
    Ok(None)
}

fn pickled<'py>(
    document: &Bound<'py, PyAny>,
    doctype: &Bound<'_, PyAny>,
    name: &Bound<'_, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = document.py();
    dumps(document).map_err(|error| {
        let told = CacheError::new_err(format!(
            "the {doctype} `{name}` can't be cached, because it can't be pickled: {}; \
             take what can't be pickled out of it, or read it with get_doc",
            error.value(py)
        ));
        told.set_cause(py, Some(error));
        told
    })
}

/// `document_cache_lifetime` of the site's configuration, in seconds; an hour without it.
fn document_lifetime(py: Python<'_>, frame: &Frame) -> PyResult<Lifetime> {
    let Some(conf) = frame.attributes(py).get_item(intern!(py, "conf"))? else {
        return Ok(DOCUMENT_LIFETIME);
    };
    match conf.call_method1(intern!(py, "get"), (intern!(py, "document_cache_lifetime"),)) {
        Ok(given) if !given.is_none() => lifetime(Some(&given)),
        _ => Ok(DOCUMENT_LIFETIME),
    }
}

/// -1 stands for a table that is empty.
fn unless_empty(time: Bound<'_, PyAny>) -> Option<Bound<'_, PyAny>> {
    (!time.eq(-1).unwrap_or(false)).then_some(time)
}
