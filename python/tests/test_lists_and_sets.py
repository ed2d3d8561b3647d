"""Lists and sets: raw members, bytes out."""

from __future__ import annotations

import pytest


def test_lists_are_raw_and_prefixed(bench, cache, raw):
    assert cache.rpush("l", "b") == 1
    assert cache.lpush("l", b"a") == 2
    assert cache.rpush("l", 3, 4.5) == 4
    assert cache.lrange("l", 0, -1) == [b"a", b"b", b"3", b"4.5"]
    assert raw.lrange(bench.full("l"), 0, -1) == [b"a", b"b", b"3", b"4.5"]
    assert cache.llen("l") == 4
    assert cache.lpop("l") == b"a"
    assert cache.rpop("l") == b"4.5"
    assert cache.rpush("l", "x", "y", "z") == 5
    assert cache.lpop("l", 2) == [b"b", b"3"]
    assert cache.ltrim("l", 0, 1) is True
    assert cache.lrange("l", 0, -1) == [b"x", b"y"]
    assert cache.rpop("missing") is None
    assert cache.rpop("missing", 2) == []
    assert cache.llen("missing") == 0


def test_sets_are_raw_and_prefixed(bench, cache, raw):
    assert cache.sadd("s", "a", b"b", 3) == 3
    assert cache.sadd("s", "a") == 0
    assert cache.smembers("s") == {b"a", b"b", b"3"} == raw.smembers(bench.full("s"))
    assert cache.sismember("s", 3) is True
    assert cache.sismember("s", "missing") is False
    assert cache.srandmember("s") in {b"a", b"b", b"3"}
    assert set(cache.srandmember("s", 2)) < {b"a", b"b", b"3"}
    assert len(cache.srandmember("s", 2)) == 2
    assert len(cache.srandmember("s", -5)) == 5
    assert cache.srem("s", "a", "missing") == 1
    taken = cache.spop("s")
    assert taken in {b"b", b"3"}
    assert cache.smembers("s") == {b"b", b"3"} - {taken}
    assert cache.spop("missing") is None
    assert cache.spop("s", 5) == list({b"b", b"3"} - {taken})
    assert cache.smembers("s") == set()


def test_they_may_be_a_users_or_shared(bench, cache, raw):
    cache.lpush("l", 1, user="u")
    assert raw.llen(bench.full("user:u:l")) == 1
    name = f"{bench.prefix} shared"
    cache.sadd(name, 1, shared=True)
    assert raw.smembers(name) == {b"1"}
    raw.delete(name)


@pytest.mark.parametrize("member", [None, True, [1], {}, object()])
def test_what_is_not_raw_is_refused(cache, member):
    with pytest.raises(TypeError, match="kept raw"):
        cache.lpush("l", member)
    with pytest.raises(TypeError, match="kept raw"):
        cache.sadd("s", member)
    assert cache.llen("l") == 0


def test_a_key_of_another_kind_is_as_if_it_were_missing(cache):
    cache.set_value("k", 1)
    assert cache.lpush("k", 1) is None
    assert cache.lrange("k", 0, -1) == []
    assert cache.llen("k") == 0
    assert cache.lpop("k") is None
    assert cache.smembers("k") == set()
    assert cache.sismember("k", 1) is False
    assert cache.sadd("k", 1) is None
    assert cache.get_value("k") == 1


def test_any_kind_of_bytes_is_raw(cache):
    cache.rpush("l", b"a", bytearray(b"b"), memoryview(b"c"))
    assert cache.lrange("l", 0, -1) == [b"a", b"b", b"c"]
    cache.sadd("s", memoryview(b"a"))
    assert cache.sismember("s", "a") is True


def test_one_value_may_be_given_by_name(cache):
    """As the framework calls it."""
    assert cache.lpush("l", value="b") == 1
    assert cache.lpush(key="l", value="a") == 2
    assert cache.rpush(key="l", value=3) == 3
    assert cache.lrange("l", 0, -1) == [b"a", b"b", b"3"]


@pytest.mark.parametrize("take", ["lpop", "rpop", "spop"])
def test_a_number_to_take_that_is_negative_is_refused(cache, take):
    with pytest.raises(ValueError, match=r"`count`.*-1"):
        getattr(cache, take)("l", -1)
    with pytest.raises(TypeError):
        getattr(cache, take)("l", "1")
