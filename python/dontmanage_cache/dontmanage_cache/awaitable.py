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

from . import cache
from ._core import Asker, Pending

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import timedelta
    from typing import Any, Literal, TypeAlias, TypeVar, overload

    from ._core import Cache
    from .statistics import Statistics

    S = TypeVar("S")
    T = TypeVar("T")
    Key: TypeAlias = str | bytes | bytearray | memoryview | int
    Keys: TypeAlias = Key | Iterable[Key] | None
    User: TypeAlias = str | bool | None
    Lifetime: TypeAlias = float | timedelta | None
    Member: TypeAlias = str | bytes | bytearray | memoryview | float
    K = TypeVar("K", bound=Key)
else:

    def overload(func):
        """`typing.overload`, which would cost its import."""
        return func


__all__ = ["AsyncCache", "acache"]

# What stands for a value that is not there: no value is this object.
MISSING: Any = object()


class AsyncCache:
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

    # A dict too, for tests of programs, which put calls of their own in the place of these.
    __slots__ = ("__dict__", "_asker", "_cache")

    def __init__(self, of: Cache = cache) -> None:
        self._cache = of
        self._asker = Asker(of, MISSING)

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

    @overload
    async def get_value(
        self,
        key: Key,
        generator: Callable[[], Awaitable[T]],
        user: User = None,
        expires: bool = False,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
        default: object = None,
        expires_in_sec: Lifetime = None,
    ) -> T: ...
    @overload
    async def get_value(
        self,
        key: Key,
        generator: Callable[[], T],
        user: User = None,
        expires: bool = False,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
        default: object = None,
        expires_in_sec: Lifetime = None,
    ) -> T: ...
    @overload
    async def get_value(
        self,
        key: Key,
        generator: None = None,
        user: User = None,
        expires: bool = False,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
        default: None = None,
        expires_in_sec: Lifetime = None,
    ) -> Any | None: ...
    @overload
    async def get_value(
        self,
        key: Key,
        generator: None = None,
        user: User = None,
        expires: bool = False,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
        default: T,
        expires_in_sec: Lifetime = None,
    ) -> Any | T: ...
    async def get_value(
        self,
        key: Key,
        generator: Callable[[], Any] | None = None,
        user: User = None,
        expires: bool = False,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
        default: Any = None,
        expires_in_sec: Lifetime = None,
    ) -> Any:
        """The value of a key; None, or `default`, on a miss.

        On a miss a `generator` is called, a coroutine function or a plain one, and its answer is stored (for
        `expires_in_sec`) unless it is None. It may itself ask the cache. `user` is a user's name, or True
        for the session's. With `expires=True` the server is always asked.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> async def compute():
        ...     return 42
        >>> asyncio.run(dontmanage.acache.get_value("answer", compute, expires_in_sec=60))
        42
        """
        local = use_local_cache is True and expires is False
        if not local:
            local = yes(use_local_cache) and not yes(expires)
        value = self._asker.find(key, user, shared, local)
        if type(value) is Pending:
            await value.future
            value = value.result()
        if value is not MISSING:
            return value
        if generator is None:
            return default
        check_generator(generator)
        self._asker.check_lifetime(expires_in_sec)
        value = await made(generator)
        # None says that there is nothing to keep: it is asked for again.
        if value is not None:
            await answer(self._asker.store(key, value, user, expires_in_sec, shared, local))
        return value

    async def set_value(
        self,
        key: Key,
        val: object,
        user: User = None,
        expires_in_sec: Lifetime = None,
        shared: bool = False,
        *,
        cache_locally: bool = True,
    ) -> None:
        """Store a value: any object that can be pickled. `expires_in_sec` is a number of seconds or a
        timedelta; None or 0 is no limit. With `cache_locally=False` this request reads it from the server.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.set_value("key", {"a": 1}, expires_in_sec=60))
        >>> dontmanage.cache.get_value("key")
        {'a': 1}
        """
        await answer(self._asker.store(key, val, user, expires_in_sec, shared, cache_locally))

    async def delete_value(
        self, keys: Keys, user: User = None, make_keys: bool = True, shared: bool = False
    ) -> None:
        """Remove a value, or several: a list, tuple or set of keys. With `make_keys=False` they are full
        keys.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.delete_value(["key", "other"]))
        """
        await answer(self._asker.delete(keys, user, shared or not yes(make_keys)))

    async def delete_key(
        self, keys: Keys, user: User = None, make_keys: bool = True, shared: bool = False
    ) -> None:
        """The same as `delete_value`.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.delete_key("key"))
        """
        await self.delete_value(keys, user, make_keys, shared)

    async def expire_key(
        self, key: Key, time: Lifetime, *, user: User = None, shared: bool = False
    ) -> bool | None:
        """Give a key another lifetime, from now; None or 0 is no limit. Whether there is such a key; None if
        the server is away.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.expire_key("no such key", 60))
        False
        """
        return await answer(self._asker.expire(key, time, user, shared))

    async def exists(self, *names: Key, user: User = None, shared: bool | None = False) -> int:
        """How many of the keys exist; 0 if the server is away.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.exists("no such key", "nor this"))
        0
        """
        return await answer(self._asker.exist(names, user, yes(shared)))

    async def get_values(
        self,
        keys: K | Iterable[K],
        user: User = None,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
    ) -> dict[K, Any]:
        """The values of several keys, in one round trip: a dict of those that there are.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.set_values({"apple": 3, "pear": 4})
        >>> asyncio.run(dontmanage.acache.get_values(["apple", "plum", "pear"]))
        {'apple': 3, 'pear': 4}
        """
        return await answer(self._asker.find_many(keys, user, shared, use_local_cache))

    async def set_values(
        self,
        values: Mapping[K, object],
        user: User = None,
        expires_in_sec: Lifetime = None,
        shared: bool = False,
    ) -> None:
        """Store the values of a dict, in one round trip.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.set_values({"apple": 3, "pear": 4}))
        >>> dontmanage.cache.get_value("pear")
        4
        """
        await answer(self._asker.store_many(values, user, expires_in_sec, shared))

    async def delete_values(self, keys: Keys, user: User = None, shared: bool = False) -> int:
        """Remove several values, in one round trip. How many there were.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.set_values({"apple": 3, "pear": 4})
        >>> asyncio.run(dontmanage.acache.delete_values(["apple", "no such key"]))
        1
        """
        return await answer(self._asker.delete(keys, user, shared))

    async def get_keys(self, key: Key, user: User = None, shared: bool = False) -> list[bytes]:
        """The full keys that begin with a text, in no order. In the text, `*` stands for anything; nothing
        else is special.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.set_value("price of apples", 3)
        >>> asyncio.run(dontmanage.acache.get_keys("price")) == [dontmanage.cache.make_key("price of apples")]
        True
        """
        return await answer(self._asker.keys(key, user, shared))

    async def delete_keys(self, key: Key, user: User = None, shared: bool = False) -> int:
        """Remove what `get_keys` finds, in steps so short that other clients do not wait. How many there
        were.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.set_values({"price 1": 3, "price 2": 4})
        >>> asyncio.run(dontmanage.acache.delete_keys("price"))
        2
        """
        return await answer(self._asker.delete_keys(key, user, shared))

    async def get_all(self, key: Key, user: User = None, shared: bool = False) -> dict[str, Any]:
        """All values whose keys begin with a text, by key.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.set_value("price of apples", 3)
        >>> asyncio.run(dontmanage.acache.get_all("price"))
        {'price of apples': 3}
        """
        # What stands before the program's own text.
        before = 0 if shared else len(self._cache.make_key("", user))
        keys = await self.get_keys(key, user, shared)
        values = await self.get_values(keys, shared=True)
        return {full[before:].decode("utf-8", "surrogateescape"): value for full, value in values.items()}

    async def hset(
        self,
        name: Key,
        key: Key | None,
        value: object,
        shared: bool = False,
        *_more: object,
        cache_locally: bool = True,
        **options: object,
    ) -> None:
        """Store a field of a hash: any object that can be pickled. Nothing happens if the field is None.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.hset("prices", "apple", 3))
        >>> dontmanage.cache.hget("prices", "apple")
        3
        """
        refuse_several_fields(options)
        await answer(self._asker.store_field(name, key, value, shared, cache_locally))

    @overload
    async def hget(
        self,
        name: Key,
        key: Key | None,
        generator: Callable[[], Awaitable[T]],
        shared: bool = False,
        *,
        default: object = None,
    ) -> T: ...
    @overload
    async def hget(
        self,
        name: Key,
        key: Key | None,
        generator: Callable[[], T],
        shared: bool = False,
        *,
        default: object = None,
    ) -> T: ...
    @overload
    async def hget(
        self,
        name: Key,
        key: Key | None,
        generator: None = None,
        shared: bool = False,
        *,
        default: None = None,
    ) -> Any | None: ...
    @overload
    async def hget(
        self,
        name: Key,
        key: Key | None,
        generator: None = None,
        shared: bool = False,
        *,
        default: T,
    ) -> Any | T: ...
    async def hget(
        self,
        name: Key,
        key: Key | None,
        generator: Callable[[], Any] | None = None,
        shared: bool = False,
        *,
        default: Any = None,
    ) -> Any:
        """A field of a hash; None, or `default`, on a miss. On a miss a `generator` is called, a coroutine
        function or a plain one, and its answer is stored.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.hset("prices", "apple", 3)
        >>> asyncio.run(dontmanage.acache.hget("prices", "apple"))
        3
        """
        value = await answer(self._asker.find_field(name, key, shared))
        if value is not MISSING:
            return value
        if generator is None or key is None:
            return default
        check_generator(generator)
        value = await made(generator)
        await answer(self._asker.store_field(name, key, value, shared, True))
        return value

    async def hgetall(self, name: Key, shared: bool = False) -> dict[str, Any]:
        """All fields of a hash, as the server has them.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.hset("prices", "apple", 3)
        >>> asyncio.run(dontmanage.acache.hgetall("prices"))
        {'apple': 3}
        """
        return await answer(self._asker.fields(name, shared))

    async def hexists(self, name: Key, key: Key | None, shared: bool = False) -> bool:
        """Whether the server has a field of a hash.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> asyncio.run(dontmanage.acache.hexists("prices", "no such field"))
        False
        """
        return await answer(self._asker.has_field(name, key, shared))

    async def hkeys(self, name: Key, shared: bool = False) -> list[bytes]:
        """The field names of a hash, as bytes.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.hset("prices", "apple", 3)
        >>> asyncio.run(dontmanage.acache.hkeys("prices"))
        [b'apple']
        """
        return await answer(self._asker.field_names(name, shared))

    async def hdel(self, name: Key, keys: Keys, shared: bool = False) -> int:
        """Remove a field of a hash, or several: a list, tuple or set. How many there were.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.hset("prices", "apple", 3)
        >>> asyncio.run(dontmanage.acache.hdel("prices", ["apple", "pear"]))
        1
        """
        return await answer(self._asker.delete_fields(name, keys, shared))

    async def hdel_names(self, names: Keys, key: Key | None, shared: bool = False) -> int:
        """Remove one field from several hashes, in one round trip. How many there were.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.hset("prices", "apple", 3)
        >>> asyncio.run(dontmanage.acache.hdel_names(["prices", "names"], "apple"))
        1
        """
        return await answer(self._asker.delete_field_of(names, key, shared))

    async def hdel_keys(self, name_starts_with: Key, key: Key | None, shared: bool = False) -> int:
        """Remove one field from every hash whose name begins with a text. How many there were.

        >>> import asyncio
        >>> import dontmanage_cache as dontmanage
        >>> dontmanage.cache.hset("prices", "apple", 3)
        >>> asyncio.run(dontmanage.acache.hdel_keys("pri", "apple"))
        1
        """
        return await answer(self._asker.delete_field_beginning(name_starts_with, key, shared))

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


async def answer(asked: Pending[T] | T) -> T:
    """What was asked, once it is there."""
    if isinstance(asked, Pending):
        await asked.future
        return asked.result()
    return asked


def yes(given: Any) -> bool:
    """Yes or no, as the cache takes it."""
    if given is None or isinstance(given, bool) or (isinstance(given, int) and 0 <= given <= 1):
        return bool(given)
    raise TypeError(f"this is True or False, not {type(given).__name__}")


def refuse_several_fields(options: dict[str, Any]) -> None:
    """redis-py's `hset` takes several fields by name. They would be lost here."""
    if "mapping" in options or "items" in options:
        raise TypeError("`hset` sets one field, as a pickle: call it for each, or set a dict by `set_value`")


def check_generator(given: Any) -> None:
    """Refuse what can't be called on a miss."""
    if not callable(given):
        raise TypeError(
            f"a generator is a function that is called on a miss, not {type(given).__name__}; "
            "for what a miss gives, pass default=…"
        )


async def made(generator: Callable[[], Any]) -> Any:
    """What a generator gives, which may be a coroutine function."""
    value = generator()
    return await value if hasattr(value, "__await__") else value


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


acache = AsyncCache()
"""The cache of the site that this task is in, for programs on an event loop."""
