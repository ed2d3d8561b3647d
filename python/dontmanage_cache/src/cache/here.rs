//! Where a call is made, and what became of it at the server.

use std::cell::OnceCell;

use dontmanage_cache::{CacheError, Store};
use pyo3::intern;
use pyo3::prelude::*;

use super::Cache;
use crate::context::{self, Frame};
use crate::local_copy::LocalCopy;
use crate::server::Server;
use crate::waiting::waiting;
use crate::watch::Watch;

/// What a call needs to know: the request, and the server.
pub struct Here<'c, 'py> {
    py: Python<'py>,
    cache: &'c Cache,
    frame: Option<Bound<'py, Frame>>,
    /// The server where there is no site, once it is asked for.
    fallback: OnceCell<Bound<'py, Server>>,
}

impl Cache {
    pub fn here<'py>(&self, py: Python<'py>) -> PyResult<Here<'_, 'py>> {
        let frame = match self.getter.get() {
            None => context::frame(context::getter(py)?)?,
            Some(getter) => context::frame(getter.bind(py))?,
        };
        Ok(Here { py, cache: self, frame, fallback: OnceCell::new() })
    }
}

impl Here<'_, '_> {
    pub fn frame(&self) -> Option<&Frame> {
        self.frame.as_ref().map(Bound::get)
    }

    /// The request's copy, if it is one of this server.
    pub fn copy(&self) -> Option<&LocalCopy> {
        let frame = self.frame()?;
        match (self.cache.server.get(), frame.own_server(self.py)) {
            (None, _) => Some(frame.copy()),
            (Some(own), Some(of_frame)) if own.is(of_frame) => Some(frame.copy()),
            _ => None,
        }
    }

    /// The same, to be held on to.
    pub fn own_copy(&self) -> Option<Py<LocalCopy>> {
        self.copy()?;
        self.frame().map(|frame| frame.cache(self.py))
    }

    /// What watches the request's copy, to be asked for before the server is asked or told anything.
    pub fn watch(&self) -> Option<Watch> {
        self.own_copy().map(Watch::new)
    }

    pub fn server(&self) -> PyResult<&Server> {
        if let Some(server) = self.cache.server.get() {
            return Ok(server.get());
        }
        if let Some(server) = self.frame().and_then(|frame| frame.own_server(self.py)) {
            return Ok(server.get());
        }
        if self.fallback.get().is_none() {
            let _ = self.fallback.set(default_server(self.py)?);
        }
        self.fallback.get().map(Bound::get).ok_or_else(context::no_site)
    }

    /// The store there, for the keys of the site.
    pub fn store(&self) -> PyResult<Store<'_>> {
        let store = self.server()?.store();
        let prefix = self.frame().and_then(Frame::known_prefix);
        Ok(prefix.map_or(store, |prefix| store.of_site(prefix)))
    }

    /// Asks the server, with the interpreter released.
    pub fn ask<T: Send>(
        &self,
        question: impl FnOnce(Store<'_>) -> Result<T, CacheError> + Send,
    ) -> PyResult<Result<T, CacheError>> {
        let store = self.store()?;
        waiting(self.py, || question(store))
    }

    /// As [`ask`](Self::ask), for a read: without the server, nothing is there.
    pub fn read<T: Send + Default>(
        &self,
        question: impl FnOnce(Store<'_>) -> Result<T, CacheError> + Send,
    ) -> PyResult<T> {
        Ok(self.ask(question)?.unwrap_or_default())
    }

    /// As [`ask`](Self::ask), for a write: without the server it is dropped and counted.
    pub fn write<T: Send>(
        &self,
        order: impl FnOnce(Store<'_>) -> Result<T, CacheError> + Send,
    ) -> PyResult<Option<T>> {
        let done = self.ask(order)?.ok();
        if done.is_none() {
            self.server()?.store().note_dropped_write();
        }
        Ok(done)
    }
}

/// The server where no site has been entered: the environment's, or that of the bench around.
fn default_server(py: Python<'_>) -> PyResult<Bound<'_, Server>> {
    let sites = py.import(intern!(py, "dontmanage_cache.sites"))?;
    Ok(sites.call_method0(intern!(py, "default_server"))?.cast_into()?)
}
