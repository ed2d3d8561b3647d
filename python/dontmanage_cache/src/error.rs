//! The library's exceptions.

use pyo3::create_exception;
use pyo3::exceptions::PyException;

create_exception!(
    dontmanage_cache,
    CacheError,
    PyException,
    "What the cache library raises. A server that is away is never an exception."
);
create_exception!(
    dontmanage_cache,
    NoSiteError,
    CacheError,
    "A call that needs a site or a user, where none has been entered."
);
