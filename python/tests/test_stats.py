"""What the cache did is told: by prefix, by function, by reason."""

from __future__ import annotations

import asyncio
import doctest
import os
import pickle
import threading
from pathlib import Path

import pytest
from conftest import Bench, wait_for
from dontmanage_cache.caching import redis_cache
from dontmanage_cache.statistics import Tally
from test_processes import in_fork

import dontmanage_cache as dontmanage


@pytest.fixture(autouse=True)
def from_nothing(bench) -> None:
    dontmanage.cache.reset_stats()


def prefix(name: str) -> Tally:
    return dontmanage.cache.stats()["prefixes"][name]


def test_calls_count_under_what_their_keys_begin_with(cache):
    cache.set_value("price|apple", "x" * 100)
    cache.get_value("price|apple")
    cache.get_value("price|apple", use_local_cache=False)
    cache.get_value("price|plum")
    cache.get_values(["price|apple", "price|pear", "stock:1"])
    cache.set_values({"stock:1": 1, "stock:2": 2})
    cache.delete_value("stock:2")
    price, stock = prefix("price"), prefix("stock")
    assert (price["hits"], price["local_hits"], price["redis_hits"], price["misses"]) == (3, 2, 1, 2)
    assert (price["writes"], price["deletes"], price["errors"]) == (1, 0, 0)
    assert (stock["hits"], stock["misses"], stock["writes"], stock["deletes"]) == (0, 1, 2, 1)
    assert price["bytes_read"] == price["bytes_written"] > 100
    assert (price["read_times"]["count"], price["write_times"]["count"]) == (3, 1)
    times = price["read_times"]
    assert 0 < times["p50_us"] <= times["p99_us"] <= times["longest_us"] <= times["total_us"]


def test_neither_site_nor_user_is_part_of_a_prefix(cache):
    cache.set_value("theme", "dark", user="ann@x.co")
    cache.set_value("assets|css", 1, shared=True)
    cache.hset("meta", "User", {"fields": []})
    cache.hget("meta", "User")
    dontmanage.local.cache.clear()
    cache.get_value("theme", user="ann@x.co")
    cache.get_value("assets|css", shared=True)
    cache.get_value("assets|css", shared=True)
    stats = cache.stats()
    assert set(stats["prefixes"]) == {"theme", "assets", "meta"}
    assert stats["prefixes"]["theme"]["redis_hits"] == 1
    assert stats["prefixes"]["assets"]["hits"] == 2
    assert stats["prefixes"]["assets"]["local_hits"] == 1
    assert stats["prefixes"]["meta"]["local_hits"] == 1


def test_all_prefixes_together_are_the_total(cache):
    for number in range(500):
        cache.set_value(f"{number} nights", number)
        cache.get_value(f"{number} nights")
    stats = cache.stats()
    assert len(stats["prefixes"]) <= 128
    for field in ("hits", "local_hits", "misses", "writes", "bytes_written"):
        told = sum(tally[field] for tally in stats["prefixes"].values()) + stats["other"][field]
        assert told == stats["total"][field], field
    assert stats["total"]["writes"] == stats["total"]["local_hits"] == 500


def test_functions_are_told_by_their_names(cache):
    @redis_cache
    def slow_add(a, b):
        if b is None:
            raise ValueError(b)
        return a + b

    name = f"{__name__}.{slow_add.__qualname__}"
    for _ in range(3):
        assert slow_add(40, 2) == 42
    dontmanage.local.cache.clear()
    assert slow_add(40, b=2) == 42
    with pytest.raises(ValueError):
        slow_add(40, None)
    told = cache.stats()["functions"][name]
    assert (told["hits"], told["local_hits"], told["redis_hits"]) == (3, 2, 1)
    assert (told["misses"], told["computed"], told["failed"]) == (2, 1, 1)
    assert told["compute_times"]["count"] == 1
    assert told["read_times"]["count"] == 3
    assert told["bytes_read"] == told["bytes_written"] > 0
    assert (prefix(name)["hits"], prefix(name)["local_hits"], prefix(name)["writes"]) == (3, 2, 1)


