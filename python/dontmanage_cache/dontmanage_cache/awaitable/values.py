"""Awaited calls that are about values: one, several at once, and those whose keys begin alike.

>>> import asyncio
>>> import dontmanage_cache as dontmanage
>>> asyncio.run(dontmanage.acache.set_value("total", 42))
>>> asyncio.run(dontmanage.acache.get_value("total"))
42
"""

from __future__ import annotations

from .._core import Pending
from .asking import MISSING, Asking, answer, check_generator, made, overload, yes

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from typing import Any, TypeVar

    from .asking import Key, Keys, Lifetime, User

    T = TypeVar("T")
    K = TypeVar("K", bound=Key)

__all__ = ["Values"]


class Values(Asking):
    """The values of the site that a task is in, for programs on an event loop.

    >>> import asyncio
    >>> import dontmanage_cache as dontmanage
    >>> asyncio.run(dontmanage.acache.set_values({"apple": 3, "pear": 4}))
    >>> asyncio.run(dontmanage.acache.get_values(["apple", "plum"]))
    {'apple': 3}
    """

    __slots__ = ()

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
