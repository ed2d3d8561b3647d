"""`redis_cache`: what is cleared is not brought back by who was computing it, however he came to do so."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import threading

import pytest
from conftest import PATIENCE
from dontmanage_cache.caching import redis_cache

import dontmanage_cache as dontmanage

OPTIONS = [
    {},
    {"lock": False},
    {"lock": 0.01},
    {"stale": 60},
    {"stale": 60, "lock": False},
    {"user": True},
    {"user": True, "lock": False},
    {"shared": True},
    {"shared": True, "lock": False},
]
CLEARS = {
    "clear_cache": lambda function: function.clear_cache(),
    "clear_cache_for": lambda function: function.clear_cache_for(1),
    "aclear_cache": lambda function: asyncio.run(function.aclear_cache()),
    "aclear_cache_for": lambda function: asyncio.run(function.aclear_cache_for(x=1)),
    "clear_cache of the site": lambda _: dontmanage.clear_cache(),
}


class Slow:
    """A function whose first calls take until they are told to end."""

    def __init__(self, calls: int = 1) -> None:
        self.begun = [threading.Event() for _ in range(calls)]
        self.end = [threading.Event() for _ in range(calls)]
        self.calls = 0

    def compute(self) -> str:
        mine = self.calls
        self.calls += 1
        if mine >= len(self.begun):
            return "new"
        self.begun[mine].set()
        assert self.end[mine].wait(PATIENCE)
        return f"old {mine}"


def in_background(call) -> threading.Thread:
    thread = threading.Thread(target=contextvars.copy_context().run, args=(call,))
    thread.start()
    return thread


def end(slow: Slow, at: int, thread: threading.Thread) -> None:
    slow.end[at].set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


# What all sites share is not one site's to clear.
CASES = [
    (options, clear)
    for options in OPTIONS
    for clear in CLEARS
    if not (options.get("shared") and clear == "clear_cache of the site")
]


@pytest.mark.parametrize(("options", "clear"), CASES, ids=str)
@pytest.mark.parametrize("is_awaited", [False, True], ids=["plain", "coroutine"])
def test_what_is_cleared_while_it_is_computed_comes_not_back(bench, is_awaited, options, clear):
    dontmanage.set_user("ann@x.co")
    slow = Slow()
    if is_awaited:

        @redis_cache(**options)
        async def function(x):
            return slow.compute()

        def call():
            return asyncio.run(function(1))
    else:

        @redis_cache(**options)
        def function(x):
            return slow.compute()

        def call():
            return function(1)

    function.clear_cache()
    computing = in_background(call)
    assert slow.begun[0].wait(PATIENCE)
    CLEARS[clear](function)
    end(slow, 0, computing)
    bench.enter()
    dontmanage.set_user("ann@x.co")
    assert call() == "new"


def test_who_has_waited_in_vain_brings_nothing_back_either(bench):
    slow = Slow(calls=2)

    @redis_cache(lock=0.01)
    def function(x):
        return slow.compute()

    threads = []
    for begun in slow.begun:
        threads.append(in_background(lambda: function(1)))
        assert begun.wait(PATIENCE)
    function.clear_cache()
    for at in (1, 0):
        end(slow, at, threads[at])
        assert not bench_knows(function, bench)
    assert function(1) == "new"


def bench_knows(function, bench) -> bool:
    bench.enter()
    key = function.cache_key(1)
    return bool(dontmanage.cache.exists(key.decode(), shared=True))


@pytest.mark.parametrize("lock", [2, 0.5, 10**400, datetime.timedelta(seconds=2), True, False, 0])
def test_a_wait_may_be_told_in_any_way_that_a_lifetime_is(bench, lock):
    assert redis_cache(lock=lock)(lambda: 42)() == 42


@pytest.mark.parametrize("lock", ["2", None, [], b"1"], ids=repr)
def test_a_wait_of_another_kind_is_an_error(lock):
    with pytest.raises(TypeError, match=r"`lock` is True, False"):
        redis_cache(lock=lock)(lambda: 42)


@pytest.mark.parametrize("lock", [-1, float("nan"), float("inf"), datetime.timedelta(-1)], ids=str)
def test_a_wait_without_an_end_is_an_error(lock):
    with pytest.raises(ValueError, match=r"`lock` says for how long"):
        redis_cache(lock=lock)(lambda: 42)
