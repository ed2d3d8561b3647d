"""What people know and rely on, and the traps that they know: sentences that no other file here tells."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from conftest import Bench, RedisServer
from dontmanage_cache.caching import redis_cache, site_cache
from dontmanage_cache.sites import DEFAULT_URL, default_server
from test_away import CALLS

import dontmanage_cache as dontmanage
from dontmanage_cache import commands

calls: list[object] = []


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


def test_shared_wins_over_user(bench, cache):
    assert cache.make_key("k", user="u", shared=True) == "k"
    assert cache.make_key("k", user=True, shared=True) == "k"
    key = f"{bench.prefix} shared"
    cache.set_value(key, 1, user="u", shared=True)
    assert cache.get_value(key, shared=True) == 1
    assert cache.exists(key, user="u", shared=None) == 0
    cache.delete_value(key, user="u", shared=True)
    assert cache.get_value(key, shared=True) is None


def test_without_any_setting_the_cache_is_the_benchs_first_port(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_server().url == DEFAULT_URL == "redis://127.0.0.1:13000"


def test_a_wrong_lifetime_of_a_generators_answer_is_said_before_it_is_called(cache):
    with pytest.raises(ValueError, match="lifetime"):
        cache.get_value("k", lambda: calls.append(1), expires_in_sec=-1)
    assert not calls


def test_no_call_asks_for_keys_or_flushes_anything(tmp_path, own_server):
    """`KEYS` keeps all other clients waiting, and `FLUSHDB` takes what belongs to others."""
    server: RedisServer = own_server()
    Bench(tmp_path / "bench", server.url, signed=True).enter()

    @redis_cache
    def cached(x: int) -> int:
        return x

    for call, _ in CALLS.values():
        call(dontmanage.cache)
    cached(1)
    cached.clear_cache()
    cached.clear_cache_for(1)
    dontmanage.clear_cache(user="ann@x.co")
    dontmanage.clear_cache(doctype="User")
    dontmanage.clear_cache()
    used = {name.removeprefix("cmdstat_") for name in server.raw.info("commandstats")}
    assert {"scan", "unlink"} <= used
    assert used.isdisjoint({"keys", "flushdb", "flushall", "del", "swapdb"}), used


def test_suggestions_of_redisearch_are_at_keys_of_the_site(bench, cache):
    """redis-server has no RediSearch here; its complaint shows what it was asked."""
    for ask in (
        lambda: cache.ft("articles").suglen("titles"),
        lambda: cache.ft().sugdel("titles", "text"),
        lambda: cache.ft().sugget("titles", "te"),
    ):
        with pytest.raises(redis.ResponseError, match=rf"unknown command 'FT\.SUG.*{bench.prefix}\|titles"):
            ask()


def test_a_site_cached_answer_is_not_seen_in_another_process(bench):
    @site_cache
    def pid() -> int:
        import os

        return os.getpid()

    mine = pid()
    program = (
        "import dontmanage_cache as dontmanage, sys, os\n"
        "from dontmanage_cache.caching import site_cache\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "pid = site_cache(os.getpid)\n"
        "print(pid() == os.getpid() == pid(), pid())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, bench.sites], check=True, capture_output=True, text=True
    )
    true, theirs = done.stdout.split()
    assert true == "True"
    assert int(theirs) != mine == pid()


# What the framework's own library writes, in each of its versions: the bytes are the pickle.
WRITTEN_BY_OTHERS = {
    "version 13 to 15": 4,
    "version 16, and Python 3.14": 5,
    "older Pythons": 3,
    "Python 2": 2,
}


@pytest.mark.parametrize("protocol", WRITTEN_BY_OTHERS.values(), ids=WRITTEN_BY_OTHERS)
def test_values_of_the_frameworks_own_library_are_read_and_ours_by_it(redis_server, tmp_path, raw, protocol):
    from test_values import VALUES

    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    bench.enter()
    cache = dontmanage.cache
    for number, value in enumerate(VALUES):
        raw.set(bench.full(f"v{number}"), pickle.dumps(value, protocol))
        raw.hset(bench.full("h"), str(number), pickle.dumps(value, protocol))
    assert [cache.get_value(f"v{number}") for number in range(len(VALUES))] == VALUES
    assert [cache.hget("h", number) for number in range(len(VALUES))] == VALUES
    assert list(cache.get_values([f"v{number}" for number in range(len(VALUES))]).values()) == VALUES
    for number, value in enumerate(VALUES):
        cache.set_value(f"v{number}", value)
        cache.hset("h", number, value)
        assert pickle.loads(raw.get(bench.full(f"v{number}"))) == value
        assert pickle.loads(raw.hget(bench.full("h"), str(number))) == value


class FrameworksDict(dict):
    """The framework's `_dict`, as far as its pickles go: its state is itself."""

    __slots__ = ()
    __module__ = "dontmanage"
    __qualname__ = "_dict"

    def __getstate__(self):
        return self


