"""What the documentation shows, to the letter."""

from __future__ import annotations

import time

import pytest

import dontmanage


@pytest.fixture(autouse=True)
def site(bench):
    return bench


def test_strings():
    dontmanage.cache.set_value("key", "value")
    assert dontmanage.cache.get_value("key") == "value"


def test_hashes():
    dontmanage.cache.hset("user|admin", "name", "Admin")
    dontmanage.cache.hset("user|admin", "email", "admin@example.com")
    assert dontmanage.cache.hget("user|admin", "name") == "Admin"
    assert dontmanage.cache.hgetall("user|admin") == {"name": "Admin", "email": "admin@example.com"}


def test_a_custom_cache(bench, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)

    def slow_add(a, b):
        key = f"slow_addition|{a}+{b}"  # unique key representing this computation

        # If this key exists in cache, then return value
        if cached_value := dontmanage.cache.get_value(key):
            return cached_value

        import time

        time.sleep(1)  # Fake workload
        result = a + b

        # Set the computed value in cache so next time we dont have to do the work
        dontmanage.cache.set_value(key, result)

        return result

    assert slow_add(40, 2) == 42
    bench.enter()
    assert slow_add(40, 2) == 42
    assert slept == [1]


def test_a_lifetime_and_clearing_by_hand(raw, bench):
    key, result = "slow_addition|40+2", 42
    # This cached value will automatically expire in one hour
    dontmanage.cache.set_value(key, result, expires_in_sec=60 * 60)
    assert 3590 < raw.ttl(bench.full(key)) <= 3600
    dontmanage.cache.delete_value(key)  # `dontmanage.cache.hdel` if using hashes.
    assert dontmanage.cache.get_value(key) is None
    dontmanage.cache.hset("h", "f", 1)
    dontmanage.cache.hdel("h", "f")
    assert dontmanage.cache.hget("h", "f") is None


def test_the_decorator(monkeypatch, bench):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    from dontmanage.utils.caching import redis_cache

    @redis_cache
    def slow_function(a, b):
        import time

        time.sleep(1)  # fake expensive computation
        return a + b

    assert slow_function(40, 2) == 42
    assert slow_function(40, 2) == 42
    bench.enter()
    assert slow_function(40, 2) == 42
    assert slept == [1]

    slow_function.clear_cache()
    assert slow_function(40, 2) == 42
    assert slept == [1, 1]


def test_a_decorated_functions_lifetime(raw):
    from dontmanage.utils.caching import redis_cache

    @redis_cache(ttl=60)
    def slow_function(a, b):
        return a + b

    slow_function(40, 2)
    assert 50 < raw.ttl(slow_function.cache_key(40, 2)) <= 60


def test_older_versions_call_the_cache():
    dontmanage.cache().set_value("key", "value")
    assert dontmanage.cache().get_value("key") == "value"
    assert dontmanage.cache() == dontmanage.cache


def test_two_sites_have_two_entries(bench, raw):
    dontmanage.cache.set_value("key", "of a")
    bench.enter("b.test")
    dontmanage.cache.set_value("key", "of b")
    assert raw.exists(bench.full("key"), f"{bench.prefix}b|key") == 2
    assert dontmanage.cache.make_key("key") == f"{bench.prefix}b|key".encode()


def test_the_local_cache_avoids_repeated_calls(redis_server):
    dontmanage.cache.set_value("key", "value")
    before = redis_server.calls("get")
    assert dontmanage.cache.get_value("key") == "value"
    assert redis_server.calls("get") == before
    assert dontmanage.cache.make_key("key") in dontmanage.local.cache


def test_the_wrapper_is_where_the_documentation_says():
    import redis
    from dontmanage.utils.redis_wrapper import RedisWrapper

    assert issubclass(RedisWrapper, redis.Redis)
    assert RedisWrapper.set_value


def test_both_packages_are_one():
    import dontmanage_cache

    assert dontmanage.cache is dontmanage_cache.cache
    assert dontmanage.local is dontmanage_cache.local
    for name in dontmanage.__all__:
        assert hasattr(dontmanage, name)
