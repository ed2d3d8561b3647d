"""Large signed values are compressed where the bench says so, and read everywhere."""

from __future__ import annotations

import asyncio
import pickle
import random
from collections.abc import Callable

import pytest
from conftest import Bench
from dontmanage_cache.caching import redis_cache

import dontmanage_cache as dontmanage

LARGE = {"rows": ["the same again"] * 5000, "n": list(range(100))}
LIMIT = 10_000
# The format of an envelope, behind its magic.
PLAIN, PACKED = 1, 2


@pytest.fixture
def make(redis_server, tmp_path) -> Callable[..., Bench]:
    def make(*, signed: bool = True, compress: object = LIMIT) -> Bench:
        bench = Bench(tmp_path / "bench", redis_server.url, signed=signed)
        configure(bench, redis_server.url, compress)
        return bench

    return make


def configure(bench: Bench, url: str, compress: object) -> None:
    bench.configure(redis_cache=url, redis_cache_compress_above=compress)
    bench.enter()


def test_large_values_are_stored_small_and_come_back_whole(make, raw, redis_server):
    bench = make()
    cache = dontmanage.cache
    cache.set_value("one", LARGE)
    cache.set_values({"two": LARGE, "small": [1]})
    cache.hset("hash", "field", LARGE)
    cache.hset("hash", "small", [1])

    @redis_cache
    def answer() -> object:
        return LARGE

    answer()
    stored = [raw.get(bench.full("one")), raw.get(bench.full("two")), raw.hget(bench.full("hash"), "field")]
    stored.append(raw.get(answer.cache_key()))
    for value in stored:
        assert value[1] == PACKED
        assert len(value) < LIMIT < len(pickle.dumps(LARGE))
    assert raw.get(bench.full("small"))[1] == raw.hget(bench.full("hash"), "small")[1] == PLAIN
    # A reader's own setting does not matter.
    for compress in (LIMIT, None, 10):
        configure(bench, redis_server.url, compress)
        assert cache.get_value("one", use_local_cache=False) == LARGE
        assert cache.get_value("one") == LARGE
        assert cache.get_values(["two", "small"]) == {"two": LARGE, "small": [1]}
        assert cache.hget("hash", "field") == LARGE
        assert cache.hgetall("hash") == {"field": LARGE, "small": [1]}
        assert cache.get_all("on") == {"one": LARGE}
        assert answer() == LARGE
    assert cache.stats()["total"]["rejected"] == 0


def test_awaited_calls_compress_too(make, raw):
    bench = make()

    async def work() -> None:
        await dontmanage.acache.set_value("k", LARGE)
        await dontmanage.acache.hset("h", "f", LARGE)
        dontmanage.local.cache.clear()
        assert await dontmanage.acache.get_value("k") == LARGE
        assert await dontmanage.acache.hget("h", "f") == LARGE

    asyncio.run(work())
    assert raw.get(bench.full("k"))[1] == raw.hget(bench.full("h"), "f")[1] == PACKED


def test_nothing_is_compressed_unless_the_bench_says_so(make, raw):
    bench = make(compress=None)
    dontmanage.cache.set_value("k", LARGE)
    assert raw.get(bench.full("k"))[1] == PLAIN


def test_what_does_not_get_smaller_is_stored_as_it_is(make, raw):
    bench = make()
    noise = random.Random(1).randbytes(100_000)
    dontmanage.cache.set_value("k", noise)
    assert raw.get(bench.full("k"))[1] == PLAIN
    bench.enter()
    assert dontmanage.cache.get_value("k") == noise


def test_a_compressed_value_that_was_changed_or_moved_is_a_miss(make, raw):
    bench = make()
    cache = dontmanage.cache
    cache.set_value("k", LARGE)
    value = raw.get(bench.full("k"))
    bench.enter()
    raw.set(bench.full("other"), value)
    assert cache.get_value("other") is None
    # The format, the length of what comes out, the first and the last byte of what is packed.
    for at in (1, 26, 27, 29, 30, len(value) - 1):
        raw.set(bench.full("k"), value[:at] + bytes([value[at] ^ 3]) + value[at + 1 :])
        assert cache.get_value("k") is None, at
        raw.set(bench.full("k"), value[:at])
        assert cache.get_value("k") is None, at
    raw.set(bench.full("k"), value)
    assert cache.get_value("k") == LARGE


def test_without_a_key_values_stay_the_bare_pickles_that_everybody_reads(make, raw):
    bench = make(signed=False)
    dontmanage.cache.set_value("k", LARGE)
    assert pickle.loads(raw.get(bench.full("k"))) == LARGE


def test_the_environment_goes_over_the_configuration(make, raw, monkeypatch):
    bench = make(compress=None)
    monkeypatch.setenv("DONTMANAGE_REDIS_CACHE_COMPRESS_ABOVE", str(LIMIT))
    bench.enter()
    dontmanage.cache.set_value("k", LARGE)
    assert raw.get(bench.full("k"))[1] == PACKED


@pytest.mark.parametrize("wrong", ["4kb", -1, 1.5, True, [1]])
def test_a_size_that_is_none_is_an_error_that_names_it(make, redis_server, wrong):
    with pytest.raises(dontmanage.CacheError, match="redis_cache_compress_above"):
        make(compress=wrong)
