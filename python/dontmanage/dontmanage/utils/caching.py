"""Decorators that keep what a function answers.

>>> from dontmanage.utils.caching import redis_cache
>>> @redis_cache(ttl=60)
... def slow_add(a, b):
...     return a + b
>>> slow_add(40, 2)
42
>>> slow_add.clear_cache()
1
"""

from dontmanage_cache.caching import redis_cache, request_cache, site_cache

__all__ = ["redis_cache", "request_cache", "site_cache"]
