"""The cache for programs on an event loop: `dontmanage.acache`.

Its calls are awaited, and never hold the loop up: not while the server is stopped, slow or away, nor while
keys are looked through by the thousand. Keys, values, deadlines and the request's own copy are those of
`dontmanage.cache`.

>>> import asyncio
>>> import dontmanage_cache as dontmanage
>>> async def main():
...     await dontmanage.acache.set_value("key", "value")
...     return await dontmanage.acache.get_value("key")
>>> asyncio.run(main())
'value'
"""

from __future__ import annotations

from .asking import answer, overload
from .hashes import Hashes
from .members import Members
from .values import Values

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeVar

    from ..statistics import Statistics
    from .asking import Key, User

    S = TypeVar("S")

__all__ = ["AsyncCache", "acache"]


class AsyncCache(Values, Hashes, Members):
    """The cache of the site that this task is in, for programs on an event loop.

    The same as `dontmanage.cache`, awaited. Calls that are made at the same time travel together, so that
    a hundred of them cost little more than a few; none of them waits for another. What this request has
    read or written already is answered without leaving the task.

    A call whose task is cancelled is over for the task; a write may still be done.

    >>> import asyncio
    >>> import dontmanage_cache as dontmanage
    >>> async def prices():
    ...     await dontmanage.acache.set_values({"apple": 3, "pear": 4})
    ...     names = ["apple", "pear", "plum"]
    ...     return await asyncio.gather(*(dontmanage.acache.get_value(name) for name in names))
    >>> asyncio.run(prices())
    [3, 4, None]
    """

    __slots__ = ()

    def __call__(self) -> AsyncCache:
        """The object itself, as with `dontmanage.cache`."""
        return self

    def __repr__(self) -> str:
        return repr(self._cache).replace("dontmanage.cache", "dontmanage.acache")

    @overload
    def make_key(self, key: Key, user: User = None, shared: Literal[False] = False) -> bytes: ...
    @overload
    def make_key(self, key: S, user: User = None, shared: bool = False) -> bytes | S: ...
    def make_key(self, key: Any, user: User = None, shared: bool = False) -> Any:
        """The full key in Redis, as `dontmanage.cache` makes it; needs no server, and is not awaited.

        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.acache.make_key("total") == dontmanage.cache.make_key("total")
        True
        """
        return self._cache.make_key(key, user, shared)

    def stats(self) -> Statistics:
        """What the cache did in this process, awaited or not; needs no server, and is not awaited.

        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.acache.stats()["server"]["state"]
        'up'
        """
        return self._cache.stats()

    def reset_stats(self) -> None:
        """Let everything that `stats()` tells be counted anew.

        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.acache.reset_stats()
        """
        self._cache.reset_stats()

    async def connected(self) -> bool:
        """Whether the server answers.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.connected())
        True
        """
        return await answer(self._asker.connected())


acache: AsyncCache = AsyncCache()
"""The cache of the site that this task is in, for programs on an event loop."""
