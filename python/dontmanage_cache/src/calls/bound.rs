//! A decorated method with its object.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use super::CachedFunction;

/// A method whose answers are kept in Redis, with its object: what `shop.total` is.
///
/// It is called, and its answers are cleared, without naming the object again.
///
/// ```python
/// >>> from dontmanage.utils.caching import redis_cache
/// >>> class Shop:
/// ...     @redis_cache(ignore_self=True)
/// ...     def total(self, day):
/// ...         return day * 10
/// >>> shop = Shop()
/// >>> shop.total(1), shop.total.clear_cache_for(1)
/// (10, True)
/// ```
#[pyclass(frozen, weakref, module = "dontmanage_cache._core")]
pub struct BoundCachedFunction {
    function: Py<CachedFunction>,
    object: Py<PyAny>,
}

impl BoundCachedFunction {
    pub fn new(function: Py<CachedFunction>, object: Py<PyAny>) -> Self {
        Self { function, object }
    }

    /// The arguments of the function: the object stands first.
    fn all<'py>(&self, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
        let py = args.py();
        let object = self.object.bind(py).clone();
        match args.len() {
            0 => PyTuple::new(py, [object]),
            1 => PyTuple::new(py, [object, args.get_item(0)?]),
            _ => PyTuple::new(py, std::iter::once(object).chain(args.iter()).collect::<Vec<_>>()),
        }
    }
}

#[pymethods]
impl BoundCachedFunction {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        CachedFunction::call(self.function.bind(args.py()), &self.all(args)?, kwargs)
    }

    /// Forget all answers of the method, whatever the object. How many there were.
    ///
    /// ```python
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> class Shop:
    /// ...     @redis_cache(ignore_self=True)
    /// ...     def total(self, day):
    /// ...         return day * 10
    /// >>> Shop().total(1), Shop().total.clear_cache()
    /// (10, 1)
    /// ```
    fn clear_cache(&self, py: Python<'_>) -> PyResult<u64> {
        self.function.get().clear_cache(py)
    }

    /// Forget the answer to one call on this object. Whether there was one.
    ///
    /// ```python
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> class Shop:
    /// ...     @redis_cache(ignore_self=True)
    /// ...     def total(self, day):
    /// ...         return day * 10
    /// >>> shop = Shop()
    /// >>> shop.total(1), shop.total.clear_cache_for(1), shop.total.clear_cache_for(1)
    /// (10, True, False)
    /// ```
    #[pyo3(signature = (*args, **kwargs))]
    fn clear_cache_for(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        self.function.get().clear_cache_for(py, &self.all(args)?, kwargs)
    }

    /// As `clear_cache`, to be awaited: it does not hold the event loop up.
    ///
    /// ```python
    /// >>> import asyncio
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> class Shop:
    /// ...     @redis_cache(ignore_self=True)
    /// ...     def total(self, day):
    /// ...         return day * 10
    /// >>> Shop().total(1), asyncio.run(Shop().total.aclear_cache())
    /// (10, 1)
    /// ```
    fn aclear_cache<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        CachedFunction::aclear_cache(self.function.bind(py))
    }

    /// As `clear_cache_for`, to be awaited: it does not hold the event loop up.
    ///
    /// ```python
    /// >>> import asyncio
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> class Shop:
    /// ...     @redis_cache(ignore_self=True)
    /// ...     def total(self, day):
    /// ...         return day * 10
    /// >>> Shop().total(1), asyncio.run(Shop().total.aclear_cache_for(1))
    /// (10, True)
    /// ```
    #[pyo3(signature = (*args, **kwargs))]
    fn aclear_cache_for<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        CachedFunction::aclear_cache_for(self.function.bind(args.py()), &self.all(args)?, kwargs)
    }

    /// The full key of the answer to one call on this object; None where it is not cached.
    ///
    /// ```python
    /// >>> from dontmanage.utils.caching import redis_cache
    /// >>> class Shop:
    /// ...     @redis_cache(ignore_self=True)
    /// ...     def total(self, day):
    /// ...         return day * 10
    /// >>> shop = Shop()
    /// >>> shop.total.cache_key(1) == Shop.total.cache_key(shop, 1)
    /// True
    /// ```
    #[pyo3(signature = (*args, **kwargs))]
    fn cache_key<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.function.get().cache_key(py, &self.all(args)?, kwargs)
    }

    /// The decorated function.
    #[getter]
    fn __func__(&self, py: Python<'_>) -> Py<CachedFunction> {
        self.function.clone_ref(py)
    }

    /// The object.
    #[getter]
    fn __self__(&self, py: Python<'_>) -> Py<PyAny> {
        self.object.clone_ref(py)
    }

    /// The plain method: its signature is the one of this.
    #[getter]
    fn __wrapped__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let plain = self.function.bind(py).getattr(intern!(py, "__wrapped__"))?;
        plain.call_method1(intern!(py, "__get__"), (&self.object,))
    }

    /// All else is the function's: name, documentation, what a program has hung on it.
    fn __getattr__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.function.bind(py).getattr(name)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.get();
            self.function.is(&other.function) && self.object.is(&other.object)
        })
    }

    fn __hash__(&self) -> u64 {
        // By who they are, as `__eq__` goes.
        (self.function.as_ptr().addr() as u64).rotate_left(7) ^ self.object.as_ptr().addr() as u64
    }

    /// An object may well keep a method of its own.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.object)
    }

    /// By its name on the object, as methods are pickled.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let name = self.function.bind(py).getattr(intern!(py, "__name__"))?;
        let getattr = py.import(intern!(py, "builtins"))?.getattr(intern!(py, "getattr"))?;
        Ok((getattr, (&self.object, name)).into_pyobject(py)?.into_any())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<bound {} of {}>", self.function.bind(py).repr()?, self.object.bind(py).repr()?))
    }
}
