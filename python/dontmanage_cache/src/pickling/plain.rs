//! Pickles of plain data, read without Python's `pickle`.
//!
//! Most of what is cached is plain: dicts, lists and rows of text, numbers and times. Reading it here saves
//! a third of the time, above all by giving equal keys one string ([`Names`]). It is a shorter way to the
//! same object: whatever is unusual, or broken, is left to Python's own reader from the first byte on.
//!
//! The machine is that of CPython's `_pickle.c`: a stack, marks on it, and a memo of objects that come
//! again. No code is looked up but the constructors of times and decimals.

use dontmanage_cache::pickle::opcode as op;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyList, PySet, PyString, PyTuple, PyType};
use smallvec::SmallVec;

use super::cursor::Cursor;
use super::names::Names;

/// What may be called with what a pickle says, by its module: it makes plain data, and nothing else.
const CONSTRUCTORS: [(&str, &[&str]); 2] =
    [("datetime", &["date", "datetime", "time", "timedelta", "timezone"]), ("decimal", &["Decimal"])];

/// The object of a pickle; none if Python has to read it. Raises what is no error of the pickle: an interrupt
/// that came meanwhile, the exit.
pub fn read<'py>(py: Python<'py>, pickle: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
    let mut reader = Reader {
        py,
        input: Cursor::new(pickle),
        objects: Vec::with_capacity((pickle.len() / 12).clamp(4, 4096)),
        stack: Vec::with_capacity(96),
        marks: SmallVec::new(),
        memo: Vec::with_capacity(96),
        names: Names::borrow(),
        raised: None,
    };
    let object = reader.run();
    reader.raised.map_or(Ok(object), Err)
}

/// An object, by its place among all that the pickle has made.
type Id = u32;

struct Reader<'a, 'py> {
    py: Python<'py>,
    input: Cursor<'a>,
    /// All objects. They stay until the end, so that the stack and the memo, which holds nearly all of them
    /// and of which hardly one is asked for, need not count references.
    objects: Vec<Bound<'py, PyAny>>,
    stack: Vec<Id>,
    marks: SmallVec<[Mark; 8]>,
    memo: Vec<Id>,
    names: Names,
    /// What Python's own reader must not be asked after, as it would be lost.
    raised: Option<PyErr>,
}

#[derive(Clone, Copy)]
struct Mark {
    /// How many objects lie below it.
    at: usize,
    /// Whether what follows are keys and values in turn.
    is_in_dict: bool,
}

