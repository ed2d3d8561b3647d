//! The object that programs know as `dontmanage.cache`. Its calls are in the files beside this one, by what
//! they are about.
//!
//! It has no `__getattr__`, which would make every call a third slower: the commands that it does not have
//! are added in Python, name by name.

mod hashes;
mod here;
mod many;
mod members;
mod values;

pub use here::Here;
pub use many::Sought;
pub use members::object;

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arguments::yes;
use crate::full_key::{self, Whose};
use crate::server::Server;
use crate::statistics;
use crate::waiting::waiting;

/// The cache of the site that this thread or task is in.
///
/// A server that is away, slow, full or confused costs speed and nothing else: a read is a miss, a write
/// is dropped.
///
/// ```python
/// >>> cache.set_value("total", 42)
/// >>> cache.get_value("total")
/// 42
/// ```
#[pyclass(frozen, subclass, module = "dontmanage_cache._core")]
#[derive(Default)]
pub struct Cache {
    /// What gives the frame; none is the library's own context variable.
    getter: OnceLock<Py<PyAny>>,
    /// A server of its own; none is the site's.
    server: OnceLock<Py<Server>>,
}

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

#[pymethods]
impl Cache {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(_args: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    /// Use this server, whatever the site's is, and take the frame from `getter`.
    #[pyo3(signature = (server, getter=None))]
    fn _bind(&self, server: Py<Server>, getter: Option<Py<PyAny>>) {
        let _ = self.server.set(server);
        if let Some(getter) = getter {
            let _ = self.getter.set(getter);
        }
    }

    /// The object itself: `dontmanage.cache()` and `dontmanage.cache` are the same.
    fn __call__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let here = self.here(py)?;
        Ok(match here.server() {
            Ok(server) => format!("<dontmanage.cache at {}>", server.client().url()),
            Err(_) => "<dontmanage.cache>".to_owned(),
        })
    }

    /// The full key in Redis: the site's prefix, `|`, and the key; a user's key with `user:NAME:` before
    /// it. A shared key is what was given.
    ///
    /// ```python
    /// >>> cache.make_key("total"), cache.make_key("total", user="ann@example.com")
    /// (b'_3f1b8c2a|total', b'_3f1b8c2a|user:ann@example.com:total')
    /// >>> cache.make_key("total", shared=True)
    /// 'total'
    /// ```
    #[pyo3(signature = (key, user=None, shared=false))]
    fn make_key<'py>(
        &self,
        key: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if shared {
            return Ok(key.clone());
        }
        let py = key.py();
        let here = self.here(py)?;
        let full = full_key::full_key(py, here.frame(), key, Whose { user, shared })?;
        Ok(pyo3::types::PyBytes::new(py, &full).into_any())
    }

    /// What the cache did in this process: hits, misses, errors, bytes and times, for each prefix of keys and
    /// each function under `redis_cache`. In a forked child it is counted from the fork on.
    ///
    /// A key's prefix is the key as the program names it, up to the first `|` or `:`; the whole key if it has
    /// neither. 128 prefixes are told apart; those that are asked for least count as `other`. Times are of
    /// calls that asked the server, in microseconds, without making objects of what came. What all fields mean
    /// is in `dontmanage_cache.statistics`.
    ///
    /// ```python
    /// >>> dontmanage.cache.reset_stats()
    /// >>> dontmanage.cache.set_value("price|apple", 1.5)
    /// >>> dontmanage.cache.get_value("price|apple")
    /// 1.5
    /// >>> price = dontmanage.cache.stats()["prefixes"]["price"]
    /// >>> price["hits"], price["local_hits"], price["misses"], price["writes"]
    /// (1, 1, 0, 1)
    /// >>> dontmanage.cache.stats()["server"]["state"]
    /// 'up'
    /// ```
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let here = self.here(py)?;
        statistics::statistics(py, here.server()?.client())
    }

    /// Let everything that `stats()` tells be counted anew.
    ///
    /// ```python
    /// >>> dontmanage.cache.reset_stats()
    /// >>> dontmanage.cache.stats()["total"]["hits"]
    /// 0
    /// ```
    fn reset_stats(&self, py: Python<'_>) -> PyResult<()> {
        let here = self.here(py)?;
        statistics::reset(here.server()?.client());
        Ok(())
    }

    /// Whether the server answers.
    ///
    /// ```python
    /// >>> cache.connected()
    /// True
    /// ```
    fn connected(&self, py: Python<'_>) -> PyResult<bool> {
        let here = self.here(py)?;
        let client = here.server()?.client();
        Ok(waiting(py, || client.look())?.is_ok())
    }
}
