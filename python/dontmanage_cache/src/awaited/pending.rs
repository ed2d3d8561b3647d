//! An answer that is still to come.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::crew::Outcome;

/// An answer that is still to come: await its `future`, and then take the `result`.
#[pyclass(frozen, module = "dontmanage_cache._core")]
pub struct Pending {
    /// Tells when, not what: what an answer is made of is made in the task that waits for it.
    #[pyo3(get)]
    future: Py<PyAny>,
    outcome: Mutex<Option<Outcome>>,
}

#[pymethods]
impl Pending {
    /// The answer. It is there once.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        match outcome {
            Some(outcome) => outcome.finish(py),
            None => Err(PyRuntimeError::new_err("the answer is not there: await the future first, once")),
        }
    }
}

impl Pending {
    pub fn new(future: Bound<'_, PyAny>) -> Self {
        Self { future: future.unbind(), outcome: Mutex::default() }
    }

    pub fn future<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.future.bind(py)
    }

    pub fn settle(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }
}

impl Outcome {
    /// What the caller gets.
    pub fn finish(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Answered(then, question, answer) => then(py, *question, answer),
            Self::Finished(finish) => finish(py),
            Self::Lost => Err(PyRuntimeError::new_err(
                "a thread of the cache broke down: its report is on standard error",
            )),
        }
    }
}
