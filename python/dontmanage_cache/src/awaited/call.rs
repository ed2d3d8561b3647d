//! One call of a decorated coroutine function: its answer, or the right to compute it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dontmanage_cache::memo::{Call, Look};
use dontmanage_cache::{Answer, Cache as Site, Found, Question, Ttl};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use super::asker::{Asker, number, truth};
use super::carried::Carried;
use super::crew::{Pace, Work};
use crate::calls::{CachedFunction, STALE_KEPT, pickled};
use crate::local_copy::LocalCopy;
use crate::watch::{Watch, taken};

/// What a look found, as Python is told.
const ANSWER: u8 = 0;
const COMPUTE: u8 = 1;
const BUSY: u8 = 2;
/// An answer that is of no use here.
const UNREADABLE: u8 = 3;

/// One call of a decorated coroutine function.
#[pyclass(frozen, module = "dontmanage_cache._core")]
pub struct AwaitedCall {
    function: Py<CachedFunction>,
    full: Vec<u8>,
    site: Arc<Site>,
    /// The request's copy, at the time of the call.
    copy: Option<Py<LocalCopy>>,
    /// What stands for no answer.
    missing: Py<PyAny>,
    call: Mutex<Option<Call>>,
    ticket: Mutex<Option<Carried>>,
    watch: Mutex<Option<Watch>>,
}

