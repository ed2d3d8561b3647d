//! A function whose answers are cached.

use std::cell::Cell;
use std::time::{Duration, Instant};

use dontmanage_cache::memo::{Call, Calls, Canonical, Look, Memo, MemoOptions, Ticket};
use dontmanage_cache::{Beginning, Cache as Site, CacheError, Found, KeyPrefix, Ttl};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use super::answer::pickled;
use super::bound::BoundCachedFunction;
use super::signature::{Parameters, Signature};
use crate::arguments::{lifetime, yes};
use crate::cache::{Cache, Here};
use crate::context::no_site;
use crate::error::NoSiteError;
use crate::full_key::{KeyBuffer, Whose, full_key_of_text};
use crate::waiting::waiting;
use crate::watch::{Watch, taken};

/// How long a call waits that is made while another one is computed: two that wait for each other must
/// both go on.
const NESTED_WAIT: Duration = Duration::from_secs(2);

/// How long this request keeps an answer whose time was over when it got it.
pub const STALE_KEPT: Duration = Duration::from_secs(1);

thread_local! {
    /// How many calls this thread is computing, one inside the other.
    static COMPUTING: Cell<usize> = const { Cell::new(0) };
}

/// A function whose answers are kept in Redis. Made by `redis_cache`.
///
/// ```python
/// >>> from dontmanage.utils.caching import redis_cache
/// >>> slow_add = redis_cache(lambda a, b: a + b)
/// >>> slow_add(40, 2)
/// 42
/// ```
#[pyclass(frozen, dict, weakref, module = "dontmanage_cache._core")]
pub struct CachedFunction {
    function: Py<PyAny>,
    cache: Py<Cache>,
    memo: Memo,
    /// The bytes that tell versions of the function apart.
    version: Vec<u8>,
    signature: Signature,
    user: Option<Py<PyAny>>,
    shared: bool,
    /// For a coroutine function: what makes the coroutine of a call.
    awaits: Option<Py<PyAny>>,
}

/// Whose answers a function's are.
pub struct AllCalls {
    prefix: Option<KeyPrefix>,
    of_users: bool,
}

impl AllCalls {
    /// Removes all of them from the server. How many there were.
    pub fn clear(&self, memo: &Memo, server: &Site) -> Result<u64, CacheError> {
        match &self.prefix {
            None => memo.clear(server, Calls::Shared),
            Some(prefix) => {
                let whose = if self.of_users { Calls::EveryUser } else { Calls::Site };
                memo.clear(&server.for_site(prefix.clone()), whose)
            }
        }
    }
}

#[pymethods]
impl CachedFunction {
    #[new]
    #[pyo3(signature = (function, *, cache, name, version, positional, positional_only, by_name, takes_more, takes_more_by_name, wraps, ignores_self, ttl, stale, user, shared, wait, awaits=None))]
    #[expect(clippy::too_many_arguments, reason = "made in one place, by name")]
    #[expect(clippy::fn_params_excessive_bools, reason = "made in one place, by name")]
    fn new(
        function: Py<PyAny>,
        cache: Py<Cache>,
        name: &str,
        version: Vec<u8>,
        positional: Parameters,
        positional_only: usize,
        by_name: Parameters,
        takes_more: bool,
        takes_more_by_name: bool,
        wraps: bool,
        #[pyo3(from_py_with = yes)] ignores_self: bool,
        ttl: Option<&Bound<'_, PyAny>>,
        stale: Option<&Bound<'_, PyAny>>,
        user: Option<Py<PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        wait: f64,
        awaits: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let patience = Duration::try_from_secs_f64(wait)
            .map_err(|_| PyValueError::new_err("`lock` is True, False, or a number of seconds"))?;
        let options = MemoOptions::new()
            .lifetime(lifetime(ttl)?)
            .stale(lifetime(stale)?)
            .lock(!patience.is_zero())
            .patience(patience)
            .lease(Duration::from_secs(3));
        let signature = Signature::new(
            positional,
            positional_only,
            by_name,
            takes_more,
            takes_more_by_name,
            wraps,
            ignores_self,
        );
        let memo = Memo::counted(name, options);
        Ok(Self { function, cache, memo, version, signature, user, shared, awaits })
    }

