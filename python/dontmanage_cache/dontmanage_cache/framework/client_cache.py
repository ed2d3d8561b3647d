"""`ClientCache`, which the framework has from version 16 on: there a copy in each process, kept right by
Redis.

Here it is the cache itself, which keeps a copy for one request and no longer: so no process goes on with what
another has changed, at the price of asking Redis once a request."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import cache, caching
from .request import framework

__all__ = ["CacheStatistics", "ClientCache"]


class CacheStatistics(NamedTuple):
    """What a process has in its own copy: nothing."""

    hits: int = 0
    misses: int = 0
    capacity: int = 0
    used: int = 0
    utilization: float = 0.0
    hit_ratio: float | None = None
    healthy: bool = True


class ClientCache:
    """The values of the cache, by the names that the framework calls them."""

    def __init__(self, *_sizes: Any, **_options: Any) -> None:
        # How large the copy may grow; there is none.
        pass

    def get_value(self, key: Any, *, shared: bool = False, generator: Any = None) -> Any:
        """The value of a key; on a miss the generator's answer, which is stored."""
        return cache.get_value(key, generator, shared=shared)

    def set_value(self, key: Any, val: Any, *, shared: bool = False) -> None:
        """Store a value."""
        cache.set_value(key, val, shared=shared)

    def delete_value(self, key: Any, *, shared: bool = False) -> None:
        """Remove a value, or several."""
        cache.delete_value(key, shared=shared)

    def delete_keys(self, pattern: Any) -> None:
        """Remove all values whose keys begin with a text."""
        cache.delete_keys(pattern)

    def get_doc(self, doctype: str, name: str | None = None) -> Any:
        """A document, as the framework caches it."""
        name = name or doctype
        key = f"document_cache::{doctype}::{name}"
        return self.get_value(key, generator=lambda: framework.get_doc(doctype, name))

    def clear_cache(self) -> None:
        """Forget the process's own copy: there is none."""

    def erase_persistent_caches(self, *, doctype: str | None = None) -> None:
        """Forget what outlives a request: the controllers of this process, and, in every process, what
        `site_cache` has kept."""
        from importlib import import_module

        manager = import_module("dontmanage.cache_manager")
        manager.clear_controller_cache(doctype, site=getattr(framework.local, "site", None))
        if not doctype:
            caching.clear_site_caches()

    @property
    def statistics(self) -> CacheStatistics:
        """How the process's own copy does."""
        return CacheStatistics(healthy=cache.connected())

    def reset_statistics(self) -> None:
        """Begin to count anew."""
