//! Between an event loop and the threads that ask the server for it.
//!
//! What the tasks of one turn of the loop ask is handed over together, once the turn is over. When answers
//! are there a file descriptor gets readable, which the loop watches like any other.

use std::sync::{Arc, Mutex, PoisonError};

use dontmanage_cache::Cache;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::crew::{Crew, Job, Pace, Work};
use super::pending::Pending;

/// What one event loop asks, and is answered.
#[pyclass(frozen, weakref, module = "dontmanage_cache._core")]
pub struct Reactor {
    desk: Arc<Desk>,
    flush: Py<Flush>,
}

struct Desk {
    /// The process that made it: threads do not survive a fork.
    pid: u32,
    crew: Arc<Crew>,
    outbox: Mutex<Outbox>,
}

#[derive(Default)]
struct Outbox {
    quick: Vec<Job>,
    slow: Vec<Job>,
    /// The loop will come for it.
    called: bool,
}

/// What the loop calls when a turn is over in which something was asked.
#[pyclass(frozen, module = "dontmanage_cache._core")]
struct Flush(Arc<Desk>);

#[pymethods]
impl Flush {
    fn __call__(&self) {
        let mut outbox = self.0.outbox();
        let Outbox { quick, slow, .. } = std::mem::take(&mut *outbox);
        drop(outbox);
        self.0.crew.hand_over(Pace::Quick, quick.into_iter());
        self.0.crew.hand_over(Pace::Slow, slow.into_iter());
    }
}

/// What the loop calls when answers are there.
#[pyclass(frozen, module = "dontmanage_cache._core")]
struct Wake(Arc<Desk>);

#[pymethods]
impl Wake {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        if !self.0.is_ours() {
            return Ok(());
        }
        let mut failed = Ok(());
        for (pending, outcome) in self.0.crew.collect() {
            let pending = pending.bind(py).get();
            let future = pending.future(py);
            // Cancelled meanwhile: nobody is to get this answer.
            if future.call_method0(intern!(py, "done"))?.is_truthy()? {
                continue;
            }
            pending.settle(outcome);
            let told = future.call_method1(intern!(py, "set_result"), (py.None(),));
            failed = failed.and(told.map(drop));
        }
        failed
    }
}

impl Desk {
    /// Whether this process made it, and none that it was forked from.
    fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }

    /// Only the loop's thread comes here, and does not release the interpreter meanwhile.
    fn outbox(&self) -> std::sync::MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        if self.desk.is_ours() {
            self.desk.crew.close();
        }
    }
}

impl Reactor {
    fn new(py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let crew = Arc::new(Crew::new()?);
        let bell = crew.bell();
        let desk = Arc::new(Desk { pid: std::process::id(), crew, outbox: Mutex::default() });
        let wake = Bound::new(py, Wake(desk.clone()))?;
        event_loop.call_method1(intern!(py, "add_reader"), (bell, wake))?;
        let flush = Py::new(py, Flush(desk.clone()))?;
        Ok(Self { desk, flush })
    }

    /// Has something done that is awaited in the running loop.
    pub fn submit(py: Python<'_>, pace: Pace, cache: Arc<Cache>, work: Work) -> PyResult<Bound<'_, PyAny>> {
        let event_loop = running_loop(py)?;
        let reactor = Self::of(py, &event_loop)?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let pending = Bound::new(py, Pending::new(future))?;
        let job = Job { pending: Some(pending.clone().unbind()), cache, work };
        reactor.get().take(py, &event_loop, pace, job)?;
        Ok(pending.into_any())
    }

    fn take(&self, py: Python<'_>, event_loop: &Bound<'_, PyAny>, pace: Pace, job: Job) -> PyResult<()> {
        let mut outbox = self.desk.outbox();
        let called = std::mem::replace(&mut outbox.called, true);
        match pace {
            Pace::Quick => outbox.quick.push(job),
            Pace::Slow => outbox.slow.push(job),
        }
        drop(outbox);
        if !called {
            event_loop.call_method1(intern!(py, "call_soon"), (&self.flush,))?;
        }
        Ok(())
    }

    /// The reactor of a loop.
    fn of<'py>(py: Python<'py>, event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let reactors = reactors(py)?;
        let known = reactors.call_method1(intern!(py, "get"), (event_loop,))?;
        if let Ok(known) = known.cast_into::<Self>()
            && known.get().desk.is_ours()
        {
            return Ok(known);
        }
        forget_closed(py, reactors)?;
        let made = Bound::new(py, Self::new(py, event_loop)?)?;
        reactors.set_item(event_loop, &made)?;
        Ok(made)
    }
}

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    GET.import(py, "asyncio", "get_running_loop")?.call0()
}

/// The reactors by loop, which they do not keep alive.
fn reactors(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static REACTORS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = REACTORS.get_or_try_init(py, || {
        PyResult::Ok(py.import("weakref")?.getattr("WeakKeyDictionary")?.call0()?.unbind())
    })?;
    Ok(made.bind(py))
}

/// Lets loops go that were closed while something was awaited: by that their reactors keep them alive.
fn forget_closed(py: Python<'_>, reactors: &Bound<'_, PyAny>) -> PyResult<()> {
    let loops = reactors.call_method0(intern!(py, "keys"))?;
    for event_loop in loops.try_iter()?.collect::<PyResult<Vec<_>>>()? {
        if event_loop.call_method0(intern!(py, "is_closed"))?.is_truthy()? {
            reactors.call_method1(intern!(py, "pop"), (event_loop, py.None()))?;
        }
    }
    Ok(())
}