    #[pyo3(name = "__call__", signature = (*args, **kwargs))]
    pub fn call<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (own, py) = (slf.get(), slf.py());
        if let Some(awaits) = &own.awaits {
            let kwargs = kwargs.cloned().unwrap_or_else(|| PyDict::new(py));
            return awaits.bind(py).call1((slf, args, kwargs));
        }
        own.call_now(py, args, kwargs)
    }

    /// As a method, it takes its object as the first argument.
    fn __get__<'py>(
        slf: Bound<'py, Self>,
        instance: Option<Bound<'py, PyAny>>,
        _owner: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(instance) = instance.filter(|instance| !instance.is_none()) else {
            return Ok(slf.into_any());
        };
        let py = slf.py();
        Ok(Bound::new(py, BoundCachedFunction::new(slf.unbind(), instance.unbind()))?.into_any())
    }

    /// A function that is made within another one, and calls itself, holds itself.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.user)?;
        visit.call(&self.awaits)?;
        self.signature.traverse(&visit)
    }

    /// By its name, as functions are pickled.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.getattr("__qualname__")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<cached {}>", self.function.bind(py).repr()?))
    }

    /// Forget all answers of the function, of this site (or of all, if they are shared). How many there
    /// were.
    ///
    /// ```python
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> double = redis_cache(lambda number: number * 2)
    /// >>> double(1), double(2)
    /// (2, 4)
    /// >>> double.clear_cache(), double.clear_cache()
    /// (2, 0)
    /// ```
    pub fn clear_cache(&self, py: Python<'_>) -> PyResult<u64> {
        let here = self.cache.get().here(py)?;
        let (calls, beginning) = self.all_calls(py, &here)?;
        let server = here.server()?;
        let removed = waiting(py, || calls.clear(&self.memo, server.cache()))?;
        if let Some(copy) = here.copy() {
            copy.remove_beginning(&beginning);
        }
        if removed.is_err() {
            server.store().note_dropped_write();
        }
        Ok(removed.unwrap_or(0))
    }

    /// Forget the answer to one call. Whether there was one. Arguments that the function does not take
    /// are an error: nothing would ever be cleared by them.
    ///
    /// ```python
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> double = redis_cache(lambda number: number * 2)
    /// >>> double(1), double(2)
    /// (2, 4)
    /// >>> double.clear_cache_for(1), double.clear_cache_for(number=1)
    /// (True, False)
    /// ```
    #[pyo3(signature = (*args, **kwargs))]
    pub fn clear_cache_for(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let here = self.cache.get().here(py)?;
        let Some(full) = self.key(py, &here, args, kwargs)? else {
            return self.refuse_misfits(py, args, kwargs).map(|()| false);
        };
        let call = self.memo.call_at(here.server()?.cache(), full.to_vec());
        let was_there = waiting(py, || call.clear())?;
        if let Some(copy) = here.copy() {
            copy.remove(&full);
        }
        Ok(was_there)
    }

    /// As `clear_cache`, to be awaited: it does not hold the event loop up.
    ///
    /// ```python
    /// >>> import asyncio
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> double = redis_cache(lambda number: number * 2)
    /// >>> double(1), double(2)
    /// (2, 4)
    /// >>> asyncio.run(double.aclear_cache())
    /// 2
    /// ```
    pub fn aclear_cache<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static CLEAR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        CLEAR.import(slf.py(), "dontmanage_cache.flights", "clear")?.call1((slf,))
    }

    /// As `clear_cache_for`, to be awaited: it does not hold the event loop up.
    ///
    /// ```python
    /// >>> import asyncio
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> double = redis_cache(lambda number: number * 2)
    /// >>> double(1)
    /// 2
    /// >>> asyncio.run(double.aclear_cache_for(1))
    /// True
    /// ```
    #[pyo3(signature = (*args, **kwargs))]
    pub fn aclear_cache_for<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static CLEAR_ONE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = slf.py();
        let kwargs = kwargs.cloned().unwrap_or_else(|| PyDict::new(py));
        CLEAR_ONE.import(py, "dontmanage_cache.flights", "clear_one")?.call1((slf, args, kwargs))
    }

    /// The full key of a call's answer; None where it is not cached.
    ///
    /// ```python
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> @redis_cache
    /// ... def double(number):
    /// ...     return number * 2
    /// >>> double.cache_key(1) == double.cache_key(number=1) != double.cache_key(2)
    /// True
    /// >>> double.cache_key(1).startswith(b"_3f1b8c2a|")
    /// True
    /// ```
    #[pyo3(signature = (*args, **kwargs))]
    pub fn cache_key<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let here = self.cache.get().here(py)?;
        Ok(self.key(py, &here, args, kwargs)?.map(|full| PyBytes::new(py, &full)))
    }
}

