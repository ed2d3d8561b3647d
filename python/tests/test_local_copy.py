"""The request's own copy: nothing is asked twice, and nothing is served that is wrong."""

from __future__ import annotations

import asyncio
import datetime
import decimal
from typing import ClassVar

import pytest
from conftest import wait_for
from shapes import Invoice

import dontmanage_cache as dontmanage
from dontmanage_cache import documents

MUTABLE = [
    ({"a": 1}, lambda value: value.update(b=2)),
    ({"a": [1]}, lambda value: value["a"].append(2)),
    ({"a": (1, [2])}, lambda value: value["a"][1].append(2)),
    ([1], lambda value: value.append(2)),
    ([[1]], lambda value: value[0].append(2)),
    ({1}, lambda value: value.add(2)),
    (([1],), lambda value: value[0].append(2)),
    (([], ([1],)), lambda value: value[1][0].append(2)),
    (bytearray(b"x"), lambda value: value.append(1)),
    (Invoice("a", 1.0), lambda value: value.lines.append(1)),
    (dontmanage.AttributeDict(a=1), lambda value: value.update(b=2)),
]
each_mutable = pytest.mark.parametrize(("value", "change"), MUTABLE, ids=lambda part: repr(part)[:30])


@each_mutable
def test_what_a_caller_does_to_his_value_is_his_own_matter(bench, cache, value, change):
    import copy

    want = copy.deepcopy(value)
    cache.set_value("k", value)
    change(value)
    assert cache.get_value("k") == want, "after set_value"
    bench.enter()
    for _ in range(4):
        got = cache.get_value("k")
        assert got == want
        change(got)


@each_mutable
def test_the_same_holds_for_fields_and_for_generators(bench, cache, value, change):
    import copy

    want = copy.deepcopy(value)
    value = copy.deepcopy(value)
    cache.hset("h", "f", value)
    change(value)
    for _ in range(4):
        got = cache.hget("h", "f")
        assert got == want
        change(got)
    generated = cache.get_value("k", lambda: copy.deepcopy(want))
    change(generated)
    assert cache.get_value("k") == want
    change(dontmanage.local.cache[cache.make_key("k")])
    assert cache.get_value("k") == want


@pytest.mark.parametrize(
    "value",
    [
        42,
        "text",
        None,
        (1, "a"),
        {"a": 1},
        {"a": [1]},
        [1, 2],
        {3},
        datetime.date(2026, 1, 1),
        decimal.Decimal("1.1"),
        Invoice("a", 1.0),
    ],
    ids=repr,
)
def test_a_value_is_asked_for_once_in_a_request(bench, cache, redis_server, value):
    cache.set_value("k", value)
    before = redis_server.calls("get")
    assert cache.get_value("k", default="missing") == value
    assert redis_server.calls("get") == before, "it was set in this request"
    bench.enter()
    for _ in range(3):
        assert cache.get_value("k", default="missing") == value
    assert redis_server.calls("get") == before + 1


def test_a_field_is_asked_for_once_in_a_request(bench, cache, redis_server):
    cache.hset("h", "f", [1])
    bench.enter()
    before = redis_server.calls("hget")
    for _ in range(3):
        assert cache.hget("h", "f") == [1]
    assert redis_server.calls("hget") == before + 1


def test_a_miss_is_not_remembered(bench, cache, raw):
    assert cache.get_value("k") is None
    assert cache.hget("h", "f") is None
    script = f"dontmanage.init('a.test', {str(bench.sites)!r})"
    in_another_process(script + "; dontmanage.cache.set_value('k', 5); dontmanage.cache.hset('h', 'f', 6)")
    assert cache.get_value("k") == 5
    assert cache.hget("h", "f") == 6


def test_a_miss_does_not_keep_a_generator_from_being_called(cache):
    assert cache.get_value("k") is None
    assert cache.get_value("k", lambda: 5) == 5


def in_another_process(statements: str) -> None:
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", f"import dontmanage_cache as dontmanage; {statements}"], check=True)


def test_a_value_leaves_the_copy_when_its_time_is_over(bench, cache, raw):
    cache.set_value("set here", 1, expires_in_sec=1)
    cache.set_value("read here", 1, expires_in_sec=1)
    cache.set_value("field", 1)
    bench.enter()
    cache.set_value("set here", 1, expires_in_sec=1)
    assert cache.get_value("read here") == 1
    assert cache.get_value("read here") == 1
    wait_for("both end in Redis", lambda: not raw.exists(bench.full("set here"), bench.full("read here")))
    assert cache.get_value("set here") is None
    assert cache.get_value("read here") is None


def test_a_hash_leaves_the_copy_when_its_time_is_over(bench, cache, raw):
    cache.hset("h", "f", 1)
    cache.expire_key("h", 1)
    bench.enter()
    assert cache.hget("h", "f") == 1
    wait_for("it ends in Redis", lambda: not raw.exists(bench.full("h")))
    assert cache.hget("h", "f") is None


