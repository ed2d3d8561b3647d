//! A server with the key that signs the values there.

use std::sync::Arc;
use std::time::Duration;

use dontmanage_cache::{Backoff, Cache, Client, ClientOptions, Deadlines, RedisUrl, SigningKey, Store};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::CacheError;

/// How long a server may take at most: what a call costs when it hangs.
const DEADLINE: f64 = 0.2;

/// A redis-server, and the key that signs the values there. One serves all sites and threads of a process.
///
/// Making one does not connect.
///
/// ```python
/// >>> from dontmanage_cache._core import Server
/// >>> Server("redis://:secret@127.0.0.1:13000")
/// <dontmanage_cache.Server redis://:***@127.0.0.1:13000>
/// ```
#[pyclass(frozen, module = "dontmanage_cache._core")]
pub struct Server {
    /// Of no site in particular.
    cache: Arc<Cache>,
}

#[pymethods]
impl Server {
    /// `signing_key` is the text of the key file; None stores bare pickles. The deadlines are in seconds. Signed
    /// values of more than `compress_above` bytes are compressed.
    #[new]
    #[pyo3(signature = (url, *, signing_key=None, connect_timeout=DEADLINE, reply_timeout=DEADLINE, compress_above=None))]
    fn new(
        url: &str,
        signing_key: Option<&str>,
        connect_timeout: f64,
        reply_timeout: f64,
        compress_above: Option<usize>,
    ) -> PyResult<Self> {
        let url: RedisUrl =
            url.parse().map_err(|error| CacheError::new_err(format!("the cache's URL: {error}")))?;
        let signing_key = signing_key
            .map(SigningKey::from_file_text)
            .transpose()
            .map_err(|error| CacheError::new_err(error.to_string()))?;
        let deadlines =
            Deadlines::default().connect(seconds(connect_timeout)?).reply(seconds(reply_timeout)?);
        let mut options = ClientOptions::new()
            .deadlines(deadlines)
            .backoff(Backoff::new(Duration::from_millis(100), Duration::from_secs(1)))
            .look_aside(true);
        if let Some(bytes) = compress_above {
            options = options.compress_above(bytes);
        }
        let cache = Cache::of_no_site(Client::with_options(url, options));
        let cache = signing_key.map_or_else(|| cache.clone(), |key| cache.clone().with_signing_key(key));
        Ok(Self { cache: Arc::new(cache) })
    }

    /// The server's URL, its password hidden.
    #[getter]
    fn url(&self) -> String {
        self.client().url().to_string()
    }

    /// The server's URL, password and all, for a client that has to connect.
    ///
    /// ```python
    /// >>> from dontmanage_cache._core import Server
    /// >>> server = Server("redis://:secret@127.0.0.1:13000")
    /// >>> server.url, server.full_url()
    /// ('redis://:***@127.0.0.1:13000', 'redis://:secret@127.0.0.1:13000')
    /// ```
    fn full_url(&self) -> String {
        self.client().url().to_full_string()
    }

    /// How long it may take to accept us, in seconds.
    #[getter]
    fn connect_timeout(&self) -> f64 {
        self.client().deadlines().connect.as_secs_f64()
    }

    /// How long an answer may take, in seconds.
    #[getter]
    fn reply_timeout(&self) -> f64 {
        self.client().deadlines().reply.as_secs_f64()
    }

    /// Whether values are signed.
    #[getter]
    fn signed(&self) -> bool {
        self.cache.is_signed()
    }

    /// Above how many bytes signed values are compressed; None if they are not.
    ///
    /// ```python
    /// >>> from dontmanage_cache._core import Server
    /// >>> Server("redis://localhost:13000", compress_above=4096).compress_above
    /// 4096
    /// ```
    #[getter]
    fn compress_above(&self) -> Option<usize> {
        self.client().compresses_above()
    }

    /// Whether the server was found away, and has not been found back since.
    ///
    /// ```python
    /// >>> from dontmanage_cache._core import Server
    /// >>> Server("redis://127.0.0.1:13000").away
    /// False
    /// ```
    #[getter]
    fn away(&self) -> bool {
        self.client().is_paused()
    }

    fn __repr__(&self) -> String {
        format!("<dontmanage_cache.Server {}>", self.client().url())
    }
}

impl Server {
    pub fn client(&self) -> &Client {
        self.cache.client()
    }

    pub fn store(&self) -> Store<'_> {
        self.cache.store()
    }

    /// The cache of a site there; its full keys are made elsewhere.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }
}

fn seconds(number: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(number)
        .map_err(|_| PyValueError::new_err(format!("a deadline is a number of seconds, not `{number}`")))
}
