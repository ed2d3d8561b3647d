//! Lists and sets: their members are kept raw, and come back as bytes.

use dontmanage_cache::{Call, Reply};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySet, PyTuple};

use super::Cache;
use crate::arguments::{check_count, member, members};
use crate::full_key::{Whose, full_key};

impl Cache {
    pub(super) fn write_members<'py>(
        &self,
        command: &str,
        name: &Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let values = members(values)?;
        let args: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let call = if command.starts_with('S') { Call::Write } else { Call::Once };
        let length = if args.is_empty() { None } else { self.raw(call, command, name, whose, &args)? };
        object(name.py(), length.as_ref())
    }

    pub(super) fn take<'py>(
        &self,
        command: &str,
        name: &Bound<'py, PyAny>,
        count: Option<i64>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        check_count(count)?;
        let number = count.map(|count| count.to_string());
        let args: Vec<&[u8]> = number.iter().map(String::as_bytes).collect();
        let taken = self.raw(Call::Once, command, name, whose, &args)?;
        match taken {
            None | Some(Reply::Nil) if number.is_some() => Ok(PyList::empty(py).into_any()),
            taken => object(py, taken.as_ref()),
        }
    }

    pub(super) fn count_members(
        &self,
        command: &str,
        name: &Bound<'_, PyAny>,
        whose: Whose<'_, '_>,
    ) -> PyResult<i64> {
        Ok(self.raw(Call::Read, command, name, whose, &[])?.and_then(|reply| reply.as_int()).unwrap_or(0))
    }

    pub(super) fn range<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        start: i64,
        stop: i64,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (start, stop) = (start.to_string(), stop.to_string());
        let args = [start.as_bytes(), stop.as_bytes()];
        match self.raw(Call::Read, "LRANGE", name, whose, &args)? {
            None => Ok(PyList::empty(name.py()).into_any()),
            reply => object(name.py(), reply.as_ref()),
        }
    }

    pub(super) fn trim(
        &self,
        name: &Bound<'_, PyAny>,
        start: i64,
        stop: i64,
        whose: Whose<'_, '_>,
    ) -> PyResult<bool> {
        let (start, stop) = (start.to_string(), stop.to_string());
        Ok(self.raw(Call::Once, "LTRIM", name, whose, &[start.as_bytes(), stop.as_bytes()])?.is_some())
    }

    pub(super) fn has_member(
        &self,
        name: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        whose: Whose<'_, '_>,
    ) -> PyResult<bool> {
        let value = member(value)?;
        let reply = self.raw(Call::Read, "SISMEMBER", name, whose, &[&value])?;
        Ok(reply.and_then(|reply| reply.as_int()) == Some(1))
    }

    pub(super) fn any_member<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        count: Option<i64>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let number = count.map(|count| count.to_string());
        let args: Vec<&[u8]> = number.iter().map(String::as_bytes).collect();
        let reply = self.raw(Call::Read, "SRANDMEMBER", name, whose, &args)?;
        match reply {
            None if number.is_some() => Ok(PyList::empty(name.py()).into_any()),
            reply => object(name.py(), reply.as_ref()),
        }
    }

    pub(super) fn all_members<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PySet>> {
        let py = name.py();
        let members = PySet::empty(py)?;
        let reply = self.raw(Call::Read, "SMEMBERS", name, whose, &[])?;
        for member in reply.as_ref().and_then(Reply::as_array).unwrap_or_default() {
            members.add(object(py, Some(member))?)?;
        }
        Ok(members)
    }

    /// The answer to a command on one key; none if it was not done.
    fn raw(
        &self,
        call: Call,
        command: &str,
        name: &Bound<'_, PyAny>,
        whose: Whose<'_, '_>,
        args: &[&[u8]],
    ) -> PyResult<Option<Reply>> {
        let py = name.py();
        let here = self.here(py)?;
        let full = full_key(py, here.frame(), name, whose)?;
        let mut words: Vec<&[u8]> = vec![command.as_bytes(), &full];
        words.extend_from_slice(args);
        let client = here.server()?.client();
        let reply = py.detach(|| client.command(call, &words)).ok();
        if reply.is_none() && call != Call::Read {
            here.server()?.store().note_dropped_write();
        }
        Ok(reply)
    }
}

/// What a server said, as Python has it: text is bytes, nothing is None.
pub fn object<'py>(py: Python<'py>, reply: Option<&Reply>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match reply {
        Some(Reply::Int(number)) => number.into_pyobject(py)?.into_any(),
        Some(Reply::Bulk(bytes) | Reply::Status(bytes)) => PyBytes::new(py, bytes).into_any(),
        Some(Reply::Array(items)) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(object(py, Some(item))?)?;
            }
            list.into_any()
        }
        _ => py.None().into_bound(py),
    })
}