def test_expire_key_is_heeded_by_the_copy(bench, cache, raw):
    cache.set_value("k", 1)
    cache.expire_key("k", 1)
    wait_for("it ends in Redis", lambda: not raw.exists(bench.full("k")))
    assert cache.get_value("k") is None


def test_a_lifetime_taken_away_is_heeded_too(bench, cache, raw, redis_server):
    cache.set_value("k", 1, expires_in_sec=1)
    cache.expire_key("k", None)
    cache.set_value("other", 1, expires_in_sec=1)
    wait_for("a second is over", lambda: not raw.exists(bench.full("other")))
    before = redis_server.calls("get")
    assert cache.get_value("k") == 1
    assert redis_server.calls("get") == before


def test_kinds_are_never_mixed(bench, cache):
    assert cache.hget("k", "f") is None
    assert cache.get_value("k") is None
    assert cache.hget("k", "f") is None
    cache.set_value("k", {"f": "of the value"})
    assert cache.hget("k", "f") is None
    cache.hset("k", "f", "of the hash")
    assert cache.get_value("k") == {"f": "of the value"}
    assert cache.hget("k", "f") is None, "redis-server did not take it"
    cache.delete_value("k")
    cache.hset("k", "f", 1)
    assert cache.get_value("k") is None
    cache.set_value("k", 2)
    assert cache.get_value("k") == 2
    assert cache.hget("k", "f") is None
    bench.enter()
    assert cache.get_value("k") == 2


def test_expires_and_use_local_cache_ask_the_server(bench, cache, raw):
    cache.set_value("k", 1)
    raw.delete(bench.full("k"))
    assert cache.get_value("k") == 1
    assert cache.get_value("k", expires=True) is None
    assert cache.get_value("k", use_local_cache=False) is None


def test_cache_locally_leaves_a_value_to_the_server(bench, cache, redis_server):
    before = redis_server.calls("get")
    cache.set_value("k", 1, cache_locally=False)
    assert cache.get_value("k") == 1
    assert redis_server.calls("get") == before + 1
    cache.hset("h", "f", 1, cache_locally=False)
    before = redis_server.calls("hget")
    assert cache.hget("h", "f") == 1
    assert redis_server.calls("hget") == before + 1


@pytest.mark.parametrize(
    "forget",
    [
        lambda: dontmanage.set_user("someone"),
        lambda: dontmanage.local.cache.clear(),
        lambda: setattr(dontmanage.local, "cache", {}),
    ],
    ids=["set_user", "clear", "assignment"],
)
def test_the_copy_can_be_emptied(bench, cache, redis_server, forget):
    cache.set_value("k", 1)
    assert len(dontmanage.local.cache) == 1
    forget()
    assert len(dontmanage.local.cache) == 0
    before = redis_server.calls("get")
    assert cache.get_value("k") == 1, "it is still in Redis"
    assert redis_server.calls("get") == before + 1


def test_the_copy_is_bounded(bench, cache):
    cache.set_values({f"k{number}": number for number in range(30_000)})
    assert len(dontmanage.local.cache) <= 10_000
    big = "x" * (3 << 20)
    for number in range(8):
        cache.set_value(f"big{number}", big)
    kept = [dontmanage.local.cache.get(key) for key in dontmanage.local.cache]
    assert sum(len(value) for value in kept if isinstance(value, str)) <= 16 << 20
    assert cache.get_value("k1") == 1
    assert cache.get_value("big0") == big


def test_the_copy_is_a_mapping_by_full_keys(bench, cache):
    copy = dontmanage.local.cache
    cache.set_value("k", {"a": 1})
    cache.hset("h", "f", 2)
    assert bench.full("k") in copy
    assert copy[bench.full("k")] == {"a": 1}
    assert copy.get(bench.full("h")) == {"f": 2}
    assert copy.get(b"missing") is None
    assert sorted(copy) == sorted([bench.full("k"), bench.full("h")]) == sorted(copy.keys())
    with pytest.raises(KeyError):
        copy[b"missing"]
    assert copy.pop(bench.full("k")) == {"a": 1}
    assert copy.pop(b"missing", 5) == 5
    del copy[bench.full("h")]
    assert not len(copy)
    copy[bench.full("k")] = [1]
    assert cache.get_value("k") == [1]


def test_a_site_entered_anew_begins_with_an_empty_copy(bench, cache):
    cache.set_value("k", 1)
    bench.enter()
    assert len(dontmanage.local.cache) == 0


def test_a_key_is_the_same_however_it_is_named(bench, cache):
    cache.set_value("k", 1)
    assert cache.get_value(cache.make_key("k"), shared=True) == 1
    cache.delete_value(cache.make_key("k"), shared=True)
    assert cache.get_value("k") is None
    cache.hset("h", 5, "five")
    assert cache.hget("h", "5") == "five"
    cache.hdel("h", 5)
    assert cache.hget("h", "5") is None
    assert cache.hget("h", 5) is None