def test_a_function_that_is_made_anew_at_each_call_is_one(cache):
    def outer(ttl: int) -> int:
        @redis_cache(ttl=ttl)
        def inner() -> int:
            return 1

        return inner()

    for ttl in (10, 20, 30):
        outer(ttl)
    functions = cache.stats()["functions"]
    [told] = [told for name, told in functions.items() if name.endswith("outer.<locals>.inner")]
    assert told["hits"] + told["computed"] == 3


@pytest.mark.parametrize("bench", ["signed"], indirect=True)
def test_values_that_are_not_taken_are_told_by_reason(bench, cache, raw):
    cache.set_value("good", 1)
    good = raw.get(bench.full("good"))
    raw.set(bench.full("unsigned"), pickle.dumps(1))
    raw.set(bench.full("moved"), good)
    raw.set(bench.full("cut"), good[:-1])
    raw.set(bench.full("head"), good[:9])
    cache.set_value("late", 1, expires_in_sec=1)
    late = raw.get(bench.full("late"))
    wait_for("the value ends", lambda: not raw.exists(bench.full("late")))
    raw.set(bench.full("late"), late)
    bench.enter()
    keys = ("unsigned", "moved", "cut", "head", "late")
    for key in keys:
        assert cache.get_value(key) is None
        assert (prefix(key)["hits"], prefix(key)["misses"], prefix(key)["rejected"]) == (0, 1, 1)
    refused = {reason: number for reason, number in cache.stats()["refused"].items() if number}
    assert refused == {"unsigned": 1, "bad_signature": 2, "truncated": 1, "expired": 1}
    assert cache.stats()["total"]["rejected"] == 5


@pytest.mark.parametrize("bench", ["bare"], indirect=True)
@pytest.mark.parametrize(
    ("junk", "reason"),
    [
        (b"", "truncated"),
        (b"\x80\x05]\x94(K\x01", "truncated"),
        (b"\x80\x05X\xff\x00\x00\x00abc", "truncated"),
        (b"cno.such\nclass\n.", "unknown_class"),
        (b"cos\nno_such\n.", "unknown_class"),
        (b"?garbage", "malformed"),
        (b"\xdc" * 40, "no_key"),
        (b"\x80\x05" + b")" + b"\x85" * 100_000 + b".", "too_deep"),
    ],
    ids=lambda case: repr(case)[:20],
)
def test_values_that_cannot_be_read_are_told_by_reason(bench, cache, raw, junk, reason):
    raw.set(bench.full("k"), junk)
    raw.hset(bench.full("h"), "f", junk)
    assert cache.get_value("k") is None
    assert cache.get_value("k", use_local_cache=False) is None
    assert cache.get_values(["k"]) == {}
    assert cache.hget("h", "f") is None
    assert cache.hgetall("h") == {}
    stats = cache.stats()
    assert {name: number for name, number in stats["refused"].items() if number} == {reason: 5}
    assert (stats["total"]["hits"], stats["total"]["misses"]) == (0, 5)


def test_an_answer_that_cannot_be_read_is_computed_and_told(bench, cache, raw):
    @redis_cache
    def answer() -> int:
        return 42

    assert answer() == 42
    raw.set(answer.cache_key(), b"garbage")
    bench.enter()
    assert answer() == 42
    told = cache.stats()["functions"][f"{__name__}.{answer.__qualname__}"]
    assert (told["hits"], told["misses"], told["refused"], told["computed"]) == (0, 2, 1, 2)


def test_an_outage_is_told_while_it_lasts(tmp_path, own_server, capfd):
    server = own_server()
    bench = Bench(tmp_path / "away", server.url, signed=True)
    bench.enter()
    cache = dontmanage.cache
    cache.set_value("k", 1)
    assert cache.stats()["server"]["state"] == "up"
    server.kill()
    for _ in range(10):
        cache.get_value("k", use_local_cache=False)
    cache.set_value("k", 2)
    stats = cache.stats()
    assert stats["server"]["state"] == "away"
    assert 0 <= stats["server"]["away_for_s"] < 60
    assert 0 <= stats["server"]["retry_in_s"] <= 1
    assert stats["server"]["outages"] == 1
    assert stats["prefixes"]["k"]["errors"] >= 1
    assert stats["prefixes"]["k"]["skipped"] + stats["prefixes"]["k"]["errors"] == 11
    assert stats["total"]["dropped_writes"] == 1
    server.start()
    wait_for("it is back", cache.connected)
    assert cache.stats()["server"]["state"] == "up"


