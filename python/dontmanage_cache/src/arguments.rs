//! What callers give beside keys: lifetimes, lists of keys, raw members.

use std::time::Duration;

use dontmanage_cache::Lifetime;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDelta, PyDict, PyFloat, PyInt, PyMapping, PyString, PyTuple,
};

use crate::full_key::is_bytes;

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
        || is_bytes(given)
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
    if is_bytes(given) {
        return Ok(PyByteArray::from(given)?.to_vec());
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

/// Members, and one more that was given by name.
pub fn and_one<'py>(
    given: &Bound<'py, PyTuple>,
    one: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    match one {
        None => Ok(given.clone()),
        Some(one) => PyTuple::new(given.py(), given.iter().chain([one.clone()]).collect::<Vec<_>>()),
    }
}

/// How many members are to be taken.
pub fn check_count(count: Option<i64>) -> PyResult<()> {
    match count {
        Some(count) if count < 0 => {
            Err(PyValueError::new_err(format!("`count` is how many to take, and can't be {count}")))
        }
        _ => Ok(()),
    }
}

/// What is to be called on a miss.
pub fn check_generator(given: &Bound<'_, PyAny>) -> PyResult<()> {
    if given.is_callable() {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!(
        "a generator is a function that is called on a miss, not {}; for what a miss gives, pass default=…",
        given.get_type().name()?
    )))
}

/// Values by their keys.
pub fn mapping<'a, 'py>(given: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyMapping>> {
    match given.cast() {
        Ok(mapping) => Ok(mapping),
        Err(_) => Err(PyTypeError::new_err(format!(
            "several values are given as a dict of keys and values, not {}",
            given.get_type().name()?
        ))),
    }
}

/// redis-py's `hset` takes several fields by name. They would be lost here.
pub fn refuse_several_fields(options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    let Some(options) = options else { return Ok(()) };
    if options.contains("mapping")? || options.contains("items")? {
        return Err(PyTypeError::new_err(
            "`hset` sets one field, as a pickle: call it for each, or set a dict by `set_value`",
        ));
    }
    Ok(())
}

/// Yes or no, as programs of the framework say it: check fields are 0 or 1, and what is left out is None. No
/// other number, which was meant for another place.
pub fn yes(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(truth) = given.cast::<PyBool>() {
        return Ok(truth.is_true());
    }
    if given.is_none() {
        return Ok(false);
    }
    if given.is_instance_of::<PyInt>()
        && let Ok(number @ 0..=1) = given.extract::<u8>()
    {
        return Ok(number == 1);
    }
    Err(PyTypeError::new_err(format!("this is True or False, not {}", given.get_type().name()?)))
}
