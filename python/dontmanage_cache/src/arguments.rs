//! What callers give beside keys: lifetimes, lists of keys, raw members.

use std::time::Duration;

use dontmanage_cache::Lifetime;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDelta, PyFloat, PyInt, PyString, PyTuple};

/// A lifetime: None, a number of seconds, or a timedelta. Parts of a second are rounded up.
pub fn lifetime(given: Option<&Bound<'_, PyAny>>) -> PyResult<Lifetime> {
    let Some(given) = given.filter(|given| !given.is_none()) else { return Ok(Lifetime::NONE) };
    if given.is_instance_of::<PyInt>() && !given.is_instance_of::<PyBool>() {
        if let Ok(seconds) = given.extract::<u64>() {
            return Ok(Lifetime::secs(seconds));
        }
        return if given.lt(0)? { Err(negative(given)) } else { Ok(Lifetime::secs(u64::MAX)) };
    }
    let seconds: f64 = if given.is_instance_of::<PyFloat>() {
        given.extract()?
    } else if given.is_instance_of::<PyDelta>() {
        given.call_method0(intern!(given.py(), "total_seconds"))?.extract()?
    } else {
        return Err(PyTypeError::new_err(format!(
            "a lifetime is a number of seconds or a timedelta, not {}",
            given.get_type().name()?
        )));
    };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(negative(given));
    }
    Ok(Duration::try_from_secs_f64(seconds).map_or(Lifetime::secs(u64::MAX), Lifetime::from))
}

fn negative(given: &Bound<'_, PyAny>) -> PyErr {
    PyValueError::new_err(format!("a lifetime can't be negative: {given}"))
}

/// One thing or several: whatever can be walked over is several, but for text and bytes.
pub fn several<'py>(given: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if given.is_none() {
        return Ok(Vec::new());
    }
    let is_one = given.is_instance_of::<PyString>()
        || given.is_instance_of::<PyBytes>()
        || given.is_instance_of::<PyInt>()
        || !given.hasattr(intern!(given.py(), "__iter__"))?;
    if is_one { Ok(vec![given.clone()]) } else { given.try_iter()?.collect() }
}

/// A member of a list or a set, which is kept raw.
pub fn member(given: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(text.to_str()?.as_bytes().to_vec());
    }
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if let Ok(bytes) = given.cast::<PyByteArray>() {
        return Ok(bytes.to_vec());
    }
    let is_number = given.is_instance_of::<PyInt>() && !given.is_instance_of::<PyBool>();
    if is_number || given.is_instance_of::<PyFloat>() {
        return Ok(given.repr()?.to_str()?.as_bytes().to_vec());
    }
    Err(PyTypeError::new_err(format!(
        "members of lists and sets are kept raw: give text, bytes or a number, not {}",
        given.get_type().name()?
    )))
}

/// Members, each raw.
pub fn members(given: &Bound<'_, PyTuple>) -> PyResult<Vec<Vec<u8>>> {
    given.iter().map(|member_given| member(&member_given)).collect()
}
