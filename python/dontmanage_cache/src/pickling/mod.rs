//! Pickles: plain data is read here, everything else by Python's own `pickle` in C, which also writes.

mod cursor;
mod names;
mod plain;

use dontmanage_cache::Unreadable;
use dontmanage_cache::pickle::asks_for_memory;
use pyo3::exceptions::{
    PyAttributeError, PyEOFError, PyException, PyImportError, PyMemoryError, PyRecursionError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;

/// As every Python since 3.8 reads it.
const PROTOCOL: u8 = 5;

/// From this size on the garbage collector waits until a value is read: the many objects of a large value
/// would set it off in the middle, and it would walk the whole heap of the worker, for nothing.
const LARGE: usize = 8 * 1024;

struct Functions {
    dumps: Py<PyAny>,
    loads: Py<PyAny>,
    gc_is_enabled: Py<PyAny>,
    gc_enable: Py<PyAny>,
    gc_disable: Py<PyAny>,
}

static FUNCTIONS: PyOnceLock<Functions> = PyOnceLock::new();

fn functions(py: Python<'_>) -> PyResult<&Functions> {
    FUNCTIONS.get_or_try_init(py, || {
        let pickle = py.import("_pickle").or_else(|_| py.import("pickle"))?;
        let gc = py.import("gc")?;
        Ok(Functions {
            dumps: pickle.getattr("dumps")?.unbind(),
            loads: pickle.getattr("loads")?.unbind(),
            gc_is_enabled: gc.getattr("isenabled")?.unbind(),
            gc_enable: gc.getattr("enable")?.unbind(),
            gc_disable: gc.getattr("disable")?.unbind(),
        })
    })
}

/// The pickle of an object. Raises what `pickle` raises.
pub fn dumps<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = object.py();
    Ok(functions(py)?.dumps.bind(py).call1((object, PROTOCOL))?.cast_into()?)
}

/// The object of a pickle, or why it can't be read. What is no error of the pickle (an interrupt, the exit)
/// goes on its way.
pub fn loads<'py>(py: Python<'py>, pickle: &[u8]) -> PyResult<Result<Bound<'py, PyAny>, Unreadable>> {
    let functions = functions(py)?;
    let pause = pickle.len() >= LARGE && functions.gc_is_enabled.bind(py).call0()?.is_truthy()?;
    if pause {
        functions.gc_disable.bind(py).call0()?;
    }
    let loaded = match plain::read(py, pickle) {
        Err(error) => Err(error),
        Ok(Some(object)) => Ok(object),
        Ok(None) if asks_for_memory(pickle) => {
            Err(PyMemoryError::new_err("the pickle asks for too much memory"))
        }
        Ok(None) => functions.loads.bind(py).call1((PyBytes::new(py, pickle),)),
    };
    if pause {
        functions.gc_enable.bind(py).call0()?;
    }
    match loaded {
        Ok(object) => Ok(Ok(object)),
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(Err(why(py, &error))),
        Err(error) => Err(error),
    }
}

/// Why a pickle can't be read, as far as Python tells.
fn why(py: Python<'_>, error: &PyErr) -> Unreadable {
    if error.is_instance_of::<PyRecursionError>(py) || error.is_instance_of::<PyMemoryError>(py) {
        Unreadable::TooDeep
    } else if error.is_instance_of::<PyAttributeError>(py) || error.is_instance_of::<PyImportError>(py) {
        Unreadable::UnknownClass
    } else if error.is_instance_of::<PyEOFError>(py) || error.to_string().contains("truncated") {
        Unreadable::Truncated
    } else {
        Unreadable::Malformed
    }
}

/// Whether an object can be shared without anybody being able to change it.
pub fn is_atom(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyBool, PyComplex, PyFloat, PyFrozenSet, PyInt, PyString, PyTuple};
    if object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_none()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyBytes>()
        || object.is_exact_instance_of::<PyComplex>()
    {
        return true;
    }
    if object.is_exact_instance_of::<PyTuple>()
        && let Ok(tuple) = object.cast::<PyTuple>()
    {
        return tuple.iter_borrowed().all(|item| is_leaf(&item));
    }
    if object.is_exact_instance_of::<PyFrozenSet>()
        && let Ok(set) = object.cast::<PyFrozenSet>()
    {
        return set.iter().all(|item| is_leaf(&item));
    }
    false
}

/// As [`is_atom`], for what is in a container: no deeper.
pub fn is_leaf(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyString};
    object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_none()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyBytes>()
        || object.is_exact_instance_of::<PyComplex>()
}
