//! The names that dicts are made with, again and again: one string for all of them.
//!
//! A cached row or document has the same keys as the one before it. Whoever has seen a name gets the
//! string that Python has hashed already, instead of one that has to be made, hashed and freed.

use std::sync::{Mutex, MutexGuard};

use pyo3::prelude::*;
use pyo3::types::PyString;

/// The longest name that is kept, in bytes.
const LONGEST: usize = 31;
/// A power of two: where a name lies is told by bits of its hash.
const SLOTS: usize = 1024;

static NAMES: Mutex<Vec<Option<Name>>> = Mutex::new(Vec::new());

struct Name {
    length: u8,
    bytes: [u8; LONGEST],
    string: Py<PyString>,
}

/// The names, for the time that a pickle is read.
pub struct Names {
    slots: Option<MutexGuard<'static, Vec<Option<Name>>>>,
}

impl Names {
    /// Takes the names if nobody else has them: a pickle that is read within the reading of another, as a
    /// finalizer could, does without.
    pub fn borrow() -> Self {
        Self { slots: NAMES.try_lock().ok() }
    }

    /// The string of a name, which is UTF-8.
    pub fn string<'py>(&mut self, py: Python<'py>, name: &[u8]) -> Option<Bound<'py, PyString>> {
        let new = || PyString::from_bytes(py, name).ok();
        let Some(slots) = self.slots.as_mut().filter(|_| name.len() <= LONGEST) else { return new() };
        if slots.is_empty() {
            slots.resize_with(SLOTS, || None);
        }
        let slot = &mut slots[place(name)];
        if let Some(known) = slot
            && known.bytes[..known.length.into()] == *name
        {
            return Some(known.string.bind(py).clone());
        }
        let string = new()?;
        let mut bytes = [0; LONGEST];
        bytes[..name.len()].copy_from_slice(name);
        let length = u8::try_from(name.len()).ok()?;
        *slot = Some(Name { length, bytes, string: string.clone().unbind() });
        Some(string)
    }
}

/// Where a name lies. Quick rather than good: a poor spread costs a string.
fn place(name: &[u8]) -> usize {
    let mut hash = name.len() as u64;
    let (words, rest) = name.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for word in words.iter().chain([&last]) {
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    (hash >> 54) as usize
}
