//! A request's own copy of what it has read.

use std::ops::Deref;
use std::sync::Arc;

use crate::cache::Cache;
use crate::lifetime::{Lifetime, Ttl};
use crate::local_copy::{Limits, LocalCopy};
use crate::shared_copy::{Changed, SharedCopy};

/// The cache of one site during one request or job: what has been read or stored once is not asked for
/// again, until the request ends, when this is dropped.
///
/// The copy is bounded; a value leaves it with the end of its lifetime; it is not the caller's object but
/// the value's bytes; that a value is missing is never kept. It follows what this request changes, and no
/// one else: another process' change is seen by the next request.
///
/// It is used as the [`Cache`] that it is, also by functions under `#[redis_cache]`:
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
/// # let (_server, cache) = example::cache();
/// use dontmanage_cache::{Lifetime, Value, current_cache, with_cache};
///
/// cache.set_value("settings", &Value::from("dark"), Lifetime::NONE)?;
/// let request = cache.request();
/// request.get_value("settings"); // asks the server
/// request.get_value("settings"); // does not
/// assert_eq!(cache.client().stats().local_hits, 1);
/// // Neither does what finds its cache by itself, nor a clone in another thread of the request.
/// with_cache(&request, || current_cache().expect("the request").get_value("settings"));
/// assert_eq!(cache.client().stats().local_hits, 2);
///
/// let clone = (*request).clone();
/// drop(request); // the request is over, and with it its copy, also for what outlives it
/// clone.get_value("settings");
/// assert_eq!(cache.client().stats().local_hits, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Request {
    cache: Cache,
}

impl Cache {
    /// Begins a request, within the default limits.
    #[must_use]
    pub fn request(&self) -> Request {
        self.request_within(Limits::default())
    }

    /// Begins a request whose copy holds no more than that.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::Limits;
    ///
    /// let job = cache.request_within(Limits::new(1000, 1 << 20)); // a job that goes on for hours
    /// assert_eq!(job.get_value("settings"), None);
    /// ```
    #[must_use]
    pub fn request_within(&self, limits: Limits) -> Request {
        let local = Local { copy: SharedCopy::new(limits) };
        Request { cache: Self { local: Some(Arc::new(local)), ..self.clone() } }
    }
}

impl Request {
    /// Forgets the copy: from here on everything is asked for again.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/example.rs")); }
    /// # let (_server, cache) = example::cache();
    /// use dontmanage_cache::{Lifetime, Value};
    ///
    /// let request = cache.request();
    /// request.set_value("settings", &Value::from("dark"), Lifetime::NONE)?;
    /// request.forget();
    /// request.get_value("settings"); // asks the server
    /// assert_eq!(cache.client().stats().local_hits, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget(&self) {
        if let Some(local) = &self.cache.local {
            local.change(Changed::Any, LocalCopy::clear);
        }
    }
}

impl Deref for Request {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        &self.cache
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(local) = &self.cache.local {
            // Clones that outlive the request go on with a copy that keeps nothing.
            local.change(Changed::Any, |copy| *copy = LocalCopy::new(Limits::new(0, 0)));
        }
    }
}

type Bytes = Arc<[u8]>;

/// The copy, which the clones of a request's cache share, and with them the request's threads and tasks.
#[derive(Debug)]
pub(crate) struct Local {
    copy: SharedCopy<Bytes>,
}

impl Local {
    pub(crate) fn get(&self, key: &[u8], field: Option<&[u8]>) -> Option<Bytes> {
        self.copy.look(|copy| {
            match field {
                None => copy.get(key),
                Some(field) => copy.get_field(key, field),
            }
            .cloned()
        })
    }

    /// To be asked for before the server is asked, or told anything.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        Watch { since: self.copy.watch(), local: Arc::clone(self) }
    }

    /// Follows a change, after the server was told of it.
    pub(crate) fn change(&self, what: Changed<'_>, work: impl FnOnce(&mut LocalCopy<Bytes>)) {
        self.copy.change(what, work);
    }
}

/// Knows what others have changed since an exchange with the server began.
#[derive(Debug)]
pub(crate) struct Watch {
    local: Arc<Local>,
    since: u64,
}

impl Watch {
    /// Keeps what the server has answered, unless the key was changed meanwhile.
    pub(crate) fn found(&self, key: &[u8], field: Option<&[u8]>, pickle: &[u8], left: Ttl) {
        self.local.copy.keep(self.since, key, |copy| match field {
            None => copy.put(key, pickle.into(), pickle.len(), left),
            Some(field) => copy.put_field(key, field, pickle.into(), pickle.len(), left),
        });
    }

    /// Keeps what has been stored, or forgets what it may have changed if it is unknown whether it was, or
    /// what came last.
    pub(crate) fn stored(&self, key: &[u8], pickle: &[u8], lifetime: Lifetime, is_stored: bool) {
        self.local.copy.settle(self.since, key, |copy, is_known| {
            if is_stored && is_known {
                copy.put(key, pickle.into(), pickle.len(), lifetime.into());
            } else {
                copy.remove(key);
            }
        });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.local.copy.unwatch(self.since);
    }
}
