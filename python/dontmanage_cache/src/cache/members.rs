//! Lists and sets: their members are kept raw, and come back as bytes.

use dontmanage_cache::{Call, Reply};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySet, PyTuple};

use super::{Any, Cache};
use crate::arguments::{and_one, check_count, member, members, yes};
use crate::full_key::{Whose, full_key};
use crate::waiting::waiting;

#[pymethods]
impl Cache {
    /// Put values at the head of a list, raw. The new length; None if it was not done.
    ///
    /// ```python
    /// >>> cache.lpush("queue", "first"), cache.lpush("queue", "before it")
    /// (1, 2)
    /// >>> cache.lrange("queue", 0, -1)
    /// [b'before it', b'first']
    /// ```
    #[pyo3(signature = (key, *values, value=None, user=None, shared=false))]
    fn lpush<'py>(
        &self,
        key: Any<'_, 'py>,
        values: &Bound<'py, PyTuple>,
        value: Option<Any<'_, 'py>>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.write_members("LPUSH", key, &and_one(values, value)?, Whose { user, shared })
    }

    /// Put values at the end of a list, raw. The new length; None if it was not done.
    ///
    /// ```python
    /// >>> cache.rpush("queue", "first", "second")
    /// 2
    /// >>> cache.lrange("queue", 0, -1)
    /// [b'first', b'second']
    /// ```
    #[pyo3(signature = (key, *values, value=None, user=None, shared=false))]
    fn rpush<'py>(
        &self,
        key: Any<'_, 'py>,
        values: &Bound<'py, PyTuple>,
        value: Option<Any<'_, 'py>>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.write_members("RPUSH", key, &and_one(values, value)?, Whose { user, shared })
    }

    /// Take the first value of a list, as bytes, or a list of the first `count`.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.lpop("queue"), cache.lpop("queue", 5), cache.lpop("queue")
    /// (b'1', [b'2', b'3'], None)
    /// ```
    #[pyo3(signature = (key, count=None, *, user=None, shared=false))]
    fn lpop<'py>(
        &self,
        key: Any<'_, 'py>,
        count: Option<i64>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.take("LPOP", key, count, Whose { user, shared })
    }

    /// Take the last value of a list, as bytes, or a list of the last `count`.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.rpop("queue"), cache.rpop("queue", 5), cache.rpop("queue")
    /// (b'3', [b'2', b'1'], None)
    /// ```
    #[pyo3(signature = (key, count=None, *, user=None, shared=false))]
    fn rpop<'py>(
        &self,
        key: Any<'_, 'py>,
        count: Option<i64>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.take("RPOP", key, count, Whose { user, shared })
    }

    /// The length of a list.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.llen("queue"), cache.llen("missing")
    /// (3, 0)
    /// ```
    #[pyo3(signature = (key, *, user=None, shared=false))]
    fn llen(
        &self,
        key: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<i64> {
        self.count_members("LLEN", key, Whose { user, shared })
    }

    /// The values of a list from one place to another, both included, as bytes.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.lrange("queue", 0, 1), cache.lrange("queue", -1, -1)
    /// ([b'1', b'2'], [b'3'])
    /// ```
    #[pyo3(signature = (key, start, stop, *, user=None, shared=false))]
    fn lrange<'py>(
        &self,
        key: Any<'_, 'py>,
        start: i64,
        stop: i64,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.range(key, start, stop, Whose { user, shared })
    }

    /// Keep of a list what lies between two places, both included. Whether it was done.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.ltrim("queue", 0, 1)
    /// True
    /// >>> cache.lrange("queue", 0, -1)
    /// [b'1', b'2']
    /// ```
    #[pyo3(signature = (key, start, stop, *, user=None, shared=false))]
    fn ltrim(
        &self,
        key: &Bound<'_, PyAny>,
        start: i64,
        stop: i64,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<bool> {
        self.trim(key, start, stop, Whose { user, shared })
    }

    /// Put members into a set, raw. How many are new; None if it was not done.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red", "green"), cache.sadd("tags", "red")
    /// (2, 0)
    /// ```
    #[pyo3(signature = (name, *values, user=None, shared=false))]
    fn sadd<'py>(
        &self,
        name: Any<'_, 'py>,
        values: &Bound<'py, PyTuple>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.write_members("SADD", name, values, Whose { user, shared })
    }

    /// Take members out of a set. How many there were; None if it was not done.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red", "green")
    /// 2
    /// >>> cache.srem("tags", "red", "blue")
    /// 1
    /// ```
    #[pyo3(signature = (name, *values, user=None, shared=false))]
    fn srem<'py>(
        &self,
        name: Any<'_, 'py>,
        values: &Bound<'py, PyTuple>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.write_members("SREM", name, values, Whose { user, shared })
    }

    /// Whether a set has a member.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red")
    /// 1
    /// >>> cache.sismember("tags", "red"), cache.sismember("tags", "blue")
    /// (True, False)
    /// ```
    #[pyo3(signature = (name, value, *, user=None, shared=false))]
    fn sismember(
        &self,
        name: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<bool> {
        self.has_member(name, value, Whose { user, shared })
    }

    /// Take any member of a set, as bytes, or a list of `count` members.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red")
    /// 1
    /// >>> cache.spop("tags"), cache.spop("tags"), cache.spop("tags", 2)
    /// (b'red', None, [])
    /// ```
    #[pyo3(signature = (name, count=None, *, user=None, shared=false))]
    fn spop<'py>(
        &self,
        name: Any<'_, 'py>,
        count: Option<i64>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.take("SPOP", name, count, Whose { user, shared })
    }

    /// Any member of a set, as bytes, or a list of `count` members; a negative count may repeat them.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red")
    /// 1
    /// >>> cache.srandmember("tags"), cache.srandmember("tags", 5), cache.srandmember("tags", -2)
    /// (b'red', [b'red'], [b'red', b'red'])
    /// ```
    #[pyo3(signature = (name, count=None, *, user=None, shared=false))]
    fn srandmember<'py>(
        &self,
        name: Any<'_, 'py>,
        count: Option<i64>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.any_member(name, count, Whose { user, shared })
    }

    /// The members of a set, as bytes.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red", "green")
    /// 2
    /// >>> sorted(cache.smembers("tags"))
    /// [b'green', b'red']
    /// ```
    #[pyo3(signature = (name, *, user=None, shared=false))]
    fn smembers<'py>(
        &self,
        name: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PySet>> {
        self.all_members(name, Whose { user, shared })
    }
}

impl Cache {
    fn write_members<'py>(
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

    fn take<'py>(
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

    fn count_members(&self, command: &str, name: &Bound<'_, PyAny>, whose: Whose<'_, '_>) -> PyResult<i64> {
        Ok(self.raw(Call::Read, command, name, whose, &[])?.and_then(|reply| reply.as_int()).unwrap_or(0))
    }

    fn range<'py>(
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

    fn trim(&self, name: &Bound<'_, PyAny>, start: i64, stop: i64, whose: Whose<'_, '_>) -> PyResult<bool> {
        let (start, stop) = (start.to_string(), stop.to_string());
        Ok(self.raw(Call::Once, "LTRIM", name, whose, &[start.as_bytes(), stop.as_bytes()])?.is_some())
    }

    fn has_member(
        &self,
        name: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        whose: Whose<'_, '_>,
    ) -> PyResult<bool> {
        let value = member(value)?;
        let reply = self.raw(Call::Read, "SISMEMBER", name, whose, &[&value])?;
        Ok(reply.and_then(|reply| reply.as_int()) == Some(1))
    }

    fn any_member<'py>(
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

    fn all_members<'py>(
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
        let reply = waiting(py, || client.command(call, &words))?.ok();
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
