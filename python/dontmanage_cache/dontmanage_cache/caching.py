"""Decorators that keep what a function answers: in Redis, for a request, in the process.

>>> @redis_cache(ttl=60)
... def slow_add(a, b):
...     return a + b
>>> slow_add(40, 2)
42
"""

from __future__ import annotations

import functools
import os
import threading
import time
from types import MethodType

from . import cache, local
from ._core import CachedFunction
from .functions import parameters, version
from .parts import module_name

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])
    P = ParamSpec("P")
    Q = ParamSpec("Q")
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)
    S = TypeVar("S", contravariant=True)
    Lifetime = float | timedelta | None

    class SiteCachedFunction(Protocol[P, R_co]):
        """What `site_cache` makes of a function."""

        __name__: str
        __qualname__: str

        @property
        def __wrapped__(self) -> Callable[P, R_co]: ...
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None, /) -> SiteCachedFunction[..., R_co]: ...
        @overload
        def __get__(
            self: SiteCachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None, /
        ) -> SiteCachedFunction[Q, R]: ...
        # A class method of an object, as some checkers look it up.
        @overload
        def __get__(
            self: SiteCachedFunction[Concatenate[type[S], Q], R], instance: S, owner: type | None = None, /
        ) -> SiteCachedFunction[Q, R]: ...
        def clear_cache(self) -> None:
            """Forget the answers of all sites, in this process."""

else:

    def overload(func):
        """`typing.overload`, which would cost its import."""
        return func


__all__ = ["redis_cache", "request_cache", "site_cache"]

# For how long a function's answers are kept that does not say.
HOUR = 3600

# How long a caller waits for another one's answer before it computes one itself.
PATIENCE = 60.0
# As good as for ever.
LONGEST_PATIENCE = 10**9

GENERATOR = 0x20
COROUTINE = 0x80
ASYNC_GENERATOR = 0x200


@overload
def redis_cache(
    func: Callable[P, R],
    /,
    user: str | bool | None = None,
    shared: bool = False,
    *,
    ttl: Lifetime = HOUR,
    stale: Lifetime = None,
    lock: bool | float | timedelta = True,
    ignore_self: bool = False,
) -> CachedFunction[P, R]: ...
@overload
def redis_cache(
    for_so_long: Lifetime = HOUR,
    /,
    user: str | bool | None = None,
    shared: bool = False,
    *,
    ttl: Lifetime = HOUR,
    stale: Lifetime = None,
    lock: bool | float | timedelta = True,
    ignore_self: bool = False,
) -> Callable[[Callable[P, R]], CachedFunction[P, R]]: ...
def redis_cache(
    func: Any = HOUR,
    /,
    user: str | bool | None = None,
    shared: bool = False,
    *,
    ttl: Lifetime = HOUR,
    stale: Lifetime = None,
    lock: bool | float | timedelta = True,
    ignore_self: bool = False,
) -> Any:
    """Keep in Redis what a function answers, for the arguments of each call.

    ttl: for how long, in seconds or as a timedelta; None is for good. It may come first: `@redis_cache(60)`.
    user: True keeps an answer for each user; a name, for that user.
    shared: one answer for all sites.
    stale: for so long after its time an answer is still given, while one caller computes a new one.
    lock: where an answer is missing, one caller computes it and the others wait for it (so long at most, if
        a number of seconds or a timedelta is given); False lets each compute for himself.
    ignore_self: of a method's object only the class counts.

    A coroutine function may be decorated too: its calls are awaited as before, and hold no event loop up.
    `await function.aclear_cache()` and `aclear_cache_for(…)` are there for such programs.

    Equal calls share an answer in every process; distinct calls never do: `1`, `1.0` and `True` are
    three. Any arguments will do that can be pickled, whether they are given by position or by name; where
    they are left out, defaults are filled in, unless a decorator stands between, which may have its own. None
    is an answer; an exception is not. Without a site, it is the plain function.

    A function made within another one is told from its like by what it has closed over, as far as that can be
    pickled, at the moment when it is decorated.

    >>> @redis_cache
    ... def slow_add(a, b):
    ...     return a + b
    >>> slow_add(40, 2), slow_add(40, b=2)
    (42, 42)
    >>> slow_add.clear_cache()
    1
    """
    if is_lifetime(func):
        ttl = one_lifetime(func, ttl, HOUR)
        return lambda func: cached(func, ttl, user, shared, stale, lock, ignore_self)
    return cached(func, ttl, user, shared, stale, lock, ignore_self)


