//! Full keys from what a program gives: any object as the key's name, a user, or neither.

use dontmanage_cache::Beginning;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyMemoryView, PyString};
use smallvec::SmallVec;

use crate::context::{Frame, no_site};

/// A full key; the usual ones need no memory of their own.
pub type KeyBuffer = SmallVec<[u8; 128]>;

/// Whose value a key names, as Python's arguments say it.
#[derive(Clone, Copy)]
pub struct Whose<'a, 'py> {
    pub user: Option<&'a Bound<'py, PyAny>>,
    pub shared: bool,
}

impl Whose<'_, '_> {
    pub fn shared(shared: bool) -> Self {
        Self { user: None, shared }
    }
}

/// The full key of a name.
pub fn full_key(
    py: Python<'_>,
    frame: Option<&Frame>,
    name: &Bound<'_, PyAny>,
    whose: Whose<'_, '_>,
) -> PyResult<KeyBuffer> {
    let mut out = KeyBuffer::new();
    push_whose(py, frame, whose, &mut out)?;
    push_text(name, &mut out)?;
    Ok(out)
}

/// The full key of a name that is a text of ours.
pub fn full_key_of_text(
    py: Python<'_>,
    frame: Option<&Frame>,
    name: &str,
    whose: Whose<'_, '_>,
) -> PyResult<KeyBuffer> {
    let mut out = KeyBuffer::new();
    push_whose(py, frame, whose, &mut out)?;
    out.extend_from_slice(name.as_bytes());
    Ok(out)
}

/// Appends what stands before a name.
fn push_whose(
    py: Python<'_>,
    frame: Option<&Frame>,
    whose: Whose<'_, '_>,
    out: &mut KeyBuffer,
) -> PyResult<()> {
    if whose.shared {
        return Ok(());
    }
    let frame = frame.ok_or_else(no_site)?;
    frame.push_prefix(py, out)?;
    if let Some(user) = user(py, frame, whose.user)? {
        out.extend_from_slice(b"user:");
        push_text(&user, out)?;
        out.push(b':');
    }
    Ok(())
}

/// The keys that begin with a text.
pub fn beginning(
    py: Python<'_>,
    frame: Option<&Frame>,
    text: &Bound<'_, PyAny>,
    whose: Whose<'_, '_>,
) -> PyResult<Beginning> {
    let mut name = KeyBuffer::new();
    push_text(text, &mut name)?;
    if whose.shared {
        return Ok(Beginning::shared(&name));
    }
    let frame = frame.ok_or_else(no_site)?;
    let prefix = frame.prefix(py)?;
    Ok(match user(py, frame, whose.user)? {
        Some(user) => Beginning::of_user(&prefix, &self::text(&user)?, &name),
        None => Beginning::new(&prefix, &name),
    })
}

/// The user that an argument means: `True` is the session's.
fn user<'py>(
    py: Python<'py>,
    frame: &Frame,
    user: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match user {
        Some(user) if user.is(PyBool::new(py, true)) => frame.user(py).map(Some),
        Some(user) if user.is_truthy()? => Ok(Some(user.clone())),
        None | Some(_) => Ok(None),
    }
}

/// Appends an object as the text of a key or a field. Bytes are the same key as their text.
pub fn push_text(object: &Bound<'_, PyAny>, out: &mut KeyBuffer) -> PyResult<()> {
    if let Ok(text) = object.cast::<PyString>() {
        match text.to_str() {
            Ok(text) => out.extend_from_slice(text.as_bytes()),
            Err(_) => out.extend_from_slice(escaped(text)?.as_bytes()),
        }
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        out.extend_from_slice(bytes.as_bytes());
    } else if is_bytes(object) {
        out.extend_from_slice(&PyByteArray::from(object)?.to_vec());
    } else {
        push_text(object.str()?.as_any(), out)?;
    }
    Ok(())
}

/// Whether an object holds bytes, of whatever kind.
pub fn is_bytes(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>()
}

/// The bytes of a text as [`given_back`] gives it, if they are no text.
fn escaped<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(text.call_method1(intern!(text.py(), "encode"), ("utf-8", "surrogateescape"))?.cast_into()?)
}

/// A name as text. One that is no text keeps its bytes, as file names do: each is a surrogate.
pub fn given_back<'py>(py: Python<'py>, name: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(text) = std::str::from_utf8(name) {
        return Ok(PyString::new(py, text).into_any());
    }
    PyBytes::new(py, name).call_method1(intern!(py, "decode"), ("utf-8", "surrogateescape"))
}

/// An object as the text of a field.
pub fn text(object: &Bound<'_, PyAny>) -> PyResult<KeyBuffer> {
    let mut out = KeyBuffer::new();
    push_text(object, &mut out)?;
    Ok(out)
}
