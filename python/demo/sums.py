"""The slow function that the page and the worker share, as the documentation has it."""

import time

from dontmanage.utils.caching import redis_cache


@redis_cache
def slow_function(a, b):
    """Takes a second, unless Redis has the answer."""
    time.sleep(1)  # fake expensive computation
    return a + b