def cached(
    func: Any,
    ttl: Lifetime,
    user: str | bool | None,
    shared: bool,
    stale: Lifetime,
    lock: bool | float | timedelta,
    ignore_self: bool,
) -> Any:
    """The function, its answers kept in Redis."""
    if isinstance(func, (staticmethod, classmethod)):
        return type(func)(cached(func.__func__, ttl, user, shared, stale, lock, ignore_self))
    if isinstance(func, MethodType):
        # Its object is an argument like others.
        inner = cached(func.__func__, ttl, user, shared, stale, lock, ignore_self)
        return inner.__get__(func.__self__)
    if not isinstance(user, (str, bool, type(None))):
        raise TypeError(f"`user` is a user's name, or True for the session's, not {type(user).__name__}")
    if stale and not ttl:
        raise ValueError("`stale` is a time after `ttl`, and this function's answers have no end")
    refuse_what_has_no_name(func)
    refuse_generator_function(func)
    awaits: Callable[..., Any] | None = None
    if is_coroutine_function(func):
        # Not imported before: it needs `asyncio`, which such a program has anyway.
        from . import flights

        awaits = flights.call
    made = CachedFunction(
        func,
        cache=cache,
        name=f"{module_name(func)}.{func.__qualname__}",
        version=version(func),
        ttl=ttl,
        stale=stale,
        user=user or None,
        shared=shared,
        wait=patience(lock),
        awaits=awaits,
        ignores_self=ignore_self,
        **parameters(func),
    )
    functools.update_wrapper(made, func)
    if awaits is not None:
        mark_coroutine_function(made)
    return made


def patience(lock: Any) -> float:
    """For how many seconds a caller waits for another one's answer; 0 if each computes for himself."""
    if lock is True:
        return PATIENCE
    if lock is None or not is_lifetime(lock):
        kind = type(lock).__name__
        raise TypeError(f"`lock` is True, False, a number of seconds or a timedelta, not {kind}")
    number = lock if isinstance(lock, (int, float)) else lock.total_seconds()
    if not 0 <= number < float("inf"):
        raise ValueError(f"`lock` says for how long to wait, which can't be {lock}")
    return float(min(number, LONGEST_PATIENCE))


def is_lifetime(thing: Any) -> bool:
    """Whether what a decorator is given first says for how long, and is not the function."""
    return thing is None or isinstance(thing, (int, float)) or callable(getattr(thing, "total_seconds", None))


def one_lifetime(first: Lifetime, by_name: Lifetime, default: Lifetime) -> Lifetime:
    """The lifetime that a decorator is given, first in its brackets or as `ttl=`."""
    if by_name == default:
        return first
    if first != default:
        raise TypeError("`ttl` is given twice: leave one of the two out")
    return by_name


def is_coroutine_function(func: Any) -> bool:
    """Whether a function is defined by `async def`."""
    return bool(getattr(getattr(func, "__code__", None), "co_flags", 0) & COROUTINE)


def mark_coroutine_function(cached: Any) -> None:
    """Let frameworks see that a call is to be awaited: they ask `inspect` or `asyncio`."""
    import asyncio.coroutines
    import inspect

    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(cached)
    mark = getattr(asyncio.coroutines, "_is_coroutine", None)
    if mark is not None:
        cached._is_coroutine = mark


def refuse_coroutine_function(func: Any, decorator: str) -> None:
    """A coroutine is used up by the first who awaits it."""
    if is_coroutine_function(func):
        name = getattr(func, "__qualname__", func)
        raise TypeError(
            f"`{name}` is a coroutine function, and `{decorator}` keeps what a call gives at once: a "
            "coroutine, which can be awaited only once; use `redis_cache`, which keeps the answer for the "
            "request too"
        )


