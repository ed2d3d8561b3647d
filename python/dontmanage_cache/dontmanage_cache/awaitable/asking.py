"""What every awaited call needs: whom it asks, and how it waits for the answer."""

from __future__ import annotations

from .. import cache
from .._core import Asker, Pending

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta
    from typing import Any, TypeAlias, TypeVar
    from typing import overload as overload

    from .._core import Cache

    T = TypeVar("T")
    Key: TypeAlias = str | bytes | bytearray | memoryview | int
    Keys: TypeAlias = Key | Iterable[Key] | None
    User: TypeAlias = str | bool | None
    Lifetime: TypeAlias = float | timedelta | None
else:

    def overload(func):
        """`typing.overload`, which would cost its import."""
        return func


# What stands for a value that is not there: no value is this object.
MISSING: Any = object()


class Asking:
    """Has a cache, and what asks its server for tasks of an event loop."""

    # A dict too, for tests of programs, which put calls of their own in the place of these.
    __slots__ = ("__dict__", "_asker", "_cache")

    def __init__(self, of: Cache = cache) -> None:
        self._cache = of
        self._asker = Asker(of, MISSING)


async def answer(asked: Pending[T] | T) -> T:
    """What was asked, once it is there."""
    if isinstance(asked, Pending):
        await asked.future
        return asked.result()
    return asked


async def made(generator: Callable[[], Any]) -> Any:
    """What a generator gives, which may be a coroutine function."""
    value = generator()
    return await value if hasattr(value, "__await__") else value


def check_generator(given: Any) -> None:
    """Refuse what can't be called on a miss."""
    if not callable(given):
        raise TypeError(
            f"a generator is a function that is called on a miss, not {type(given).__name__}; "
            "for what a miss gives, pass default=…"
        )


def yes(given: Any) -> bool:
    """Yes or no, as the cache takes it."""
    if given is None or isinstance(given, bool) or (isinstance(given, int) and 0 <= given <= 1):
        return bool(given)
    raise TypeError(f"this is True or False, not {type(given).__name__}")
