//! What a function answers, to be kept.

use dontmanage_cache::memo::Memo;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::pickling::dumps;

/// The pickle of a function's answer. Fails with a `TypeError` that names the function.
pub fn pickled<'py>(memo: &Memo, answer: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    dumps(answer).map_err(|error| {
        let py = answer.py();
        if !error.is_instance_of::<PyException>(py) {
            // An interrupt.
            return error;
        }
        let (name, why) = (memo.name(), error.value(py));
        let better = match answer.get_type().name() {
            Ok(kind) if kind == "coroutine" => {
                // Nobody will await it, which Python would complain of. What it says at its end is of no use.
                let _ = answer.call_method0(intern!(py, "close"));
                PyTypeError::new_err(format!(
                    "`{name}` answers a coroutine, which can be awaited only once: put `redis_cache` right above its `async def`, below other decorators"
                ))
            }
            Ok(kind) if kind == "generator" || kind == "async_generator" => PyTypeError::new_err(format!(
                "`{name}` answers a {kind}, which its first caller would use up: let it return a list instead"
            )),
            _ => PyTypeError::new_err(format!(
                "an answer can be cached if it can be pickled, and that of `{name}` can't be: {why}; let it return plain data instead"
            )),
        };
        better.set_cause(py, Some(error));
        better
    })
}