def test_an_object_that_appears_twice_in_a_value_still_does(bench, cache):
    inner = [1]
    cache.set_value("k", [inner, inner])
    bench.enter()
    for _ in range(3):
        got = cache.get_value("k")
        assert got[0] is got[1]
    loop: list = []
    loop.append(loop)
    cache.set_value("loop", loop)
    for _ in range(3):
        got = cache.get_value("loop")
        assert got[0] is got


def test_the_copy_is_looked_into_and_filled_as_a_dict_is(bench, cache):
    """The framework has a dict there, and programs treat it as one."""
    copy = dontmanage.local.cache
    assert copy == {}
    assert (copy != {}) is False
    cache.set_value("k", {"a": 1})
    cache.hset("h", "f", [2])
    as_dict = {bench.full("k"): {"a": 1}, bench.full("h"): {"f": [2]}}
    assert copy == as_dict == dict(copy) == copy.copy() == {**copy}
    assert copy != {}
    assert copy != 5
    assert dict(copy.items()) == as_dict
    assert sorted(map(repr, copy.values())) == sorted(map(repr, as_dict.values()))
    assert copy.setdefault(bench.full("k"), 5) == {"a": 1}
    assert copy.setdefault(bench.full("new"), 5) == 5
    assert copy.setdefault(b"nothing") is None
    assert len(copy.setdefault(b"too large to be kept", b"x" * (5 << 20))) == 5 << 20
    copy.update({bench.full("k"): 6}, more=7)
    copy.update([(bench.full("n"), 8)])
    assert cache.get_values(["k", "new", "n"]) == {"k": 6, "new": 5, "n": 8}
    assert copy["more"] == 7
    copy.clear()
    copy.update(as_dict)
    popped = dict([copy.popitem(), copy.popitem()])
    assert popped == as_dict
    with pytest.raises(KeyError):
        copy.popitem()
    with pytest.raises(TypeError):
        hash(copy)


@pytest.mark.parametrize("wrong", [None, [], 5, "text"])
def test_only_a_dict_can_be_put_in_place_of_the_copy(bench, cache, wrong):
    cache.set_value("k", 1)
    with pytest.raises(TypeError, match=f"a dict of keys and values, not {type(wrong).__name__}"):
        dontmanage.local.cache = wrong
    assert dontmanage.local.cache[cache.make_key("k")] == 1


def test_what_is_taken_out_of_the_copy_is_the_callers_own(bench, cache):
    cache.set_value("k", {"a": [1]})
    copy = dontmanage.local.cache
    taken = [copy.copy(), dict(copy.items()), {bench.full("k"): copy.setdefault(bench.full("k"), {})}]
    taken.append(dict(zip(copy.keys(), copy.values(), strict=True)))
    for each in taken:
        each[bench.full("k")]["a"].append(2)
    assert cache.get_value("k") == {"a": [1]}
    default = {"a": []}
    copy.setdefault(b"new", default)["a"].append(1)
    assert copy[b"new"] == {"a": []}


def test_a_field_that_is_set_leaves_the_copy_with_its_hash(bench, cache, raw):
    """A hash keeps the lifetime that it has, whoever gave it, when a field is set."""
    for name in ("expired here", "expired elsewhere", "awaited"):
        cache.hset(name, "f", 1)
    cache.expire_key("expired here", 1)
    cache.hset("expired here", "g", 2)
    cache.expire_key("awaited", 1)
    asyncio.run(dontmanage.acache.hset("awaited", "g", 2))
    raw.expire(bench.full("expired elsewhere"), 1)
    dontmanage.local.cache.clear()
    cache.hset("expired elsewhere", "g", 2)
    cache.hset("without end", "g", 2)
    for name in ("expired here", "expired elsewhere", "awaited"):
        wait_for("it ends in Redis", lambda name=name: not raw.exists(bench.full(name)))
        assert cache.hget(name, "g") is None
    before = raw.info("commandstats")["cmdstat_hget"]["calls"]
    assert cache.hget("without end", "g") == 2
    assert raw.info("commandstats")["cmdstat_hget"]["calls"] == before


class Last(dict):
    """A document that asks the cache when it goes."""

    asked: ClassVar[list[object]] = []

    def __del__(self) -> None:
        self.asked.append(dontmanage.cache.get_value("k"))


@pytest.mark.parametrize(
    "forget",
    [
        lambda: documents.invalidate("Item", "apple"),
        lambda: dontmanage.local.cache.clear(),
        lambda: dontmanage.local.cache.pop(dontmanage.cache.make_key("document_cache::Item::apple")),
        lambda: dontmanage.cache.delete_keys(""),
    ],
    ids=["invalidate", "clear", "pop", "delete_keys"],
)
def test_an_object_that_is_let_go_of_may_ask_the_cache(bench, cache, monkeypatch, forget):
    monkeypatch.setattr(documents, "_loaders", {})
    monkeypatch.setattr(Last, "asked", [])
    documents.register(lambda doctype, name: Last(price=3))
    cache.set_value("k", 5)
    documents.get("Item", "apple")
    # What the loader gave is in the copy alone.
    assert not Last.asked
    forget()
    assert len(Last.asked) == 1
    dontmanage.local.cache.clear()
