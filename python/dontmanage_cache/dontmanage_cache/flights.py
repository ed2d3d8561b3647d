"""Calls of coroutine functions under `redis_cache`.

Of the tasks of an event loop that want the same answer one fetches it, and the others wait for that one
without asking Redis; so do, by the lock there, loops and processes among each other.

>>> import asyncio
>>> from dontmanage.utils.caching import redis_cache
>>> @redis_cache
... async def slow_add(a, b):
...     print("computes")
...     await asyncio.sleep(0.01)
...     return a + b
>>> async def main():
...     return await asyncio.gather(slow_add(40, 2), slow_add(40, 2), slow_add(40, b=2))
>>> asyncio.run(main())
computes
[42, 42, 42]
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextvars import ContextVar
from weakref import WeakKeyDictionary

from ._core import AwaitedCall
from .awaitable.asking import MISSING, answer

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._core import CachedFunction

    Name = tuple[int, bytes]

# What `CachedFunction` calls; nobody else should.
__all__: list[str] = []

# How long a call waits that is made while another one is computed: two that wait for each other must both
# go on.
NESTED_WAIT = 2.0

# What a look finds.
ANSWER, COMPUTE, BUSY, UNREADABLE = range(4)


class Computing:
    """A call that is being computed, for the tasks that are started meanwhile."""

    __slots__ = ("is_over", "name")

    def __init__(self, name: Name) -> None:
        self.name = name
        self.is_over = False


# What is being computed further up.
_computing: ContextVar[tuple[Computing, ...]] = ContextVar("dontmanage.computing", default=())


class Flight:
    """One task fetches an answer, and others wait for it."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: OrderedDict[asyncio.Future[bytes | bool], None] = OrderedDict()

    async def join(self, patience: float) -> bytes | bool:
        """The answer's pickle; True if it has to be looked for again, False if it took too long."""
        loop = asyncio.get_running_loop()
        # One for each: whoever is cancelled takes nothing away from the others.
        future: asyncio.Future[bytes | bool] = loop.create_future()
        self.waiting[future] = None
        timer = loop.call_later(patience, give_up, future)
        try:
            return await future
        finally:
            timer.cancel()
            self.waiting.pop(future, None)

    def land(self, pickle: bytes | None) -> None:
        """Tell those who wait."""
        for future in self.waiting:
            if not future.done():
                future.set_result(True if pickle is None else pickle)


def give_up(future: asyncio.Future[bytes | bool]) -> None:
    """Let one wait no longer."""
    if not future.done():
        future.set_result(False)


# A loop's own: tasks of another can't be waited for.
_flights: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Name, Flight]] = WeakKeyDictionary()


def flights_here() -> dict[Name, Flight]:
    """The flights of the running loop."""
    loop = asyncio.get_running_loop()
    found = _flights.get(loop)
    if found is None:
        for other in list(_flights):
            # One that was closed while tasks waited is kept alive by them.
            if other.is_closed():
                del _flights[other]
        found = _flights[loop] = {}
    return found


async def call(cached: CachedFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a decorated coroutine function answers."""
    awaited = AwaitedCall.begin(cached, args, kwargs, MISSING)
    if awaited is None:
        return await cached.__wrapped__(*args, **kwargs)
    if not isinstance(awaited, AwaitedCall):
        return awaited
    name = awaited.name
    above = tuple(computing for computing in _computing.get() if not computing.is_over)
    if any(computing.name == name for computing in above):
        # To wait for it would be for ever.
        awaited.within_itself()
        return (await fetch(awaited, cached, args, kwargs, above))[0]
    end = None
    while True:
        found = await answer(awaited.peek())
        if found is not MISSING:
            return found
        patience = awaited.patience
        # An old answer need not be waited for: the look tells who refreshes it.
        if not patience or awaited.has_old:
            return (await fetch(awaited, cached, args, kwargs, above))[0]
        flights = flights_here()
        flight = flights.get(name)
        if flight is None:
            return await lead(flights, awaited, cached, args, kwargs, above)
        if end is None:
            awaited.note_waiting()
            end = time.monotonic() + (min(patience, NESTED_WAIT) if above else patience)
        landed = await flight.join(end - time.monotonic())
        if landed is False:
            await answer(awaited.compute_anyway())
            return (await compute(awaited, cached, args, kwargs, above))[0]
        if isinstance(landed, bytes):
            found = awaited.take(landed)
            if found is not MISSING:
                return found


async def lead(
    flights: dict[Name, Flight],
    awaited: AwaitedCall,
    cached: CachedFunction[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    above: tuple[Computing, ...],
) -> Any:
    """Fetch an answer for all who want it here."""
    flight = flights[awaited.name] = Flight()
    pickle = None
    try:
        found, pickle = await fetch(awaited, cached, args, kwargs, above)
        return found
    finally:
        # Also of an error, or of being cancelled: then another one tries.
        if flights.get(awaited.name) is flight:
            del flights[awaited.name]
        flight.land(pickle)


async def fetch(
    awaited: AwaitedCall,
    cached: CachedFunction[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    above: tuple[Computing, ...],
) -> tuple[Any, bytes | None]:
    """The answer of Redis, or of whoever computes it; and its pickle, if others may have it too."""
    end = time.monotonic() + NESTED_WAIT if above else None
    while True:
        kind, what = await answer(awaited.look())
        if kind == ANSWER:
            return what, None
        if kind == COMPUTE:
            break
        if kind == UNREADABLE or (end is not None and time.monotonic() > end):
            await answer(awaited.compute_anyway())
            break
        await asyncio.sleep(what)
    return await compute(awaited, cached, args, kwargs, above)


async def compute(
    awaited: AwaitedCall,
    cached: CachedFunction[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    above: tuple[Computing, ...],
) -> tuple[Any, bytes | None]:
    """Let the function compute its answer, and hand it in."""
    computing = Computing(awaited.name)
    _computing.set((*above, computing))
    try:
        found = await cached.__wrapped__(*args, **kwargs)
    except BaseException:
        # Another one may compute at once.
        awaited.fail()
        raise
    finally:
        computing.is_over = True
        _computing.set(above)
    return found, await answer(awaited.store(found))


async def clear(cached: CachedFunction[..., Any]) -> int:
    """Forget a function's answers."""
    return await answer(AwaitedCall.clear(cached))


async def clear_one(cached: CachedFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Forget the answer to one call."""
    return await answer(AwaitedCall.clear_one(cached, args, kwargs))
