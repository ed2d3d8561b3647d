"""`dontmanage.utils.redis_wrapper` of the framework, on this library: redis-py's client with the cache's
methods, for the site and the user that the framework is in."""

from __future__ import annotations

from typing import Any

from dontmanage_cache import redis_wrapper
from dontmanage_cache.framework import original
from dontmanage_cache.framework.client_cache import CacheStatistics, ClientCache
from dontmanage_cache.framework.request import bench_server, framework

__all__ = ["CacheStatistics", "ClientCache", "RedisWrapper", "setup_cache"]

# Where the framework's own looks for a cache that nobody has configured.
DEFAULT_URL = "redis://127.0.0.1:13311"


class RedisWrapper(redis_wrapper.RedisWrapper):
    """redis-py's client; the methods of the cache are here too, for the site's keys and values.

    >>> client = RedisWrapper.from_url("redis://127.0.0.1:13000")
    >>> client.set_value("total", 42)
    """

    def _find_server(self, url: str) -> None:
        server = bench_server(url)
        if server is not None:
            self._bind(server)


def setup_cache() -> RedisWrapper:
    """The client that the framework keeps as `dontmanage.cache`."""
    conf = framework.local.conf
    if conf.get("redis_cache_sentinel_enabled"):
        raise NotImplementedError(
            "`redis_cache_sentinel_enabled`: under the framework, the cache library follows no Sentinel; "
            "run `bench config set redis_cache.worker_library false`"
        )
    return RedisWrapper.from_url(conf.get("redis_cache") or DEFAULT_URL)


def __getattr__(name: str) -> Any:
    """What only the framework's own module has."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(original(__name__), name)
