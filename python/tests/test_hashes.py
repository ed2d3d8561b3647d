"""Hashes: fields of one name, each a value of its own."""

from __future__ import annotations

import pytest


def test_hashes_work_as_the_documentation_shows(bench, cache):
    assert cache.hset("user|admin", "name", "Admin") is None
    cache.hset("user|admin", "email", "admin@example.com")
    assert cache.hget("user|admin", "name") == "Admin"
    assert cache.hgetall("user|admin") == {"name": "Admin", "email": "admin@example.com"}
    bench.enter()
    assert cache.hget("user|admin", "name") == "Admin"


def test_hgetall_has_text_names_and_asks_the_server(bench, cache, raw):
    cache.hset("h", "ключ", 1)
    cache.hset("h", 5, 2)
    cache.hset("h", b"raw", 3)
    cache.hset("h", b"\xff", 4)
    assert cache.hgetall("h") == {"ключ": 1, "5": 2, "raw": 3, "\udcff": 4}
    raw.hdel(bench.full("h"), "5")
    assert "5" not in cache.hgetall("h")
    assert cache.hgetall("missing") == {}


def test_field_none_is_no_field(bench, cache, raw):
    cache.hset("h", None, 1)
    assert not raw.exists(bench.full("h"))
    assert cache.hget("h", None) is None
    assert cache.hexists("h", None) is False
    assert cache.hget("h", None, lambda: 1 / 0) is None


@pytest.mark.parametrize("field", [0, "", False, 5, "x y", "ключ"])
def test_any_other_field_is_one(bench, cache, field):
    cache.hset("h", field, "v")
    assert cache.hget("h", field) == "v"
    bench.enter()
    assert cache.hget("h", field) == "v"
    assert cache.hexists("h", field) is True


def test_a_generator_stores_the_field(bench, cache):
    assert cache.hget("h", "f", lambda: [1]) == [1]
    bench.enter()
    assert cache.hget("h", "f", generator=lambda: 1 / 0) == [1]
    assert cache.hgetall("h") == {"f": [1]}


def test_a_stored_none_is_a_hit(bench, cache):
    cache.hset("h", "f", None)
    bench.enter()
    assert cache.hget("h", "f", lambda: 1 / 0) is None
    assert cache.hget("h", "f", default=5) is None
    assert cache.hget("h", "g", default=5) == 5


def test_hdel_takes_one_field_or_several(bench, cache):
    for field in "abcd":
        cache.hset("h", field, 1)
    assert cache.hdel("h", "a") == 1
    assert cache.hdel("h", ["b", "missing"]) == 1
    assert cache.hdel("h", ("c",)) == 1
    assert cache.hdel("h", []) == 0
    assert cache.hget("h", "a") is None
    bench.enter()
    assert cache.hgetall("h") == {"d": 1}


def test_hdel_can_wait_in_a_pipeline(bench, cache):
    cache.hset("h", "a", 1)
    cache.hset("h", "b", 1)
    pipeline = cache.pipeline()
    cache.hdel("h", ["a", "b"], pipeline=pipeline)
    bench.enter()
    assert cache.hget("h", "a") == 1
    pipeline.execute()
    bench.enter()
    assert cache.hgetall("h") == {}


def test_hdel_names_takes_one_field_from_several_hashes(bench, cache, redis_server):
    for name in ("x", "y", "z"):
        cache.hset(name, "f", 1)
        cache.hset(name, "g", 1)
    assert cache.hdel_names(["x", "y", "missing"], "f") == 2
    assert [cache.hget(name, "f") for name in ("x", "y", "z")] == [None, None, 1]
    bench.enter()
    assert [cache.hgetall(name) for name in ("x", "y", "z")] == [{"g": 1}, {"g": 1}, {"f": 1, "g": 1}]


def test_hdel_keys_takes_the_field_from_every_hash_of_a_beginning(bench, cache):
    for name in ("doc::a", "doc::b", "other"):
        cache.hset(name, "f", 1)
    cache.set_value("doc::no hash", 1)
    assert cache.hdel_keys("doc::", "f") == 2
    bench.enter()
    assert [cache.hget(name, "f") for name in ("doc::a", "doc::b", "other")] == [None, None, 1]
    assert cache.get_value("doc::no hash") == 1


def test_hexists_asks_the_server(bench, cache, raw):
    cache.hset("h", "f", 1)
    assert cache.hexists("h", "f") is True
    raw.delete(bench.full("h"))
    assert cache.hexists("h", "f") is False


def test_hkeys_gives_bytes(cache):
    cache.hset("h", "f", 1)
    cache.hset("h", "ключ", 1)
    assert sorted(cache.hkeys("h")) == sorted([b"f", "ключ".encode()])
    assert cache.hkeys("missing") == []


def test_a_shared_hash_is_one_for_two_sites(bench, cache, raw):
    name = f"{bench.prefix} shared"
    cache.hset(name, "f", 1, shared=True)
    cache.hset(name, "g", 2, True)
    bench.enter("b.test")
    assert cache.hget(name, "f", shared=True) == 1
    assert cache.hget(name, "f", None, True) == 1
    assert cache.hexists(name, "g", shared=True)
    assert cache.hgetall(name, shared=True) == {"f": 1, "g": 2}
    assert cache.hget(name, "f") is None
    assert cache.hdel(name, ["f", "g"], shared=True) == 2
    assert not raw.exists(name)


def test_what_the_framework_passes_along_is_taken(cache):
    cache.hset("h", "f", 1, False, "more", cache_locally=True, another=1)
    assert cache.hget("h", "f") == 1


def test_a_generator_is_a_function_here_too(cache):
    with pytest.raises(TypeError, match="default="):
        cache.hget("h", "f", 42)
    assert cache.hexists("h", "f") is False


@pytest.mark.parametrize("more", [{"mapping": {"a": 1}}, {"items": ["a", 1]}])
def test_several_fields_at_once_are_refused_rather_than_dropped(cache, more):
    """As redis-py takes them, which would store them raw."""
    with pytest.raises(TypeError, match=r"`hset` sets one field.*call it for each"):
        cache.hset("h", "f", 1, **more)
    with pytest.raises(TypeError):
        cache.hset("h", **more)
    assert cache.hgetall("h") == {}
