"""Awaited calls that are about hashes: values by name and field.

>>> import asyncio
>>> import dontmanage_cache as dontmanage
>>> asyncio.run(dontmanage.acache.hset("prices", "apple", 3))
>>> asyncio.run(dontmanage.acache.hget("prices", "apple"))
3
"""

from __future__ import annotations

from .asking import MISSING, Asking, answer, check_generator, made, overload

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeVar

    from .asking import Key, Keys

    T = TypeVar("T")

__all__ = ["Hashes"]


class Hashes(Asking):
    """The hashes of the site that a task is in, for programs on an event loop.

    >>> import asyncio
    >>> import dontmanage_cache as dontmanage
    >>> asyncio.run(dontmanage.acache.hset("prices", "apple", 3))
    >>> asyncio.run(dontmanage.acache.hkeys("prices"))
    [b'apple']
    """

    __slots__ = ()

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


def refuse_several_fields(options: dict[str, Any]) -> None:
    """redis-py's `hset` takes several fields by name. They would be lost here."""
    if "mapping" in options or "items" in options:
        raise TypeError("`hset` sets one field, as a pickle: call it for each, or set a dict by `set_value`")
