//! The object that programs know as `dontmanage.cache`: its face. What the methods do is in the files
//! beside this one.
//!
//! It has no `__getattr__`, which would make every call a third slower: the commands that it does not have
//! are added in Python, name by name.

mod hashes;
mod here;
mod many;
mod raw;
mod values;

pub use here::Here;
pub use many::Sought;
pub use raw::object;
pub use values::left;

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arguments::{and_one, refuse_several_fields, yes};
use crate::full_key::{self, Whose};
use crate::server::Server;
use crate::statistics;

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
        Ok(py.detach(|| client.look()).is_ok())
    }

    /// The value of a key; None, or `default`, on a miss.
    ///
    /// On a miss a `generator` is called, and its answer is stored (for `expires_in_sec`) unless it is
    /// None. `user` is a user's name, or True for the session's. With `expires=True` the server is always
    /// asked.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> cache.get_value("total"), cache.get_value("missing"), cache.get_value("missing", default=0)
    /// (42, None, 0)
    /// >>> cache.get_value("rates", generator=lambda: {"EUR": 1.0}, expires_in_sec=3600)
    /// {'EUR': 1.0}
    /// >>> cache.get_value("rates")
    /// {'EUR': 1.0}
    /// ```
    #[pyo3(signature = (key, generator=None, user=None, expires=false, shared=false, *, use_local_cache=true, default=None, expires_in_sec=None))]
    #[expect(clippy::too_many_arguments, reason = "the surface that programs know")]
    fn get_value<'py>(
        &self,
        key: Any<'_, 'py>,
        generator: Option<Any<'_, 'py>>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] expires: bool,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] use_local_cache: bool,
        default: Option<Any<'_, 'py>>,
        expires_in_sec: Option<Any<'_, 'py>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = values::How { generator, default, expires_in_sec, local: use_local_cache && !expires };
        self.get_one(key, Whose { user, shared }, &how)
    }

    /// Store a value: any object that can be pickled. `expires_in_sec` is a number of seconds or a
    /// timedelta; None or 0 is no limit. With `cache_locally=False` this request reads it from the server.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> cache.set_value("theme", "dark", user="ann@example.com", expires_in_sec=3600)
    /// >>> cache.get_value("theme"), cache.get_value("theme", user="ann@example.com")
    /// (None, 'dark')
    /// ```
    #[pyo3(signature = (key, val, user=None, expires_in_sec=None, shared=false, *, cache_locally=true))]
    fn set_value<'py>(
        &self,
        key: Any<'_, 'py>,
        val: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        expires_in_sec: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] cache_locally: bool,
    ) -> PyResult<()> {
        self.set_one(key, val, Whose { user, shared }, expires_in_sec, cache_locally)
    }

    /// Remove a value, or several: a list, tuple or set of keys. With `make_keys=False` they are full keys.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": 2, "c": 3})
    /// >>> cache.delete_value("a")
    /// >>> cache.delete_value(["b", "missing"])
    /// >>> cache.get_values(["a", "b", "c"])
    /// {'c': 3}
    /// ```
    #[pyo3(signature = (keys, user=None, make_keys=true, shared=false))]
    fn delete_value(
        &self,
        keys: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] make_keys: bool,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<()> {
        self.delete_several(keys, Whose { user, shared: shared || !make_keys }).map(drop)
    }

    /// The same as `delete_value`.
    ///
    /// ```python
    /// >>> cache.set_value("a", 1)
    /// >>> cache.delete_key("a")
    /// >>> cache.get_value("a")
    /// ```
    #[pyo3(signature = (keys, user=None, make_keys=true, shared=false))]
    fn delete_key(
        &self,
        keys: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] make_keys: bool,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<()> {
        self.delete_value(keys, user, make_keys, shared)
    }

    /// Give a key another lifetime, from now; None or 0 is no limit. Whether there is such a key; None if
    /// the server is away.
    ///
    /// ```python
    /// >>> cache.set_value("total", 42)
    /// >>> cache.expire_key("total", 60), cache.expire_key("missing", 60)
    /// (True, False)
    /// ```
    #[pyo3(signature = (key, time, *, user=None, shared=false))]
    fn expire_key(
        &self,
        key: &Bound<'_, PyAny>,
        time: Option<&Bound<'_, PyAny>>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Option<bool>> {
        self.expire_one(key, time, Whose { user, shared })
    }

    /// How many of the keys exist; 0 if the server is away.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": 2})
    /// >>> cache.exists("a", "b", "missing")
    /// 2
    /// ```
    #[pyo3(signature = (*names, user=None, shared=false))]
    fn exists(
        &self,
        names: &Bound<'_, PyTuple>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.count_existing(names, Whose { user, shared })
    }

    /// The values of several keys, in one round trip: a dict of those that there are.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": None})
    /// >>> cache.get_values(["a", "b", "missing"])
    /// {'a': 1, 'b': None}
    /// ```
    #[pyo3(signature = (keys, user=None, shared=false, *, use_local_cache=true))]
    fn get_values<'py>(
        &self,
        keys: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        #[pyo3(from_py_with = yes)] use_local_cache: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.get_several(keys, Whose { user, shared }, use_local_cache)
    }

    /// Store the values of a dict, in one round trip.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": [2]}, expires_in_sec=60)
    /// >>> cache.get_value("b")
    /// [2]
    /// ```
    #[pyo3(signature = (values, user=None, expires_in_sec=None, shared=false))]
    fn set_values(
        &self,
        values: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        expires_in_sec: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<()> {
        self.set_several(values, Whose { user, shared }, expires_in_sec)
    }

    /// Remove several values, in one round trip. How many there were.
    ///
    /// ```python
    /// >>> cache.set_values({"a": 1, "b": 2})
    /// >>> cache.delete_values(["a", "b", "missing"])
    /// 2
    /// ```
    #[pyo3(signature = (keys, user=None, shared=false))]
    fn delete_values(
        &self,
        keys: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.delete_several(keys, Whose { user, shared })
    }

    /// The full keys that begin with a text, in no order. In the text, `*` stands for anything; nothing
    /// else is special.
    ///
    /// ```python
    /// >>> cache.set_values({"report1": 1, "report2": 2, "other": 3})
    /// >>> sorted(cache.get_keys("report"))
    /// [b'_3f1b8c2a|report1', b'_3f1b8c2a|report2']
    /// ```
    #[pyo3(signature = (key, user=None, shared=false))]
    fn get_keys<'py>(
        &self,
        key: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, pyo3::types::PyList>> {
        self.keys_beginning(key, Whose { user, shared })
    }

    /// Remove what `get_keys` finds, in steps so short that other clients do not wait. How many there were.
    ///
    /// ```python
    /// >>> cache.set_values({"report1": 1, "report2": 2, "other": 3})
    /// >>> cache.delete_keys("report")
    /// 2
    /// ```
    #[pyo3(signature = (key, user=None, shared=false))]
    fn delete_keys(
        &self,
        key: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.delete_beginning(key, Whose { user, shared })
    }

    /// All values whose keys begin with a text, by key.
    ///
    /// ```python
    /// >>> cache.set_values({"report1": 1, "report2": [2]})
    /// >>> sorted(cache.get_all("report").items())
    /// [('report1', 1), ('report2', [2])]
    /// ```
    #[pyo3(signature = (key, user=None, shared=false))]
    fn get_all<'py>(
        &self,
        key: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.values_beginning(key, Whose { user, shared })
    }

    /// Store a field of a hash: any object that can be pickled. Nothing happens if the field is None.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hget("user|admin", "name")
    /// 'Admin'
    /// ```
    #[pyo3(signature = (name, key, value, shared=false, *_more, cache_locally=true, **options))]
    #[expect(clippy::too_many_arguments, reason = "the surface that programs know")]
    fn hset(
        &self,
        name: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
        _more: &Bound<'_, PyTuple>,
        #[pyo3(from_py_with = yes)] cache_locally: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        refuse_several_fields(options)?;
        self.set_field(name, key, value, shared, cache_locally)
    }

    /// A field of a hash; None on a miss. On a miss a `generator` is called, and its answer is stored.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hget("user|admin", "name"), cache.hget("user|admin", "age", default=0)
    /// ('Admin', 0)
    /// >>> cache.hget("user|admin", "roles", lambda: ["Guest"])
    /// ['Guest']
    /// ```
    #[pyo3(signature = (name, key, generator=None, shared=false, *, default=None))]
    fn hget<'py>(
        &self,
        name: Any<'_, 'py>,
        key: Any<'_, 'py>,
        generator: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
        default: Option<Any<'_, 'py>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.get_field(name, key, generator, shared, default)
    }

    /// All fields of a hash, as the server has them.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hset("user|admin", "email", "admin@example.com")
    /// >>> cache.hgetall("user|admin")
    /// {'name': 'Admin', 'email': 'admin@example.com'}
    /// ```
    #[pyo3(signature = (name, shared=false))]
    fn hgetall<'py>(
        &self,
        name: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.all_fields(name, shared)
    }

    /// Whether the server has a field of a hash.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hexists("user|admin", "name"), cache.hexists("user|admin", "age")
    /// (True, False)
    /// ```
    #[pyo3(signature = (name, key, shared=false))]
    fn hexists(
        &self,
        name: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<bool> {
        self.has_field(name, key, shared)
    }

    /// The field names of a hash, as bytes.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hkeys("user|admin")
    /// [b'name']
    /// ```
    #[pyo3(signature = (name, shared=false))]
    fn hkeys<'py>(
        &self,
        name: Any<'_, 'py>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, pyo3::types::PyList>> {
        self.field_names(name, shared)
    }

    /// Remove a field of a hash, or several: a list, tuple or set. How many there were. With a redis-py
    /// `pipeline` they are removed when it is executed.
    ///
    /// ```python
    /// >>> cache.hset("user|admin", "name", "Admin")
    /// >>> cache.hset("user|admin", "email", "admin@example.com")
    /// >>> cache.hdel("user|admin", "name"), cache.hdel("user|admin", ["email", "missing"])
    /// (1, 1)
    /// ```
    #[pyo3(signature = (name, keys, shared=false, pipeline=None))]
    fn hdel(
        &self,
        name: &Bound<'_, PyAny>,
        keys: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
        pipeline: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        self.delete_fields(name, keys, shared, pipeline)
    }

    /// Remove one field from several hashes, in one round trip. How many there were.
    ///
    /// ```python
    /// >>> cache.hset("roles", "ann", ["Guest"])
    /// >>> cache.hset("lang", "ann", "de")
    /// >>> cache.hdel_names(["roles", "lang"], "ann")
    /// 2
    /// ```
    #[pyo3(signature = (names, key, shared=false))]
    fn hdel_names(
        &self,
        names: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.delete_field_of(names, key, shared)
    }

    /// Remove one field from every hash whose name begins with a text. How many there were.
    ///
    /// ```python
    /// >>> cache.hset("settings::mail", "ann", 1)
    /// >>> cache.hset("settings::desk", "ann", 2)
    /// >>> cache.hdel_keys("settings::", "ann")
    /// 2
    /// ```
    #[pyo3(signature = (name_starts_with, key, shared=false))]
    fn hdel_keys(
        &self,
        name_starts_with: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<u64> {
        self.delete_field_beginning(name_starts_with, key, shared)
    }

    /// Put values at the head of a list, raw. The new length; None if it was not done.
    ///
    /// ```python
    /// >>> cache.lpush("queue", "first"), cache.lpush("queue", "before it")
    /// (1, 2)
    /// >>> cache.lrange("queue", 0, -1)
    /// [b'before it', b'first']
    /// ```
    #[pyo3(signature = (key, *values, value=None, user=None, shared=false))]
    fn lpush<'py>(
        &self,
        key: Any<'_, 'py>,
        values: &Bound<'py, PyTuple>,
        value: Option<Any<'_, 'py>>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.write_members("LPUSH", key, &and_one(values, value)?, Whose { user, shared })
    }

    /// Put values at the end of a list, raw. The new length; None if it was not done.
    ///
    /// ```python
    /// >>> cache.rpush("queue", "first", "second")
    /// 2
    /// >>> cache.lrange("queue", 0, -1)
    /// [b'first', b'second']
    /// ```
    #[pyo3(signature = (key, *values, value=None, user=None, shared=false))]
    fn rpush<'py>(
        &self,
        key: Any<'_, 'py>,
        values: &Bound<'py, PyTuple>,
        value: Option<Any<'_, 'py>>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.write_members("RPUSH", key, &and_one(values, value)?, Whose { user, shared })
    }

    /// Take the first value of a list, as bytes, or a list of the first `count`.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.lpop("queue"), cache.lpop("queue", 5), cache.lpop("queue")
    /// (b'1', [b'2', b'3'], None)
    /// ```
    #[pyo3(signature = (key, count=None, *, user=None, shared=false))]
    fn lpop<'py>(
        &self,
        key: Any<'_, 'py>,
        count: Option<i64>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.take("LPOP", key, count, Whose { user, shared })
    }

    /// Take the last value of a list, as bytes, or a list of the last `count`.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.rpop("queue"), cache.rpop("queue", 5), cache.rpop("queue")
    /// (b'3', [b'2', b'1'], None)
    /// ```
    #[pyo3(signature = (key, count=None, *, user=None, shared=false))]
    fn rpop<'py>(
        &self,
        key: Any<'_, 'py>,
        count: Option<i64>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.take("RPOP", key, count, Whose { user, shared })
    }

    /// The length of a list.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.llen("queue"), cache.llen("missing")
    /// (3, 0)
    /// ```
    #[pyo3(signature = (key, *, user=None, shared=false))]
    fn llen(
        &self,
        key: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<i64> {
        self.count_members("LLEN", key, Whose { user, shared })
    }

    /// The values of a list from one place to another, both included, as bytes.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.lrange("queue", 0, 1), cache.lrange("queue", -1, -1)
    /// ([b'1', b'2'], [b'3'])
    /// ```
    #[pyo3(signature = (key, start, stop, *, user=None, shared=false))]
    fn lrange<'py>(
        &self,
        key: Any<'_, 'py>,
        start: i64,
        stop: i64,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.range(key, start, stop, Whose { user, shared })
    }

    /// Keep of a list what lies between two places, both included. Whether it was done.
    ///
    /// ```python
    /// >>> cache.rpush("queue", 1, 2, 3)
    /// 3
    /// >>> cache.ltrim("queue", 0, 1)
    /// True
    /// >>> cache.lrange("queue", 0, -1)
    /// [b'1', b'2']
    /// ```
    #[pyo3(signature = (key, start, stop, *, user=None, shared=false))]
    fn ltrim(
        &self,
        key: &Bound<'_, PyAny>,
        start: i64,
        stop: i64,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<bool> {
        self.trim(key, start, stop, Whose { user, shared })
    }

    /// Put members into a set, raw. How many are new; None if it was not done.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red", "green"), cache.sadd("tags", "red")
    /// (2, 0)
    /// ```
    #[pyo3(signature = (name, *values, user=None, shared=false))]
    fn sadd<'py>(
        &self,
        name: Any<'_, 'py>,
        values: &Bound<'py, PyTuple>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.write_members("SADD", name, values, Whose { user, shared })
    }

    /// Take members out of a set. How many there were; None if it was not done.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red", "green")
    /// 2
    /// >>> cache.srem("tags", "red", "blue")
    /// 1
    /// ```
    #[pyo3(signature = (name, *values, user=None, shared=false))]
    fn srem<'py>(
        &self,
        name: Any<'_, 'py>,
        values: &Bound<'py, PyTuple>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.write_members("SREM", name, values, Whose { user, shared })
    }

    /// Whether a set has a member.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red")
    /// 1
    /// >>> cache.sismember("tags", "red"), cache.sismember("tags", "blue")
    /// (True, False)
    /// ```
    #[pyo3(signature = (name, value, *, user=None, shared=false))]
    fn sismember(
        &self,
        name: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        user: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<bool> {
        self.has_member(name, value, Whose { user, shared })
    }

    /// Take any member of a set, as bytes, or a list of `count` members.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red")
    /// 1
    /// >>> cache.spop("tags"), cache.spop("tags"), cache.spop("tags", 2)
    /// (b'red', None, [])
    /// ```
    #[pyo3(signature = (name, count=None, *, user=None, shared=false))]
    fn spop<'py>(
        &self,
        name: Any<'_, 'py>,
        count: Option<i64>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.take("SPOP", name, count, Whose { user, shared })
    }

    /// Any member of a set, as bytes, or a list of `count` members; a negative count may repeat them.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red")
    /// 1
    /// >>> cache.srandmember("tags"), cache.srandmember("tags", 5), cache.srandmember("tags", -2)
    /// (b'red', [b'red'], [b'red', b'red'])
    /// ```
    #[pyo3(signature = (name, count=None, *, user=None, shared=false))]
    fn srandmember<'py>(
        &self,
        name: Any<'_, 'py>,
        count: Option<i64>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.any_member(name, count, Whose { user, shared })
    }

    /// The members of a set, as bytes.
    ///
    /// ```python
    /// >>> cache.sadd("tags", "red", "green")
    /// 2
    /// >>> sorted(cache.smembers("tags"))
    /// [b'green', b'red']
    /// ```
    #[pyo3(signature = (name, *, user=None, shared=false))]
    fn smembers<'py>(
        &self,
        name: Any<'_, 'py>,
        user: Option<Any<'_, 'py>>,
        #[pyo3(from_py_with = yes)] shared: bool,
    ) -> PyResult<Bound<'py, pyo3::types::PySet>> {
        self.all_members(name, Whose { user, shared })
    }
}
