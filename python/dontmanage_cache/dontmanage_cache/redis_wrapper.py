"""`RedisWrapper`: redis-py's client with the cache's methods.

>>> import dontmanage
>>> from dontmanage.utils.redis_wrapper import RedisWrapper
>>> client = RedisWrapper.from_url(dontmanage.conf.redis_cache)
>>> client.hset("user|admin", "name", "Admin")
>>> client.hgetall("user|admin")
{'name': 'Admin'}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import redis
import redis.commands.search

from ._core import Cache, Server
from .sites import server_at

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RedisWrapper"]


class RedisWrapper(Cache, redis.Redis):  # type: ignore[misc]
    """redis-py's client; the methods of `dontmanage.cache` are here too, for the site's keys and values.

    All other commands are redis-py's: they take keys as they are given (make them with `make_key`) and
    raise what redis-py raises.

    >>> import dontmanage
    >>> client = RedisWrapper.from_url(dontmanage.conf.redis_cache)
    >>> client.set_value("total", 42)
    >>> client.incrby(client.make_key("hits"), 1)
    1
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        redis.Redis.__init__(self, *args, **options)
        self._find_server(_url(self.connection_pool))

    def _find_server(self, url: str) -> None:
        # Signed as the bench signs: what lies there was perhaps put there by somebody else.
        self._bind(server_at(url))

    def ft(self, index_name: str = "idx") -> Search:
        """RediSearch, where the server has it; the keys of its suggestions are the site's.

        >>> import dontmanage
        >>> dontmanage.cache.ft("articles").index_name
        'articles'
        """
        return Search(self, index_name)

    @classmethod
    def from_url(cls, url: str, *args: Any, **options: Any) -> Self:
        """A client of the server at a URL; options are redis-py's.

        >>> RedisWrapper.from_url(dontmanage.conf.redis_cache).ping()
        True
        """
        made: Self = super().from_url(url, *args, **options)  # type: ignore[assignment]
        return made

    @classmethod
    def of(cls, server: Server) -> RedisWrapper:
        """A client of that very server, with the request's own copy of its values.

        >>> from dontmanage_cache.sites import default_server
        >>> RedisWrapper.of(default_server()).ping()
        True
        """
        pool = redis.ConnectionPool.from_url(server.full_url(), socket_connect_timeout=5)
        client = cls.__new__(cls)
        client._bind(server)
        redis.Redis.__init__(client, connection_pool=pool)
        return client


class Search(redis.commands.search.Search):
    """RediSearch, with suggestions at keys of the site."""

    def __init__(self, client: RedisWrapper, index_name: str) -> None:
        super().__init__(client, index_name)  # type: ignore[no-untyped-call]
        # Any: redis-py's own methods say that a key is text, and take bytes.
        self._make_key: Any = client.make_key

    def sugadd(self, key: str, *suggestions: Any, **options: Any) -> Any:
        """Add suggestions to a dictionary of the site."""
        return super().sugadd(self._make_key(key), *suggestions, **options)  # type: ignore[no-untyped-call]

    def suglen(self, key: str) -> Any:
        """How many suggestions a dictionary of the site has."""
        return super().suglen(self._make_key(key))

    def sugdel(self, key: str, string: str) -> Any:
        """Remove a suggestion from a dictionary of the site."""
        return super().sugdel(self._make_key(key), string)

    def sugget(self, key: str, *prefix: Any, **options: Any) -> Any:
        """The suggestions of a dictionary of the site that begin with a text."""
        return super().sugget(self._make_key(key), *prefix, **options)


def _url(pool: redis.ConnectionPool) -> str:
    """The URL of a pool's server."""
    options = pool.connection_kwargs
    login = ""
    if options.get("password"):
        login = f"{quote(options.get('username') or '', '')}:{quote(str(options['password']), '')}@"
    database = int(options.get("db") or 0)
    if options.get("path"):
        return f"unix://{login}{quote(options['path'])}?db={database}"
    tls = issubclass(pool.connection_class, redis.SSLConnection)
    host = options.get("host") or "localhost"
    if ":" in host:
        host = f"[{host}]"
    return f"{'rediss' if tls else 'redis'}://{login}{host}:{options.get('port') or 6379}/{database}"