def test_a_forked_child_counts_for_itself(cache):
    @redis_cache
    def slow_add(a, b):
        return a + b

    name = f"{__name__}.{slow_add.__qualname__}"
    cache.set_value("k", 1)
    assert slow_add(40, 2) == 42

    def child() -> None:
        stats = cache.stats()
        assert stats["pid"] == os.getpid()
        assert stats["prefixes"] == {}
        assert stats["total"]["writes"] == stats["functions"][name]["computed"] == 0
        # What the parent computed is shared, and what the child computes too.
        assert cache.get_value("k") == 1
        dontmanage.local.cache.clear()
        assert (slow_add(40, 2), slow_add(1, 1)) == (42, 2)
        told = cache.stats()["functions"][name]
        assert (told["redis_hits"], told["computed"]) == (1, 1)
        assert prefix("k")["local_hits"] == 1

    in_fork(child)
    assert slow_add(1, 1) == 2
    told = cache.stats()["functions"][name]
    assert (told["redis_hits"], told["computed"]) == (1, 1)
    assert prefix("k")["hits"] == 0


def test_reset_begins_anew(cache):
    cache.set_value("k", 1)
    cache.reset_stats()
    stats = cache.stats()
    assert stats["prefixes"] == {}
    assert stats["total"]["writes"] == 0
    assert stats["counted_for_s"] < 60
    cache.get_value("k")
    assert cache.stats()["prefixes"]["k"]["local_hits"] == 1, "also what was kept before"


def test_threads_count_together(bench, cache):
    cache.set_value("k", 1)

    def work() -> None:
        bench.enter()
        for _ in range(200):
            cache.get_value("k", use_local_cache=False)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert prefix("k")["redis_hits"] == 800


def test_awaited_calls_count_as_others_do(bench, cache):
    async def work() -> None:
        await dontmanage.acache.set_value("price|apple", 1)
        dontmanage.local.cache.clear()
        assert await dontmanage.acache.get_value("price|apple") == 1
        assert await dontmanage.acache.get_value("price|apple") == 1
        assert await dontmanage.acache.get_value("price|plum") is None
        await dontmanage.acache.hset("meta", "User", 1)
        await asyncio.gather(*(dontmanage.acache.get_value(f"stock|{n}") for n in range(10)))

    asyncio.run(work())
    price = prefix("price")
    assert (price["redis_hits"], price["local_hits"], price["misses"], price["writes"]) == (1, 1, 1, 1)
    assert price["bytes_read"] == price["bytes_written"] > 0
    assert (price["read_times"]["count"], price["write_times"]["count"]) == (2, 1)
    assert prefix("meta")["writes"] == 1
    assert prefix("stock")["misses"] == 10


def test_coroutine_functions_are_told_as_others_are(bench):
    @redis_cache
    async def slow_add(a, b):
        await asyncio.sleep(0)
        return a + b

    async def work() -> None:
        assert await slow_add(40, 2) == 42
        dontmanage.local.cache.clear()
        assert await slow_add(40, 2) == 42
        assert await slow_add(40, 2) == 42

    asyncio.run(work())
    told = dontmanage.cache.stats()["functions"][f"{__name__}.{slow_add.__qualname__}"]
    assert (told["redis_hits"], told["local_hits"], told["misses"], told["computed"]) == (1, 1, 1, 1)
    assert told["bytes_read"] == told["bytes_written"] > 0
    assert told["compute_times"]["count"] == 1


def test_what_the_readme_shows_of_it_is_true(bench, monkeypatch):
    (bench.sites / "a.test").rename(bench.sites / "site1.local")
    monkeypatch.chdir(bench.folder)
    readme = Path(__file__).parent.parent / "dontmanage_cache" / "README.md"
    text = readme.read_text().partition("## What the cache did")[2].partition("\n## ")[0]
    examples = doctest.DocTestParser().get_doctest(text, {}, readme.name, str(readme), 0)
    failures, tried = doctest.DocTestRunner().run(examples)
    assert tried > 5
    assert not failures
