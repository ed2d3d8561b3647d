"""Awaited calls that are about lists and sets, whose members are kept raw and come back as bytes.

>>> import asyncio
>>> import dontmanage_cache as dontmanage
>>> asyncio.run(dontmanage.acache.rpush("queue", "a", "b"))
2
"""

from __future__ import annotations

from .asking import Asking, answer, overload

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .asking import Key, User

    Member: TypeAlias = str | bytes | bytearray | memoryview | float

__all__ = ["Members"]


class Members(Asking):
    """The lists and sets of the site that a task is in, for programs on an event loop.

    >>> import asyncio
    >>> import dontmanage_cache as dontmanage
    >>> asyncio.run(dontmanage.acache.rpush("queue", "a", "b"))
    2
    >>> asyncio.run(dontmanage.acache.lrange("queue", 0, -1))
    [b'a', b'b']
    """

    __slots__ = ()

    async def lpush(
        self, key: Key, *values: Member, value: Member | None = None, user: User = None, shared: bool = False
    ) -> int | None:
        """Put values at the head of a list, raw. The new length; None if it was not done.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.lpush("queue", "a", "b"))
        2
        """
        done: int | None = await answer(
            self._asker.members("LPUSH", key, and_one(values, value), user, shared)
        )
        return done

    async def rpush(
        self, key: Key, *values: Member, value: Member | None = None, user: User = None, shared: bool = False
    ) -> int | None:
        """Put values at the end of a list, raw. The new length; None if it was not done.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.rpush("queue", "a", "b"))
        2
        """
        done: int | None = await answer(
            self._asker.members("RPUSH", key, and_one(values, value), user, shared)
        )
        return done

    @overload
    async def lpop(
        self, key: Key, count: None = None, *, user: User = None, shared: bool = False
    ) -> bytes | None: ...
    @overload
    async def lpop(self, key: Key, count: int, *, user: User = None, shared: bool = False) -> list[bytes]: ...
    async def lpop(
        self, key: Key, count: int | None = None, *, user: User = None, shared: bool = False
    ) -> Any:
        """Take the first value of a list, as bytes, or a list of the first `count`.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.rpush("queue", "a", "b")
        2
        >>> asyncio.run(dontmanage.acache.lpop("queue"))
        b'a'
        """
        return await answer(self._asker.members("LPOP", key, taken(count), user, shared))

    @overload
    async def rpop(
        self, key: Key, count: None = None, *, user: User = None, shared: bool = False
    ) -> bytes | None: ...
    @overload
    async def rpop(self, key: Key, count: int, *, user: User = None, shared: bool = False) -> list[bytes]: ...
    async def rpop(
        self, key: Key, count: int | None = None, *, user: User = None, shared: bool = False
    ) -> Any:
        """Take the last value of a list, as bytes, or a list of the last `count`.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.rpush("queue", "a", "b")
        2
        >>> asyncio.run(dontmanage.acache.rpop("queue", 5))
        [b'b', b'a']
        """
        return await answer(self._asker.members("RPOP", key, taken(count), user, shared))

    async def llen(self, key: Key, *, user: User = None, shared: bool = False) -> int:
        """The length of a list.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.llen("no such list"))
        0
        """
        done: int = await answer(self._asker.members("LLEN", key, (), user, shared))
        return done

    async def lrange(
        self, key: Key, start: int, stop: int, *, user: User = None, shared: bool = False
    ) -> list[bytes]:
        """The values of a list from one place to another, both included, as bytes.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.rpush("queue", "a", "b", "c")
        3
        >>> asyncio.run(dontmanage.acache.lrange("queue", 0, 1))
        [b'a', b'b']
        """
        done: list[bytes] = await answer(self._asker.members("LRANGE", key, (start, stop), user, shared))
        return done

    async def ltrim(
        self, key: Key, start: int, stop: int, *, user: User = None, shared: bool = False
    ) -> bool:
        """Keep of a list what lies between two places, both included. Whether it was done.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.ltrim("queue", 0, 9))
        True
        """
        done: bool = await answer(self._asker.members("LTRIM", key, (start, stop), user, shared))
        return done

    async def sadd(self, name: Key, *values: Member, user: User = None, shared: bool = False) -> int | None:
        """Put members into a set, raw. How many are new; None if it was not done.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.sadd("names", "ann", "bob"))
        2
        """
        done: int | None = await answer(self._asker.members("SADD", name, values, user, shared))
        return done

    async def srem(self, name: Key, *values: Member, user: User = None, shared: bool = False) -> int | None:
        """Take members out of a set. How many there were; None if it was not done.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.srem("names", "nobody"))
        0
        """
        done: int | None = await answer(self._asker.members("SREM", name, values, user, shared))
        return done

    async def sismember(self, name: Key, value: Member, *, user: User = None, shared: bool = False) -> bool:
        """Whether a set has a member.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.sismember("names", "nobody"))
        False
        """
        done: bool = await answer(self._asker.members("SISMEMBER", name, (value,), user, shared))
        return done

    @overload
    async def spop(
        self, name: Key, count: None = None, *, user: User = None, shared: bool = False
    ) -> bytes | None: ...
    @overload
    async def spop(
        self, name: Key, count: int, *, user: User = None, shared: bool = False
    ) -> list[bytes]: ...
    async def spop(
        self, name: Key, count: int | None = None, *, user: User = None, shared: bool = False
    ) -> Any:
        """Take any member of a set, as bytes, or a list of `count` members.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.sadd("names", "ann")
        1
        >>> asyncio.run(dontmanage.acache.spop("names"))
        b'ann'
        """
        return await answer(self._asker.members("SPOP", name, taken(count), user, shared))

    @overload
    async def srandmember(
        self, name: Key, count: None = None, *, user: User = None, shared: bool = False
    ) -> bytes | None: ...
    @overload
    async def srandmember(
        self, name: Key, count: int, *, user: User = None, shared: bool = False
    ) -> list[bytes]: ...
    async def srandmember(
        self, name: Key, count: int | None = None, *, user: User = None, shared: bool = False
    ) -> Any:
        """Any member of a set, as bytes, or a list of `count` members; a negative count may repeat them.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.sadd("names", "ann")
        1
        >>> asyncio.run(dontmanage.acache.srandmember("names", 3))
        [b'ann']
        """
        return await answer(self._asker.members("SRANDMEMBER", name, counted(count), user, shared))

    async def smembers(self, name: Key, *, user: User = None, shared: bool = False) -> set[bytes]:
        """The members of a set, as bytes.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.sadd("names", "ann")
        1
        >>> asyncio.run(dontmanage.acache.smembers("names"))
        {b'ann'}
        """
        done: set[bytes] = await answer(self._asker.members("SMEMBERS", name, (), user, shared))
        return done


def and_one(values: tuple[Member, ...], value: Member | None) -> tuple[Member, ...]:
    """Members, and one more that was given by name."""
    return values if value is None else (*values, value)


def taken(count: int | None) -> tuple[int, ...]:
    """How many to take, as a command's words."""
    if count is not None and count < 0:
        raise ValueError(f"`count` is how many to take, and can't be {count}")
    return counted(count)


def counted(count: int | None) -> tuple[int, ...]:
    """A count as a command's words."""
    return () if count is None else (count,)