impl CachedFunction {
    /// What `redis_cache` does for a plain function.
    fn call_now<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let here = self.cache.get().here(py)?;
        let Some(full) = self.key(py, &here, args, kwargs)? else {
            return self.function.bind(py).call(args, kwargs);
        };
        if let Some(copy) = here.copy()
            && let Some(answer) = copy.lend(py, &full)?
        {
            self.memo.note_local_hit();
            return Ok(answer);
        }
        let call = self.memo.call_at(here.server()?.cache(), full.to_vec());
        self.answer(py, &here, call, args, kwargs)
    }

    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    pub fn cache(&self) -> &Cache {
        self.cache.get()
    }

    /// All of the function's answers, and what their full keys begin with.
    pub fn all_calls(&self, py: Python<'_>, here: &Here<'_, '_>) -> PyResult<(AllCalls, Beginning)> {
        let prefix = match here.frame() {
            _ if self.shared => None,
            Some(frame) => Some(frame.prefix(py)?),
            None => return Err(no_site()),
        };
        let stem = self.memo.stem().as_bytes();
        let of_users = self.user.is_some();
        let beginning = match &prefix {
            None => Beginning::shared(stem),
            Some(prefix) if of_users => Beginning::new(prefix, &[b"user:*:", stem].concat()),
            Some(prefix) => Beginning::new(prefix, stem),
        };
        Ok((AllCalls { prefix, of_users }, beginning))
    }

    /// The full key of a call; none if it is not to be cached: outside of any site, without a user where
    /// one is meant, or with arguments that the function does not take.
    pub fn key(
        &self,
        py: Python<'_>,
        here: &Here<'_, '_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Option<KeyBuffer>> {
        if here.frame().is_none() {
            return Ok(None);
        }
        let mut call = Canonical::with_capacity(128);
        call.bytes(&self.version);
        if !self.signature.write(py, args, kwargs, &mut call)? {
            return Ok(None);
        }
        let user = self.user.as_ref().map(|user| user.bind(py));
        let whose = Whose { user, shared: self.shared };
        match full_key_of_text(py, here.frame(), self.memo.stem(), whose) {
            Ok(mut full) => {
                full.extend_from_slice(&self.memo.digest(&call));
                Ok(Some(full))
            }
            Err(error) if error.is_instance_of::<NoSiteError>(py) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The error of a call whose arguments the function does not take.
    pub fn refuse_misfits(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        // What is built in may have no signature that can be looked at.
        let Ok(signature) = py.import("inspect")?.call_method1("signature", (&self.function,)) else {
            return Ok(());
        };
        signature.call_method("bind", args, kwargs).map(drop).map_err(|error| {
            PyTypeError::new_err(format!("`{}` takes other arguments: {}", self.memo.name(), error.value(py)))
        })
    }

    /// The answer of the cache, or of whoever computes it.
    fn answer<'py>(
        &self,
        py: Python<'py>,
        here: &Here<'_, 'py>,
        mut call: Call,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let is_nested = COMPUTING.get() > 0;
        let mut since = None;
        loop {
            let watch = here.watch();
            let looked =
                waiting(py, || call.look_timed(|pickle, left| Some(Found::new(pickle.to_vec(), left))))?;
            let ticket = match looked {
                Look::Fresh(found) | Look::Stale(found) => {
                    match self.taken(py, here, call.key(), found, watch.as_ref())? {
                        Some(answer) => return Ok(answer),
                        None => py.detach(|| call.compute_anyway()),
                    }
                }
                Look::Refresh(_, ticket) | Look::Compute(ticket) => ticket,
                Look::Busy if is_nested && since.get_or_insert_with(Instant::now).elapsed() > NESTED_WAIT => {
                    py.detach(|| call.compute_anyway())
                }
                Look::Busy => {
                    let pause = call.pause();
                    py.detach(|| std::thread::sleep(pause));
                    py.check_signals()?;
                    continue;
                }
            };
            // What is computed is watched from here on.
            drop(watch);
            return self.compute(py, here, call.key(), ticket, args, kwargs);
        }
    }

    fn compute<'py>(
        &self,
        py: Python<'py>,
        here: &Here<'_, 'py>,
        full: &[u8],
        ticket: Ticket,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let watch = here.watch();
        ticket.hold();
        COMPUTING.set(COMPUTING.get() + 1);
        let answer = self.function.bind(py).call(args, kwargs);
        COMPUTING.set(COMPUTING.get() - 1);
        let computed = answer.and_then(|answer| Ok((pickled(&self.memo, &answer)?, answer)));
        let (pickle, answer) = match computed {
            Ok(computed) => computed,
            Err(error) => {
                // The next caller is to compute, and not to wait.
                py.detach(|| drop(ticket));
                return Err(error);
            }
        };
        let bytes = pickle.as_bytes();
        let is_kept = py.detach(|| ticket.store_pickle(bytes));
        if let Some(watch) = watch {
            // What was cleared meanwhile is not kept here either; what found no server is.
            if is_kept || here.server()?.client().is_paused() {
                let left = Ttl::from(self.memo.options().fresh_for());
                watch.keep_stored(here.store()?, full, None, &answer, pickle, left);
            }
        }
        Ok(answer)
    }

    /// An answer that was found, kept for this request; none if it can't be read.
    fn taken<'py>(
        &self,
        py: Python<'py>,
        here: &Here<'_, 'py>,
        full: &[u8],
        mut found: Found,
        watch: Option<&Watch>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if found.left == Ttl::Missing {
            found.left = Ttl::Left(STALE_KEPT);
        }
        let answer = taken(py, here.store()?, full, None, &found, watch)?;
        if answer.is_none() {
            self.memo.note_unreadable();
        }
        Ok(answer)
    }
}
