//! Lists and sets: their members are kept raw, and come back as bytes.

use dontmanage_cache::{Answer, Call, Question, Reply};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PySet, PyTuple};

use super::asker::{Asker, number, truth};
use crate::arguments::members;
use crate::cache::object;
use crate::full_key::{Whose, full_key};

/// What a caller gets.
#[derive(Clone, Copy)]
enum Shape {
    /// What the server said; None if it said nothing.
    Plain,
    /// The same, but for an empty list in place of None.
    List,
    Number,
    Truth,
    /// Whether it was done.
    Done,
    Set,
}

impl Asker {
    pub(super) fn ask_members<'py>(
        &self,
        command: &str,
        name: &Bound<'py, PyAny>,
        words: &Bound<'py, PyTuple>,
        whose: Whose<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let counted = if words.is_empty() { Shape::Plain } else { Shape::List };
        let (call, shape) = match command {
            "LPUSH" | "RPUSH" => (Call::Once, Shape::Plain),
            "SADD" | "SREM" => (Call::Write, Shape::Plain),
            "LPOP" | "RPOP" | "SPOP" => (Call::Once, counted),
            "SRANDMEMBER" => (Call::Read, counted),
            "LTRIM" => (Call::Once, Shape::Done),
            "LLEN" => (Call::Read, Shape::Number),
            "LRANGE" => (Call::Read, Shape::List),
            "SISMEMBER" => (Call::Read, Shape::Truth),
            "SMEMBERS" => (Call::Read, Shape::Set),
            _ => return Err(PyValueError::new_err(format!("`{command}` is no command on lists or sets"))),
        };
        let words = members(words)?;
        if words.is_empty() && matches!(command, "LPUSH" | "RPUSH" | "SADD" | "SREM") {
            return Ok(py.None().into_bound(py));
        }
        let here = self.cache.get().here(py)?;
        let full = full_key(py, here.frame(), name, whose)?;
        let words = [command.as_bytes().to_vec(), full.to_vec()].into_iter().chain(words).collect();
        Self::ask_question(py, &here, Question::Command { call, words }, move |py, _, answer| {
            let reply = match answer {
                Answer::Reply(reply) => Some(reply),
                _ => None,
            };
            shape.of(py, reply.as_ref())
        })
    }
}

impl Shape {
    fn of<'py>(self, py: Python<'py>, reply: Option<&Reply>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::List if matches!(reply, None | Some(Reply::Nil)) => Ok(PyList::empty(py).into_any()),
            Self::Plain | Self::List => object(py, reply),
            Self::Number => {
                let count = reply.and_then(Reply::as_int).and_then(|count| u64::try_from(count).ok());
                number(py, count.unwrap_or(0))
            }
            Self::Truth => truth(py, reply.and_then(Reply::as_int) == Some(1)),
            Self::Done => truth(py, reply.is_some()),
            Self::Set => {
                let members = PySet::empty(py)?;
                for member in reply.and_then(Reply::as_array).unwrap_or_default() {
                    members.add(object(py, Some(member))?)?;
                }
                Ok(members.into_any())
            }
        }
    }
}
