//! `dontmanage_cache._core`: the cache for Python workers.
//!
//! It translates between Python's objects and the crate `dontmanage-cache`; what a Rust worker could want
//! too is there. The calls of every request are here as a whole, from arguments to result: a Python frame
//! costs more than all the rest of a local hit.

mod arguments;
mod awaited;
mod cache;
mod calls;
mod context;
mod copying;
mod documents;
mod error;
mod full_key;
mod local;
mod local_copy;
mod pickling;
mod server;
mod statistics;
mod waiting;
mod watch;

use pyo3::prelude::*;

/// The cache for Python workers: what of it is in Rust. What programs use is in `dontmanage`.
///
/// ```python
/// >>> from dontmanage_cache import _core
/// >>> isinstance(dontmanage.cache, _core.Cache)
/// True
/// ```
#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::awaited::{Asker, AwaitedCall, Pending};
    #[pymodule_export]
    use crate::cache::Cache;
    #[pymodule_export]
    use crate::calls::{BoundCachedFunction, CachedFunction, canonical};
    #[pymodule_export]
    use crate::context::{Frame, current, enter, follow, leave};
    #[pymodule_export]
    use crate::documents::{Documents, Writes};
    #[pymodule_export]
    use crate::error::{CacheError, NoSiteError};
    #[pymodule_export]
    use crate::local::Local;
    #[pymodule_export]
    use crate::local_copy::LocalCopy;
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_export]
    use crate::statistics::after_fork;

    /// What a fork is told from, and what ends a wait.
    #[pymodule_init]
    fn begin(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        dontmanage_cache::after_fork();
        crate::waiting::heed_signals();
        Ok(())
    }
}
