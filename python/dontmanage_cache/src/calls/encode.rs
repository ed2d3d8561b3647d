//! Arguments in their canonical bytes: by type and content, the same in every process.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use dontmanage_cache::BigInt;
use dontmanage_cache::memo::Canonical;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString,
    PyTuple,
};

use crate::pickling::dumps;

/// How deep arguments may nest, before their pickle stands for them.
const MAX_DEPTH: usize = 100;

/// So many bytes of a part are replaced by their hash: one that stands in many places costs little in each.
const LARGE: usize = 1024;

/// From so many bytes on, a part is not walked again where it stands again.
const KNOWN: usize = 512;

/// How many parts may be walked that can't be known, because they hold rings.
const MOST_WITH_RINGS: u32 = 20_000;

/// Appends an argument. Fails with a `TypeError` if it can't be pickled.
pub fn encode(argument: &Bound<'_, PyAny>, to: &mut Canonical) -> PyResult<()> {
    let from = to.as_bytes().len();
    match Walk::default().encode(argument, to) {
        Ok(()) => Ok(()),
        Err(Stopped::Error(error)) => Err(error),
        Err(Stopped::Endless) => {
            // Its bytes may differ where it should be the same, but never be the same where it differs.
            to.cut(from).object("pickle", dumps(argument)?.as_bytes());
            Ok(())
        }
    }
}

/// The canonical bytes of an object: by type and content, the same in every process. Equal bytes are of equal
/// objects. Raises if it can't be pickled.
///
/// ```python
/// >>> from dontmanage_cache._core import canonical
/// >>> canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1}) != canonical({"a": 1.0, "b": 2})
/// True
/// ```
#[pyfunction]
pub fn canonical<'py>(argument: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut to = Canonical::new();
    encode(argument, &mut to)?;
    Ok(PyBytes::new(argument.py(), to.as_bytes()))
}

/// Why an argument was not encoded.
enum Stopped {
    Error(PyErr),
    /// It nests too deep, or its parts refer to each other in too many ways.
    Endless,
}

impl From<PyErr> for Stopped {
    fn from(error: PyErr) -> Self {
        Self::Error(error)
    }
}

/// A walk through one argument.
#[derive(Default)]
struct Walk<'py> {
    /// The containers around, by address, from the outermost on.
    around: Vec<usize>,
    /// How often one of them was met again.
    rings: u32,
    /// The bytes of what has been walked, by address; the objects with them, so that no other one gets it.
    known: HashMap<usize, (Canonical, Bound<'py, PyAny>), BuildHasherDefault<DefaultHasher>>,
    with_rings: u32,
}