def refuse_generator_function(func: Any) -> None:
    """A generator is used up by its first caller."""
    flags = getattr(getattr(func, "__code__", None), "co_flags", 0)
    if flags & (GENERATOR | ASYNC_GENERATOR):
        raise TypeError(
            f"`{func.__qualname__}` is a generator, which its first caller would use up: let it return a "
            "list instead"
        )


def refuse_what_has_no_name(func: Any) -> None:
    """Answers in Redis are kept by the function's name."""
    if (
        not callable(func)
        or not isinstance(getattr(func, "__qualname__", None), str)
        or not isinstance(getattr(func, "__module__", None), str)
    ):
        raise TypeError(
            f"`redis_cache` decorates functions, which have a name to keep their answers by, not {func!r}; "
            "wrap it in a function"
        )


def refuse_what_cannot_be_kept(func: Any, decorator: str) -> None:
    """What can't be called, or answers what only its first caller can use."""
    if not callable(func):
        raise TypeError(f"`{decorator}` decorates functions, not {func!r}")
    refuse_coroutine_function(func, decorator)
    refuse_generator_function(func)


def request_cache(func: F) -> F:
    """Keep what a function answers until the end of the request.

    The same object is given each time. Calls are the same if their arguments are equal, so `1` and `1.0`
    are. Without a request, or with arguments that have no hash, it is the plain function.

    >>> @request_cache
    ... def settings():
    ...     return {}
    >>> settings() is settings()
    True
    """

    if isinstance(func, (staticmethod, classmethod)):
        return type(func)(request_cache(func.__func__))
    refuse_what_cannot_be_kept(func, "request_cache")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kept = getattr(local, "request_cache", None)
        if kept is None:
            return func(*args, **kwargs)
        # By the function itself: names may be shared. It is kept alive by being the key.
        answers = kept.setdefault(wrapper, {})
        try:
            key = call(args, kwargs)
            answer = answers.get(key, MISSING)
        except TypeError:
            # Not called from here: an error of its own would be shown as one that came of this.
            answer = key = UNHASHABLE
        if answer is MISSING:
            answer = answers[key] = func(*args, **kwargs)
        return func(*args, **kwargs) if key is UNHASHABLE else answer

    return wrapper  # type: ignore[return-value]


# What is no answer, what is no call, and what stands between a call's two kinds of arguments.
MISSING: Any = object()
UNHASHABLE: Any = object()
BY_NAME: Any = object()