@pytest.mark.parametrize("protocol", WRITTEN_BY_OTHERS.values(), ids=WRITTEN_BY_OTHERS)
def test_the_frameworks_dicts_with_attributes_are_read_as_ours(
    redis_server, tmp_path, raw, protocol, monkeypatch
):
    import dontmanage as face

    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    bench.enter()
    with monkeypatch.context() as patch:
        patch.setattr(face, "_dict", FrameworksDict)
        row = FrameworksDict(name="ann", more=FrameworksDict(tags=[1]))
        written = pickle.dumps([row, row], protocol)
    raw.set(bench.full("rows"), written)
    raw.hset(bench.full("h"), "row", written)
    for rows in (dontmanage.cache.get_value("rows"), dontmanage.cache.hget("h", "row")):
        assert rows == [{"name": "ann", "more": {"tags": [1]}}] * 2
        assert rows[0] is rows[1]
        assert type(rows[0]) is type(rows[0].more) is face._dict
        assert rows[0].more.tags == [1]


def test_answers_of_a_function_are_plain_pickles_where_nothing_is_signed(redis_server, tmp_path, raw):
    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    bench.enter()

    @redis_cache(ttl=60)
    def rates() -> dict[str, float]:
        return {"EUR": 1.0}

    rates()
    assert pickle.loads(raw.get(rates.cache_key())) == {"EUR": 1.0}


def test_a_value_stored_for_a_user_is_deleted_for_that_user_only(bench, cache):
    """Version 13 and 14 forgot the user and left the value."""
    for user in (None, "ann@x.co", "bob@x.co"):
        cache.set_value("k", user or "site", user=user)
    cache.delete_value("k", user="ann@x.co")
    bench.enter()
    assert [cache.get_value("k", user=user) for user in (None, "ann@x.co", "bob@x.co")] == [
        "site",
        None,
        "bob@x.co",
    ]


def test_a_loop_that_waits_for_another_worker_sees_its_value(bench, cache, raw):
    """A miss is not remembered, so that polling works without `expires=True`."""
    looked = itertools.count()
    answer = None
    while answer is None:
        answer = cache.get_value("job result")
        if (turn := next(looked)) == 3:
            program = (
                "import dontmanage_cache as dontmanage, sys\n"
                "dontmanage.init('a.test', sys.argv[1])\n"
                "dontmanage.cache.set_value('job result', 42)\n"
            )
            subprocess.run([sys.executable, "-c", program, bench.sites], check=True)
        assert turn < 10
    assert answer == 42


def test_two_databases_of_one_server_are_two_caches(redis_server, tmp_path):
    """The number in the URL counts, for our own calls as for those of redis-py."""
    first = Bench(tmp_path / "first", redis_server.url, signed=False)
    second = Bench(tmp_path / "second", f"{redis_server.url}?db=1", signed=False)
    first.enter()
    dontmanage.conf.db_name = "_same"
    dontmanage.cache.set_value("k", 1)
    second.enter()
    dontmanage.conf.db_name = "_same"
    assert dontmanage.cache.get_value("k") is None
    dontmanage.cache.set_value("k", 2)
    assert pickle.loads(dontmanage.cache.get(dontmanage.cache.make_key("k"))) == 2
    assert dontmanage.cache.delete_keys("") == 1
    first.enter()
    dontmanage.conf.db_name = "_same"
    assert dontmanage.cache.get_value("k") == 1
    assert dontmanage.cache.delete_keys("") == 1


# Commands that take the key as given, for all sites: by design.
UNPREFIXED = """
get set setex setnx getset delete unlink expire ttl persist incr incrby decr mget mset append type rename
scan_iter scan hincrby hlen hmget hvals hscan zadd scard sunion publish pubsub lock pipeline eval flushdb
flushall
""".split()  # noqa: SIM905


def test_commands_that_take_keys_as_given_are_redis_pys_and_written_down(bench, cache, raw):
    assert set(UNPREFIXED) <= set(commands.NAMES)
    page = (Path(__file__).parents[1] / "dontmanage_cache" / "README.md").read_text()
    assert [name for name in UNPREFIXED if f"`{name}`" not in page] == []
    # A made key is not made twice.
    cache.set(cache.make_key("k"), "raw")
    assert raw.get(bench.full("k")) == b"raw"
    assert cache.ttl(cache.make_key("k")) == -1
    cache.set(f"{bench.prefix} as given", "raw", ex=60)
    assert raw.get(f"{bench.prefix} as given") == b"raw"


def test_raw_commands_raise_as_redis_py_does(tmp_path, own_server):
    server: RedisServer = own_server()
    Bench(tmp_path / "bench", server.url, signed=True, redis_cache_timeout=0.2).enter()
    dontmanage.cache.hset("h", "f", 1)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        dontmanage.cache.incr(dontmanage.cache.make_key("h"))
    server.kill()
    with pytest.raises(redis.ConnectionError):
        dontmanage.cache.get("k")
    assert dontmanage.cache.get_value("k") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.set_value("k", lambda: 1),
        lambda cache: cache.set_value("k", 1, expires_in_sec=-1),
        lambda cache: cache.get_value("k", lambda: 1 / 0),
        lambda cache: cache.lpush("k", None),
    ],
)
def test_a_mistake_of_the_caller_is_one_also_while_the_server_is_away(
    tmp_path, call: Callable[[dontmanage.Cache], object]
):
    Bench(tmp_path / "bench", f"unix://{tmp_path}/none", signed=True).enter()
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError, ValueError, ZeroDivisionError)):
        call(dontmanage.cache)
