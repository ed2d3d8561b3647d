"""Cached functions that note when they are computed."""

from __future__ import annotations

import pytest
from dontmanage_cache.caching import redis_cache

calls: list[object] = []


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


@redis_cache
def slow_add(a, b):
    """Adds."""
    calls.append((a, b))
    return a + b


@redis_cache(ttl=60)
def one(x):
    calls.append(x)
    return repr(x)