def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call as a key of a dict, if its arguments can be one."""
    return (*args, BY_NAME, frozenset(kwargs.items())) if kwargs else args


# The key at which processes tell each other that answers are to be cleared.
GENERATION = "site_cache::generation"


class SiteCached:
    """What one function has answered, for each site."""

    def __init__(self, func: Callable[..., Any], ttl: float | None, maxsize: int | None) -> None:
        self.func = func
        self.ttl = ttl
        self.maxsize = maxsize
        self.lock = threading.Lock()
        self.answers: dict[Any, dict[Any, tuple[float | None, Any]]] = {}
        self.generations: dict[Any, Any] = {}

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        site = site_here()
        if site is None:
            return self.func(*args, **kwargs)
        try:
            key = call(args, kwargs)
            hash(key)
        except TypeError:
            key = UNHASHABLE
        if key is UNHASHABLE:
            return self.func(*args, **kwargs)
        generation = generation_here()
        with self.lock:
            if generation is None:
                # Nothing is known: what there is stays.
                generation = self.generations.get(site)
            elif self.generations.get(site) != generation:
                self.generations[site] = generation
                self.answers.pop(site, None)
            found = self.answers.get(site, {}).get(key)
        if found is not None and (found[0] is None or found[0] > time.monotonic()):
            return found[1]
        answer = self.func(*args, **kwargs)
        end = None if self.ttl is None else time.monotonic() + self.ttl
        with self.lock:
            if self.generations.get(site) == generation:
                answers = self.answers.setdefault(site, {})
                answers.pop(key, None)
                while self.maxsize is not None and answers and len(answers) >= self.maxsize:
                    del answers[next(iter(answers))]
                if self.maxsize is None or self.maxsize > 0:
                    answers[key] = (end, answer)
        return answer

    def clear(self) -> None:
        with self.lock:
            self.answers.clear()


def site_here() -> Any:
    """What tells the sites of a process apart."""
    if not getattr(local, "initialised", False):
        return None
    return (getattr(local, "sites_path", None), getattr(local, "site", None))


def generation_here() -> Any:
    """The site's generation of process-wide answers: `clear_cache()` begins a new one, in any process.

    It is asked for once a request. One that Redis has lost is begun anew, so that nothing old comes back.
    None if Redis is away."""
    known = getattr(local, "site_generation", False)
    if known is False:
        known = cache.get_value(GENERATION, use_local_cache=False)
        if known is None and cache.connected():
            known = new_generation()
        local.site_generation = known
    return known


def new_generation() -> str:
    """Tells every process to forget what `site_cache` has kept of this site."""
    generation = os.urandom(8).hex()
    # What the program keeps in its own copy is its own.
    cache.set_value(GENERATION, generation, cache_locally=False)
    local.site_generation = generation
    return generation


_site_cached: list[SiteCached] = []


def clear_site_caches() -> None:
    """Forget what `site_cache` has kept: of all sites in this process, and of this site in every other."""
    for kept in _site_cached:
        kept.clear()
    if site_here() is not None:
        new_generation()


@overload
def site_cache(
    func: Callable[P, R], /, maxsize: int | None = None, *, ttl: Lifetime = None
) -> SiteCachedFunction[P, R]: ...
@overload
def site_cache(
    for_so_long: Lifetime = None, /, maxsize: int | None = None, *, ttl: Lifetime = None
) -> Callable[[Callable[P, R]], SiteCachedFunction[P, R]]: ...
def site_cache(func: Any = None, /, maxsize: int | None = None, *, ttl: Lifetime = None) -> Any:
    """Keep what a function answers in the memory of the process, for each site, over requests.

    ttl: for how long, in seconds or as a timedelta; None is until it is cleared. It may come first:
        `@site_cache(60)`.
    maxsize: at most so many answers for each site; the oldest go first.

    >>> @site_cache(ttl=60)
    ... def languages():
    ...     return ["de", "en"]
    >>> languages()
    ['de', 'en']
    >>> languages.clear_cache()
    """
    if is_lifetime(func):
        lifetime = seconds(one_lifetime(func, ttl, None))
        return lambda func: site_cached(func, lifetime, maxsize)
    return site_cached(func, seconds(ttl), maxsize)


def site_cached(func: Any, ttl: float | None, maxsize: int | None) -> Any:
    """The function, its answers kept for each site."""
    if isinstance(func, (staticmethod, classmethod)):
        return type(func)(site_cached(func.__func__, ttl, maxsize))
    refuse_what_cannot_be_kept(func, "site_cache")
    if maxsize is not None and (not isinstance(maxsize, int) or maxsize < 0):
        raise ValueError(f"`maxsize` is a number of answers, or None for any, not {maxsize!r}")
    kept = SiteCached(func, ttl, maxsize)
    _site_cached.append(kept)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return kept(args, kwargs)

    wrapper.clear_cache = kept.clear  # type: ignore[attr-defined]
    return wrapper


def seconds(lifetime: Lifetime) -> float | None:
    """A lifetime's seconds, as those of values in Redis are understood: None and 0 are without end."""
    if lifetime is None:
        return None
    if not is_lifetime(lifetime) or isinstance(lifetime, bool):
        raise TypeError(f"a lifetime is a number of seconds or a timedelta, not {type(lifetime).__name__}")
    number = float(lifetime if isinstance(lifetime, (int, float)) else lifetime.total_seconds())
    if not number >= 0:
        raise ValueError(f"a lifetime can't be negative: {lifetime}")
    return number or None