impl<'py> Reader<'_, 'py> {
    fn run(&mut self) -> Option<Bound<'py, PyAny>> {
        loop {
            let opcode = self.input.byte()?;
            match opcode {
                op::SHORT_BINUNICODE => self.text::<1>()?,
                op::BINUNICODE => self.text::<4>()?,
                op::BINUNICODE8 => self.text::<8>()?,
                op::MEMOIZE => self.remember()?,
                op::BINGET => {
                    let index = self.input.length::<1>()?;
                    self.recall(index)?;
                }
                op::LONG_BINGET => {
                    let index = self.input.length::<4>()?;
                    self.recall(index)?;
                }
                op::MARK => {
                    let is_in_dict =
                        self.top().is_some_and(|top| self.object(top).is_exact_instance_of::<PyDict>());
                    self.marks.push(Mark { at: self.stack.len(), is_in_dict });
                }
                op::SETITEMS | op::APPENDS | op::ADDITEMS => {
                    let mark = self.marks.pop()?;
                    self.fill(opcode, mark.at)?;
                }
                op::SETITEM => self.fill(opcode, self.stack.len().checked_sub(2)?)?,
                op::APPEND => self.fill(opcode, self.stack.len().checked_sub(1)?)?,
                op::TUPLE | op::FROZENSET => {
                    let mark = self.marks.pop()?;
                    self.gather(opcode, mark.at)?;
                }
                op::TUPLE1 => self.gather(opcode, self.stack.len().checked_sub(1)?)?,
                op::TUPLE2 => self.gather(opcode, self.stack.len().checked_sub(2)?)?,
                op::TUPLE3 => self.gather(opcode, self.stack.len().checked_sub(3)?)?,
                op::STACK_GLOBAL => self.constructor()?,
                op::REDUCE => self.construct()?,
                op::PROTO => drop(self.input.byte().filter(|&protocol| protocol <= 5)?),
                op::FRAME => {
                    // Only a hint for reading ahead, and yet Python minds if it leads beyond the end.
                    let length = self.input.length::<8>()?;
                    self.input.has(length).then_some(())?;
                }
                op::STOP => {
                    let object = self.pop()?;
                    let whole = self.stack.is_empty() && self.marks.is_empty();
                    return whole.then(|| self.object(object).clone());
                }
                _ => {
                    let object = self.leaf(opcode)?;
                    self.push(object)?;
                }
            }
        }
    }

    /// What holds nothing yet, and never asks what lies below it.
    fn leaf(&mut self, opcode: u8) -> Option<Bound<'py, PyAny>> {
        let py = self.py;
        Some(match opcode {
            op::NONE => py.None().into_bound(py),
            op::NEWTRUE | op::NEWFALSE => PyBool::new(py, opcode == op::NEWTRUE).to_owned().into_any(),
            op::BININT1 => int(py, self.input.byte()?),
            op::BININT2 => int(py, u16::from_le_bytes(self.input.array()?)),
            op::BININT => int(py, i32::from_le_bytes(self.input.array()?)),
            op::LONG1 => {
                let length = self.input.length::<1>()?;
                int(py, signed(self.input.take(length)?)?)
            }
            op::BINFLOAT => PyFloat::new(py, f64::from_be_bytes(self.input.array()?)).into_any(),
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 => {
                let length = match opcode {
                    op::SHORT_BINBYTES => self.input.length::<1>()?,
                    op::BINBYTES => self.input.length::<4>()?,
                    _ => self.input.length::<8>()?,
                };
                PyBytes::new(py, self.input.take(length)?).into_any()
            }
            op::EMPTY_DICT => PyDict::new(py).into_any(),
            op::EMPTY_LIST => PyList::empty(py).into_any(),
            op::EMPTY_TUPLE => PyTuple::empty(py).into_any(),
            op::EMPTY_SET => PySet::empty(py).ok()?.into_any(),
            _ => return None,
        })
    }

    fn text<const WIDTH: usize>(&mut self) -> Option<()> {
        let length = self.input.length::<WIDTH>()?;
        let bytes = self.input.take(length)?;
        let is_key =
            self.marks.last().is_some_and(|mark| mark.is_in_dict && (self.stack.len() - mark.at) & 1 == 0);
        let text = if is_key {
            self.names.string(self.py, bytes)
        } else {
            // Half a surrogate pair is for Python.
            PyString::from_bytes(self.py, bytes).ok()
        };
        self.push(text?.into_any())
    }

    fn remember(&mut self) -> Option<()> {
        let top = self.top()?;
        self.memo.push(top);
        Some(())
    }

    fn recall(&mut self, index: usize) -> Option<()> {
        let id = *self.memo.get(index)?;
        self.stack.push(id);
        Some(())
    }

    /// Puts what lies from `at` on into the container below.
    fn fill(&mut self, opcode: u8, at: usize) -> Option<()> {
        let below = at.checked_sub(1).filter(|&below| below >= self.floor())?;
        let container = self.object(*self.stack.get(below)?);
        let items = self.stack.get(at..)?;
        match opcode {
            op::SETITEM | op::SETITEMS => {
                let dict = container.cast::<PyDict>().ok()?;
                let (pairs, rest) = items.as_chunks::<2>();
                rest.is_empty().then_some(())?;
                for &[key, value] in pairs {
                    dict.set_item(self.object(key), self.object(value)).ok()?;
                }
            }
            op::APPEND | op::APPENDS => {
                let list = container.cast::<PyList>().ok()?;
                for &item in items {
                    list.append(self.object(item)).ok()?;
                }
            }
            _ => {
                let set = container.cast::<PySet>().ok()?;
                for &item in items {
                    set.add(self.object(item)).ok()?;
                }
            }
        }
        self.stack.truncate(at);
        Some(())
    }

    /// Puts what lies from `at` on into a new container, which takes its place.
    fn gather(&mut self, opcode: u8, at: usize) -> Option<()> {
        let ids = self.stack.get(at..).filter(|_| at >= self.floor())?;
        let items = ids.iter().map(|&id| self.object(id));
        let gathered = if opcode == op::FROZENSET {
            PyFrozenSet::new(self.py, items).ok()?.into_any()
        } else {
            PyTuple::new(self.py, items).ok()?.into_any()
        };
        self.stack.truncate(at);
        self.push(gathered)
    }

    fn constructor(&mut self) -> Option<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (name, module) =
            (self.object(name).cast::<PyString>().ok()?, self.object(module).cast::<PyString>().ok()?);
        let (module, names) = CONSTRUCTORS.into_iter().find(|(known, _)| module == known)?;
        let name = names.iter().find(|known| name == *known)?;
        // Looked up anew, as Python does it: a test may have put another clock there.
        let class = self.py.import(module).and_then(|module| module.getattr(*name));
        self.push_made(class)
    }

    fn construct(&mut self) -> Option<()> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        // Only a constructor can be a class here.
        let class = self.object(class).cast::<PyType>().ok()?;
        let object = class.call1(self.object(arguments).cast::<PyTuple>().ok()?);
        self.push_made(object)
    }

    fn object(&self, id: Id) -> &Bound<'py, PyAny> {
        &self.objects[id as usize]
    }

    #[inline]
    fn push(&mut self, object: Bound<'py, PyAny>) -> Option<()> {
        let id = Id::try_from(self.objects.len()).ok()?;
        self.objects.push(object);
        self.stack.push(id);
        Some(())
    }

    /// Pushes what code of Python has made, which may have been interrupted.
    fn push_made(&mut self, made: PyResult<Bound<'py, PyAny>>) -> Option<()> {
        match made {
            Ok(object) => self.push(object),
            Err(error) => {
                self.raised = (!error.is_instance_of::<PyException>(self.py)).then_some(error);
                None
            }
        }
    }

    /// How many objects lie below the last mark: they can't be taken before what lies above.
    fn floor(&self) -> usize {
        self.marks.last().map_or(0, |mark| mark.at)
    }

    fn top(&self) -> Option<Id> {
        self.stack.last().copied().filter(|_| self.stack.len() > self.floor())
    }

    fn pop(&mut self) -> Option<Id> {
        if self.stack.len() > self.floor() { self.stack.pop() } else { None }
    }
}

fn int(py: Python<'_>, number: impl Into<i64>) -> Bound<'_, PyAny> {
    let Ok(int) = number.into().into_pyobject(py);
    int.into_any()
}

/// An integer of at most 64 bits, the lowest first.
fn signed(bytes: &[u8]) -> Option<i64> {
    let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = [if is_negative { 0xff } else { 0 }; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}
