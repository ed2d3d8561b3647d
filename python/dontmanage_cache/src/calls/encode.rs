//! Arguments in their canonical bytes: by type and content, the same in every process.

use dontmanage_cache::BigInt;
use dontmanage_cache::memo::Canonical;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString,
    PyTuple,
};

/// How deep arguments may nest.
const MAX_DEPTH: usize = 100;

/// Appends an argument. Fails with a `TypeError` if it can't be pickled.
pub fn encode(argument: &Bound<'_, PyAny>, to: &mut Canonical) -> PyResult<()> {
    encode_at(argument, to, 0)
}

fn encode_at(argument: &Bound<'_, PyAny>, to: &mut Canonical, depth: usize) -> PyResult<()> {
    // Classes of their own that derive from these are told apart from them, so types must be exact.
    if argument.is_exact_instance_of::<PyString>() {
        text(argument.cast()?, to)?;
    } else if argument.is_exact_instance_of::<PyInt>() {
        int(argument, to)?;
    } else if argument.is_none() {
        to.none();
    } else if argument.is_exact_instance_of::<PyBool>() {
        to.bool(argument.is_truthy()?);
    } else if argument.is_exact_instance_of::<PyFloat>() {
        to.float(argument.extract()?);
    } else if argument.is_exact_instance_of::<PyBytes>() {
        to.bytes(argument.cast::<PyBytes>()?.as_bytes());
    } else {
        container(argument, to, depth)?;
    }
    Ok(())
}

fn text(text: &Bound<'_, PyString>, to: &mut Canonical) -> PyResult<()> {
    if let Ok(text) = text.to_str() {
        to.text(text);
        return Ok(());
    }
    // Half of a surrogate pair, as file names may hold.
    let py = text.py();
    let bytes = text.call_method1(intern!(py, "encode"), ("utf-8", "surrogatepass"))?;
    to.object("str", bytes.cast::<PyBytes>()?.as_bytes());
    Ok(())
}

fn int(number: &Bound<'_, PyAny>, to: &mut Canonical) -> PyResult<()> {
    if let Ok(small) = number.extract::<i64>() {
        to.small_int(small);
        return Ok(());
    }
    let py = number.py();
    let bits: usize = number.call_method0(intern!(py, "bit_length"))?.extract()?;
    let options = PyDict::new(py);
    options.set_item(intern!(py, "signed"), true)?;
    let bytes = number.call_method(intern!(py, "to_bytes"), (bits / 8 + 1, "little"), Some(&options))?;
    to.int(BigInt::from_le_bytes(bytes.cast::<PyBytes>()?.as_bytes()));
    Ok(())
}

fn container(argument: &Bound<'_, PyAny>, to: &mut Canonical, depth: usize) -> PyResult<()> {
    if depth > MAX_DEPTH {
        return Err(PyTypeError::new_err("it nests too deep, or holds itself"));
    }
    if argument.is_exact_instance_of::<PyTuple>() {
        let tuple = argument.cast::<PyTuple>()?;
        to.tuple(tuple.len());
        for item in tuple.iter() {
            encode_at(&item, to, depth + 1)?;
        }
    } else if argument.is_exact_instance_of::<PyList>() {
        // A copy: what is done to an item may change the list.
        let list = argument.cast::<PyList>()?.to_tuple();
        to.list(list.len());
        for item in list.iter() {
            encode_at(&item, to, depth + 1)?;
        }
    } else if argument.is_exact_instance_of::<PyDict>() {
        let mut pairs = Vec::new();
        for item in argument.cast::<PyDict>()?.items() {
            let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            pairs.push((alone(&name, depth)?, alone(&value, depth)?));
        }
        to.dict(pairs);
    } else if argument.is_exact_instance_of::<PySet>() {
        to.set(items(argument, depth)?);
    } else if argument.is_exact_instance_of::<PyFrozenSet>() {
        to.frozen_set(items(argument, depth)?);
    } else if argument.is_exact_instance_of::<PyByteArray>() {
        to.byte_array(&argument.cast::<PyByteArray>()?.to_vec());
    } else if argument.is_exact_instance_of::<PyComplex>() {
        let number = argument.cast::<PyComplex>()?;
        to.named("complex", 2).float(number.real()).float(number.imag());
    } else {
        object(argument, to, depth)?;
    }
    Ok(())
}

/// An item of a container without order, by itself.
fn alone(item: &Bound<'_, PyAny>, depth: usize) -> PyResult<Canonical> {
    let mut canonical = Canonical::new();
    encode_at(item, &mut canonical, depth + 1)?;
    Ok(canonical)
}

fn items(set: &Bound<'_, PyAny>, depth: usize) -> PyResult<Vec<Canonical>> {
    let items: Vec<Bound<'_, PyAny>> = set.try_iter()?.collect::<PyResult<_>>()?;
    items.iter().map(|item| alone(item, depth)).collect()
}

/// Any other object: by an importable name, or by what pickle would make it from again. Not by its pickle,
/// whose bytes differ for equal objects.
fn object(argument: &Bound<'_, PyAny>, to: &mut Canonical, depth: usize) -> PyResult<()> {
    let py = argument.py();
    let parts = py.import(intern!(py, "dontmanage_cache.parts"))?;
    let parts = parts.call_method1(intern!(py, "parts_of"), (argument,))?;
    if let Ok(name) = parts.cast::<PyString>() {
        to.object("global", name.to_str()?.as_bytes());
        return Ok(());
    }
    let parts = parts.cast::<PyTuple>()?;
    to.named("object", parts.len());
    for part in parts.iter() {
        encode_at(&part, to, depth + 1)?;
    }
    Ok(())
}
