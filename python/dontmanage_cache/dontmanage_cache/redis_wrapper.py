"""`RedisWrapper`: redis-py's client with the cache's methods.

>>> import dontmanage
>>> from dontmanage.utils.redis_wrapper import RedisWrapper
>>> client = RedisWrapper.from_url(dontmanage.conf.redis_cache)
>>> client.hset("user|admin", "name", "Admin")
>>> client.hgetall("user|admin")
{'name': 'Admin'}
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import redis
import redis.commands.search

from ._core import Cache, CacheError, Server
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
        url = server.full_url()
        pool = redis.ConnectionPool.from_url(url, socket_connect_timeout=5)
        if url.startswith("rediss://"):
            # Before its version 6, redis-py looks at no host's name unless told, and takes "false" for yes.
            lenient = ("ssl_cert_reqs=none", "ssl_check_hostname=false")
            pool.connection_kwargs["ssl_check_hostname"] = not any(option in url for option in lenient)
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
    watched = getattr(pool, "service_name", None)
    if watched is not None:
        raise CacheError(
            f"a RedisWrapper can't follow the master `{watched}` by redis-py's sentinels: set "
            "`redis_cache_sentinel_enabled`, `redis_cache_sentinels` and `redis_cache_master_service` in the "
            "configuration, which dontmanage.cache follows"
        )
    options = pool.connection_kwargs
    login = ""
    provider = options.get("credential_provider")
    username, password = options.get("username"), options.get("password")
    if provider is not None:
        *names, password = provider.get_credentials()
        username = names[0] if names else None
    if password:
        login = f"{quote(username or '', '')}:{quote(str(password), '')}@"
    database = int(options.get("db") or 0)
    if options.get("path"):
        return f"unix://{login}{quote(options['path'])}?db={database}"
    tls = issubclass(pool.connection_class, redis.SSLConnection)
    host = options.get("host") or "localhost"
    if ":" in host:
        host = f"[{host}]"
    place = f"{login}{host}:{options.get('port') or 6379}/{database}"
    return f"rediss://{place}{_tls(options)}" if tls else f"redis://{place}"


# What redis-py can be told of TLS, and a URL can say too.
_TLS_PATHS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
# What changes nothing, or is asked of every server here.
_TLS_ALWAYS = ("ssl_cert_reqs", "ssl_check_hostname")
# `ssl.TLSVersion.TLSv1_2`: no older one is spoken here.
_TLS_1_2 = 0x0303


def _tls(options: dict[str, Any]) -> str:
    """What a pool has been told of TLS, as it stands in a URL."""
    said = [f"{name}={quote(os.path.abspath(options[name]))}" for name in _TLS_PATHS if options.get(name)]
    # A word, or a number of the module `ssl`; None is none at all.
    required = options.get("ssl_cert_reqs", "required")
    if required in (None, 0, "none"):
        said.append("ssl_cert_reqs=none")
    # Whoever does not say it has redis-py's default of the day; the safe one is taken.
    if str(options.get("ssl_check_hostname", True)).lower() in ("false", "0", "no", "n", "f"):
        said.append("ssl_check_hostname=false")
    for name, value in options.items():
        if not name.startswith("ssl_") or name in (*_TLS_PATHS, *_TLS_ALWAYS) or not value:
            continue
        if name != "ssl_min_version" or value > _TLS_1_2:
            raise CacheError(
                f"the cache's server can't be reached with `{name}`: use {', '.join(_TLS_PATHS)}"
            )
    return f"?{'&'.join(said)}" if said else ""