impl<'py> Walk<'py> {
    fn encode(&mut self, argument: &Bound<'py, PyAny>, to: &mut Canonical) -> Result<(), Stopped> {
        // Classes of their own that derive from these are told apart from them, so types must be exact.
        if argument.is_exact_instance_of::<PyString>() {
            text(argument.cast().map_err(PyErr::from)?, to)?;
        } else if argument.is_exact_instance_of::<PyInt>() {
            int(argument, to)?;
        } else if argument.is_none() {
            to.none();
        } else if argument.is_exact_instance_of::<PyBool>() {
            to.bool(argument.is_truthy()?);
        } else if argument.is_exact_instance_of::<PyFloat>() {
            to.float(argument.extract()?);
        } else if argument.is_exact_instance_of::<PyBytes>() {
            to.bytes(argument.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
        } else {
            self.enter(argument, to)?;
        }
        Ok(())
    }

    /// Anything that may hold others, perhaps itself.
    fn enter(&mut self, argument: &Bound<'py, PyAny>, to: &mut Canonical) -> Result<(), Stopped> {
        let address = argument.as_ptr().addr();
        let depth = self.around.len();
        if let Some(at) = self.around.iter().rposition(|other| *other == address) {
            // A ring: the container so many steps up.
            to.object("around", &(depth - at).to_le_bytes());
            self.rings += 1;
            return Ok(());
        }
        if let Some((known, _)) = self.known.get(&address) {
            to.append(known);
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(Stopped::Endless);
        }
        let from = to.as_bytes().len();
        let rings = self.rings;
        self.around.push(address);
        self.container(argument, to)?;
        self.around.pop();
        if depth > 0 {
            self.know(argument, to, from, rings < self.rings)?;
        }
        Ok(())
    }

    /// Keeps the bytes of a container, which stand behind `from`.
    fn know(
        &mut self,
        argument: &Bound<'py, PyAny>,
        to: &mut Canonical,
        from: usize,
        has_ring: bool,
    ) -> Result<(), Stopped> {
        let length = to.as_bytes().len() - from;
        if length > LARGE {
            to.fold(from);
        }
        if has_ring {
            // How it is written depends on what stands around it.
            self.with_rings += 1;
            if self.with_rings > MOST_WITH_RINGS {
                return Err(Stopped::Endless);
            }
        } else if length > KNOWN {
            let known = to.from(from);
            self.known.insert(argument.as_ptr().addr(), (known, argument.clone()));
        }
        Ok(())
    }

    fn container(&mut self, argument: &Bound<'py, PyAny>, to: &mut Canonical) -> Result<(), Stopped> {
        if argument.is_exact_instance_of::<PyTuple>() {
            let tuple = argument.cast::<PyTuple>().map_err(PyErr::from)?;
            to.tuple(tuple.len());
            for item in tuple.iter() {
                self.encode(&item, to)?;
            }
        } else if argument.is_exact_instance_of::<PyList>() {
            // A copy: what is done to an item may change the list.
            let list = argument.cast::<PyList>().map_err(PyErr::from)?.to_tuple();
            to.list(list.len());
            for item in list.iter() {
                self.encode(&item, to)?;
            }
        } else if argument.is_exact_instance_of::<PyDict>() {
            let mut pairs = Vec::new();
            for item in argument.cast::<PyDict>().map_err(PyErr::from)?.items() {
                let (name, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item.extract()?;
                pairs.push((self.alone(&name)?, self.alone(&value)?));
            }
            to.dict(pairs);
        } else if argument.is_exact_instance_of::<PySet>() {
            to.set(self.items(argument)?);
        } else if argument.is_exact_instance_of::<PyFrozenSet>() {
            to.frozen_set(self.items(argument)?);
        } else if argument.is_exact_instance_of::<PyByteArray>() {
            to.byte_array(&argument.cast::<PyByteArray>().map_err(PyErr::from)?.to_vec());
        } else if argument.is_exact_instance_of::<PyComplex>() {
            let number = argument.cast::<PyComplex>().map_err(PyErr::from)?;
            to.named("complex", 2).float(number.real()).float(number.imag());
        } else {
            self.object(argument, to)?;
        }
        Ok(())
    }

    /// An item of a container without order, by itself.
    fn alone(&mut self, item: &Bound<'py, PyAny>) -> Result<Canonical, Stopped> {
        let mut canonical = Canonical::new();
        self.encode(item, &mut canonical)?;
        Ok(canonical)
    }

    fn items(&mut self, set: &Bound<'py, PyAny>) -> Result<Vec<Canonical>, Stopped> {
        let items: Vec<Bound<'py, PyAny>> = set.try_iter()?.collect::<PyResult<_>>()?;
        items.iter().map(|item| self.alone(item)).collect()
    }

    /// Any other object: by an importable name, or by what pickle would make it from again. Not by its pickle,
    /// whose bytes differ for equal objects.
    fn object(&mut self, argument: &Bound<'py, PyAny>, to: &mut Canonical) -> Result<(), Stopped> {
        let py = argument.py();
        let parts = py.import(intern!(py, "dontmanage_cache.parts"))?;
        let parts = parts.call_method1(intern!(py, "parts_of"), (argument,))?;
        if let Ok(name) = parts.cast::<PyString>() {
            to.object("global", name.to_str()?.as_bytes());
            return Ok(());
        }
        let parts = parts.cast::<PyTuple>().map_err(PyErr::from)?;
        to.named("object", parts.len());
        for part in parts.iter() {
            self.encode(&part, to)?;
        }
        Ok(())
    }
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
