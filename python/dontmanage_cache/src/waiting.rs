//! Waits for the server with the interpreter released, which a signal's handler may end.
//!
//! As in Python's own calls: the handler runs as soon as the signal comes; if it raises, as for Ctrl-C, the wait
//! is over and the error the caller's; if not, the wait goes on for the time that is left to it.

use std::cell::{Cell, RefCell};

use pyo3::prelude::*;

thread_local! {
    /// Whether this thread waits so that it may be interrupted.
    static MAY_END: Cell<bool> = const { Cell::new(false) };
    /// What a handler has raised.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Waits, and raises what a signal's handler raised meanwhile.
pub fn waiting<T: Send>(py: Python<'_>, wait: impl FnOnce() -> T + Send) -> PyResult<T> {
    // A handler may itself come here.
    let outer = MAY_END.replace(true);
    let waited = py.detach(wait);
    MAY_END.set(outer);
    RAISED.take().map_or(Ok(waited), Err)
}

/// Has signals looked at during waits.
pub fn heed_signals() {
    dontmanage_cache::set_interrupt_check(|| {
        MAY_END.get()
            && Python::attach(|py| match py.check_signals() {
                Ok(()) => false,
                Err(error) => {
                    RAISED.set(Some(error));
                    true
                }
            })
    });
}