#[pymethods]
impl AwaitedCall {
    /// None where the call is not cached; the answer if this request has it; else the call.
    #[staticmethod]
    fn begin<'py>(
        py: Python<'py>,
        function: Bound<'py, CachedFunction>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
        missing: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cached = function.get();
        let here = cached.cache().here(py)?;
        let Some(full) = cached.key(py, &here, args, Some(kwargs))? else {
            return Ok(py.None().into_bound(py));
        };
        if let Some(copy) = here.copy()
            && let Some(answer) = copy.lend(py, &full)?
        {
            cached.memo().note_local_hit();
            return Ok(answer);
        }
        let site = here.server()?.cache().clone();
        let call = cached.memo().call_at(&site, full.to_vec());
        let (copy, full) = (here.own_copy(), full.to_vec());
        let begun = Self {
            function: function.unbind(),
            full,
            site,
            copy,
            missing,
            call: Mutex::new(Some(call)),
            ticket: Mutex::default(),
            watch: Mutex::default(),
        };
        Ok(Bound::new(py, begun)?.into_any())
    }

    /// What tells this call from others of the process.
    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        // The same key may be that of another server's value.
        (Arc::as_ptr(&self.site).addr(), PyBytes::new(py, &self.full)).into_pyobject(py)
    }

    /// Has a function's answers forgotten.
    #[staticmethod]
    fn clear<'py>(function: &Bound<'py, CachedFunction>) -> PyResult<Bound<'py, PyAny>> {
        clear(function.py(), function.get())
    }

    /// Has the answer to one call forgotten.
    #[staticmethod]
    fn clear_one<'py>(
        function: &Bound<'py, CachedFunction>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        clear_one(function.py(), function.get(), args, kwargs)
    }

    /// How many seconds a caller waits for another's answer; 0 if each computes for himself.
    #[getter]
    fn patience(&self) -> f64 {
        let options = self.function.get().memo().options();
        if options.is_locked() { options.longest_wait().as_secs_f64() } else { 0.0 }
    }

    /// Says that the same call is being computed further up in this task.
    fn within_itself(&self) {
        let mut call = self.call();
        *call = call.take().map(Call::within_itself);
    }

    /// Counts a wait for another task.
    fn note_waiting(&self) {
        if let Some(call) = &*self.call() {
            call.note_waiting();
        }
    }

    /// The answer, if there is a fresh one.
    fn peek<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let own = slf.get();
        let call = own.take_call();
        let (watch, held) = (own.copy(py).map(Watch::new), slf.clone().unbind());
        Self::ask(
            py,
            &own.site,
            Work::Question(
                Box::new(call.peek()),
                Box::new(move |py, question, answer| {
                    let own = held.get();
                    if let Question::Peek(call) = question {
                        *own.call() = Some(*call);
                    }
                    if let Answer::Found(found) = answer
                        && let Some(answer) = own.taken(py, &found, watch.as_ref())?
                    {
                        return Ok(answer);
                    }
                    Ok(own.missing.bind(py).clone())
                }),
            ),
        )
    }

    /// Whether the peek has found an old answer.
    #[getter]
    fn has_old(&self) -> bool {
        self.call().as_ref().is_some_and(Call::has_old)
    }

    /// Looks whether there is an answer, and if not, who computes it: what was found, and the answer, or how
    /// long to wait before the next look.
    fn look<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let own = slf.get();
        let mut call = own.take_call();
        let (watch, held) = (own.copy(py).map(Watch::new), slf.clone().unbind());
        let look = move |_: &Site, may_ask: bool| -> super::crew::Finish {
            let looked = if may_ask {
                Looked::from(call.look_timed(|pickle, left| Some((pickle.to_vec(), left))))
            } else {
                Looked::Compute(Carried::new(call.do_without()))
            };
            Box::new(move |py| {
                let own = held.get();
                let pause = call.pause();
                *own.call() = Some(call);
                let (kind, what) = match looked {
                    Looked::Compute(ticket) => {
                        own.begin_to_compute(py, ticket);
                        (COMPUTE, py.None().into_bound(py))
                    }
                    Looked::Busy => (BUSY, pause.as_secs_f64().into_pyobject(py)?.into_any()),
                    Looked::Answer(pickle, left) => {
                        let left = if left == Ttl::Missing { Ttl::Left(STALE_KEPT) } else { left };
                        match own.taken_pickle(py, pickle, left, watch.as_ref())? {
                            Some(answer) => (ANSWER, answer),
                            None => (UNREADABLE, py.None().into_bound(py)),
                        }
                    }
                };
                Ok((kind, what).into_pyobject(py)?.into_any())
            })
        };
        Self::ask(py, &own.site, Work::Call(Box::new(look)))
    }

    /// The right to compute, whatever there is.
    fn compute_anyway<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let own = slf.get();
        let call = own.take_call();
        let held = slf.clone().unbind();
        let order = move |_: &Site, may_ask: bool| -> super::crew::Finish {
            let ticket = Carried::new(if may_ask { call.compute_anyway() } else { call.do_without() });
            Box::new(move |py| {
                let own = held.get();
                *own.call() = Some(call);
                own.begin_to_compute(py, ticket);
                number(py, u64::from(COMPUTE))
            })
        };
        Self::ask(py, &own.site, Work::Call(Box::new(order)))
    }

    /// Hands the answer in. Its pickle, if others that wait may have it too; none if it is out of date.
    fn store<'py>(slf: &Bound<'py, Self>, answer: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let own = slf.get();
        // If it can't be pickled, the next caller is to compute, and not to wait.
        let ticket = own.ticket().take();
        let pickle = pickled(own.function.get().memo(), answer)?;
        let Some(ticket) = ticket else {
            return Ok(py.None().into_bound(py));
        };
        let watch = own.watch().take();
        let bytes = pickle.as_bytes().to_vec();
        let (held, answer, pickle) = (slf.clone().unbind(), answer.clone().unbind(), pickle.unbind());
        let order = move |_: &Site, may_ask: bool| -> super::crew::Finish {
            let is_kept = match ticket.take() {
                Some(ticket) if may_ask => ticket.store_pickle(&bytes),
                Some(ticket) => {
                    ticket.keep_nowhere(bytes.len());
                    false
                }
                None => false,
            };
            Box::new(move |py| {
                let own = held.get();
                // What was cleared meanwhile is not kept here either; what found no server is.
                if !is_kept && !own.site.client().is_paused() {
                    return Ok(py.None().into_bound(py));
                }
                let pickle = pickle.into_bound(py);
                if let Some(watch) = watch {
                    let left = Ttl::from(own.function.get().memo().options().fresh_for());
                    let answer = answer.bind(py);
                    watch.keep_stored(own.site.store(), &own.full, None, answer, pickle.clone(), left);
                }
                Ok(pickle.into_any())
            })
        };
        Self::ask(py, &own.site, Work::Call(Box::new(order)))
    }

    /// Gives the right to compute back: there is no answer.
    fn fail(&self) {
        drop(self.ticket().take());
        drop(self.watch().take());
    }

    /// An answer of one's own from the pickle that another task has handed in.
    fn take<'py>(&self, pickle: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
        let py = pickle.py();
        let watch = self.copy(py).map(Watch::new);
        let left = Ttl::from(self.function.get().memo().options().fresh_for());
        let answer = self.taken_pickle(py, pickle.as_bytes().to_vec(), left, watch.as_ref())?;
        Ok(answer.unwrap_or_else(|| self.missing.bind(py).clone()))
    }
}

