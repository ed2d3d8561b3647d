"""`dontmanage.utils.caching` of the framework, on this library."""

from __future__ import annotations

from typing import Any

from dontmanage_cache import caching
from dontmanage_cache.framework import original

__all__ = ["redis_cache", "request_cache", "site_cache"]

redis_cache = caching.redis_cache
request_cache = caching.request_cache
site_cache = caching.site_cache


class _SiteCache:
    """What the framework empties when it clears its caches."""

    @staticmethod
    def clear() -> None:
        """Forget what `site_cache` has kept in this process, and let the site's other processes do so."""
        caching.clear_site_caches()


_SITE_CACHE = _SiteCache()


def __getattr__(name: str) -> Any:
    """What only the framework's own module has."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(original(__name__), name)
