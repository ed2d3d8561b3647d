//! Objects that are kept so that each caller gets one of his own.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PySet};

use crate::pickling::{is_atom, loads};

/// An object as it is kept for later callers, none of which may see what another does to his.
pub enum Kept {
    /// Nobody can change it: all may have the same.
    Atom(Py<PyAny>),
    /// Containers of such, which are quickly copied.
    Dict(Py<PyDict>),
    List(Py<PyList>),
    Set(Py<PySet>),
    /// Anything else is unpickled for each caller. Not yet asked for, so that it is not known what it is.
    Fresh(Py<PyBytes>),
    /// The same, known to be none of the above.
    Pickle(Py<PyBytes>),
}

impl Kept {
    /// What to keep of an object that has this pickle.
    pub fn new(object: &Bound<'_, PyAny>, pickle: Bound<'_, PyBytes>) -> Self {
        if is_atom(object) { Self::Atom(object.clone().unbind()) } else { Self::Fresh(pickle.unbind()) }
    }

    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Atom(object) => Self::Atom(object.clone_ref(py)),
            Self::Dict(dict) => Self::Dict(dict.clone_ref(py)),
            Self::List(list) => Self::List(list.clone_ref(py)),
            Self::Set(set) => Self::Set(set.clone_ref(py)),
            Self::Fresh(pickle) => Self::Fresh(pickle.clone_ref(py)),
            Self::Pickle(pickle) => Self::Pickle(pickle.clone_ref(py)),
        }
    }

    /// An object for one caller. The second result, if any, is a better way to keep it.
    pub fn lend(self, py: Python<'_>) -> PyResult<Option<(Bound<'_, PyAny>, Option<Self>)>> {
        let lent = match self {
            Self::Atom(object) => object.into_bound(py),
            Self::Dict(dict) => dict.bind(py).copy()?.into_any(),
            Self::List(list) => list.bind(py).get_slice(0, usize::MAX).into_any(),
            Self::Set(set) => PySet::new(py, set.bind(py).iter())?.into_any(),
            Self::Pickle(pickle) => {
                return Ok(loads(py, pickle.as_bytes(py))?.ok().map(|object| (object, None)));
            }
            Self::Fresh(pickle) => {
                let Ok(object) = loads(py, pickle.as_bytes(py))? else { return Ok(None) };
                let (lent, better) =
                    Self::quicker(&object)?.unwrap_or_else(|| (object, Self::Pickle(pickle)));
                return Ok(Some((lent, Some(better))));
            }
        };
        Ok(Some((lent, None)))
    }

    /// For a container of atoms: a copy to lend, and the container itself to keep.
    fn quicker<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<(Bound<'py, PyAny>, Self)>> {
        if object.is_exact_instance_of::<PyDict>() {
            let dict = object.cast::<PyDict>()?;
            if dict.iter().all(|(key, value)| is_atom(&key) && is_atom(&value)) {
                return Ok(Some((dict.copy()?.into_any(), Self::Dict(dict.clone().unbind()))));
            }
        } else if object.is_exact_instance_of::<PyList>() {
            let list = object.cast::<PyList>()?;
            if list.iter().all(|item| is_atom(&item)) {
                return Ok(Some((
                    list.get_slice(0, usize::MAX).into_any(),
                    Self::List(list.clone().unbind()),
                )));
            }
        } else if object.is_exact_instance_of::<PySet>() {
            let set = object.cast::<PySet>()?;
            if set.iter().all(|item| is_atom(&item)) {
                return Ok(Some((
                    PySet::new(object.py(), set.iter())?.into_any(),
                    Self::Set(set.clone().unbind()),
                )));
            }
        }
        Ok(None)
    }

    /// Whether this is that very pickle.
    pub fn is_fresh(&self, pickle: &Py<PyBytes>) -> bool {
        matches!(self, Self::Fresh(mine) if mine.is(pickle))
    }
}