/// What a look found, in a shape that may be dropped anywhere.
enum Looked {
    Answer(Vec<u8>, Ttl),
    Compute(Carried),
    Busy,
}

impl From<Look<(Vec<u8>, Ttl)>> for Looked {
    fn from(look: Look<(Vec<u8>, Ttl)>) -> Self {
        match look {
            Look::Fresh((pickle, left)) | Look::Stale((pickle, left)) => Self::Answer(pickle, left),
            Look::Refresh(_, ticket) | Look::Compute(ticket) => Self::Compute(Carried::new(ticket)),
            Look::Busy => Self::Busy,
        }
    }
}

impl AwaitedCall {
    fn call(&self) -> MutexGuard<'_, Option<Call>> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ticket(&self) -> MutexGuard<'_, Option<Carried>> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) -> MutexGuard<'_, Option<Watch>> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self, py: Python<'_>) -> Option<Py<LocalCopy>> {
        self.copy.as_ref().map(|copy| copy.clone_ref(py))
    }

    /// The call, to be put back. One that another turn still has is made anew.
    fn take_call(&self) -> Call {
        let taken = self.call().take();
        taken.unwrap_or_else(|| self.function.get().memo().call_at(&self.site, self.full.clone()))
    }

    fn begin_to_compute(&self, py: Python<'_>, ticket: Carried) {
        *self.ticket() = Some(ticket);
        *self.watch() = self.copy(py).map(Watch::new);
    }

    fn taken_pickle<'py>(
        &self,
        py: Python<'py>,
        pickle: Vec<u8>,
        left: Ttl,
        watch: Option<&Watch>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.taken(py, &Found::new(pickle, left), watch)
    }

    fn taken<'py>(
        &self,
        py: Python<'py>,
        found: &Found,
        watch: Option<&Watch>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let answer = taken(py, self.site.store(), &self.full, None, found, watch)?;
        if answer.is_none() {
            self.function.get().memo().note_unreadable();
        }
        Ok(answer)
    }

    fn ask<'py>(py: Python<'py>, site: &Arc<Site>, work: Work) -> PyResult<Bound<'py, PyAny>> {
        Asker::ask_at(py, site, Pace::Quick, work)
    }
}

/// Has a function's answers forgotten. How many there were.
fn clear<'py>(py: Python<'py>, function: &CachedFunction) -> PyResult<Bound<'py, PyAny>> {
    let here = function.cache().here(py)?;
    let (scope, beginning) = function.all_calls(py, &here)?;
    let copy = here.own_copy();
    if let Some(copy) = &copy {
        copy.get().remove_beginning(&beginning);
    }
    let memo = function.memo().clone();
    Asker::write(
        py,
        &here,
        Pace::Slow,
        move |site| scope.clear(&memo, site),
        move |py, removed| {
            if let Some(copy) = copy {
                copy.get().remove_beginning(&beginning);
            }
            number(py, removed.unwrap_or(0))
        },
    )
}

/// Has the answer to one call forgotten. Whether there was one.
fn clear_one<'py>(
    py: Python<'py>,
    function: &CachedFunction,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let here = function.cache().here(py)?;
    let Some(full) = function.key(py, &here, args, Some(kwargs))? else {
        function.refuse_misfits(py, args, Some(kwargs))?;
        return truth(py, false);
    };
    let copy = here.own_copy();
    if let Some(copy) = &copy {
        copy.get().remove(&full);
    }
    let call = function.memo().call_at(here.server()?.cache(), full.to_vec());
    Asker::read(
        py,
        &here,
        Pace::Quick,
        move |_| Ok(call.clear()),
        move |py, removed| {
            if let Some(copy) = copy {
                copy.get().remove(&full);
            }
            truth(py, removed.unwrap_or(false))
        },
    )
}
