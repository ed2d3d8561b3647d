"""Values: stored, found, expired, removed."""

from __future__ import annotations

import datetime
import decimal
import pickle
import subprocess
import sys
import threading

import pytest
from conftest import wait_for
from shapes import Invoice, Slotted

import dontmanage_cache as dontmanage

VALUES = [
    {"a": {"b": [1, 2.5, None, True, {"c": ()}]}},
    (1, "x", [2]),
    {1, 2},
    frozenset({"a"}),
    datetime.datetime(2026, 11, 23, 4, 5, 6, 7),
    datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc),
    datetime.date(2026, 11, 23),
    datetime.timedelta(days=1),
    decimal.Decimal("1.10"),
    b"\x00\xff",
    "ключ",
    10**40,
    Invoice("INV-1", 1.5, [1]),
    [],
    {},
    "",
    0,
    0.0,
    False,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_equal_in_this_and_the_next_request(bench, cache, value):
    assert cache.set_value("k", value) is None
    for _ in range(3):
        got = cache.get_value("k")
        assert got == value
        assert type(got) is type(value)
    bench.enter()
    for _ in range(3):
        got = cache.get_value("k")
        assert got == value
        assert type(got) is type(value)


def test_an_object_with_slots_comes_back(bench, cache):
    cache.set_value("k", Slotted(1, [2]))
    bench.enter()
    got = cache.get_value("k")
    assert (got.a, got.b) == (1, [2])


def test_a_missing_key_is_none(cache):
    assert cache.get_value("k") is None
    assert cache.get_value("k") is None


def test_a_stored_none_is_told_from_a_miss(bench, cache):
    missing = object()
    assert cache.get_value("k", default=missing) is missing
    cache.set_value("k", None)
    assert cache.get_value("k", default=missing) is None
    bench.enter()
    assert cache.get_value("k", default=missing) is None
    assert cache.get_value("k", generator=lambda: 1 / 0) is None


def test_a_generator_is_called_once_and_its_answer_stored(bench, cache):
    calls = []
    generator = lambda: calls.append(1) or {"n": len(calls)}  # noqa: E731
    assert cache.get_value("k", generator) == {"n": 1}
    assert cache.get_value("k", generator) == {"n": 1}
    bench.enter()
    assert cache.get_value("k", generator=generator) == {"n": 1}
    assert len(calls) == 1


@pytest.mark.parametrize("value", [0, "", [], False])
def test_a_falsy_answer_of_a_generator_is_kept(bench, cache, value):
    assert cache.get_value("k", lambda: value) == value
    bench.enter()
    assert cache.get_value("k", lambda: 1 / 0) == value


def test_a_generator_that_answers_none_is_called_again(bench, cache):
    calls = []
    generator = lambda: calls.append(1)  # noqa: E731
    assert cache.get_value("k", generator) is None
    bench.enter()
    assert cache.get_value("k", generator) is None
    assert len(calls) == 2


def test_a_generators_exception_goes_to_the_caller_and_nothing_is_kept(bench, cache):
    with pytest.raises(ZeroDivisionError):
        cache.get_value("k", lambda: 1 / 0)
    assert cache.get_value("k") is None


def test_a_generator_is_a_function(cache):
    with pytest.raises(TypeError, match="default="):
        cache.get_value("k", 42)


def test_a_generators_answer_is_stored_where_it_was_looked_for(bench, cache, raw):
    cache.get_value("k", lambda: 1, user="u")
    assert raw.exists(bench.full("user:u:k"))
    key = f"{bench.prefix} shared"
    cache.get_value(key, lambda: 1, shared=True)
    assert raw.exists(key)
    raw.delete(key)


def test_a_generators_answer_may_have_a_lifetime(bench, cache, raw):
    cache.get_value("k", lambda: 1, expires_in_sec=60)
    assert 0 < raw.ttl(bench.full("k")) <= 60


def test_a_generator_is_called_with_expires_too(bench, cache):
    assert cache.get_value("k", lambda: 5, expires=True) == 5
    bench.enter()
    assert cache.get_value("k", expires=True) == 5


@pytest.mark.parametrize("lifetime", [60, 59.5, datetime.timedelta(seconds=60)])
def test_a_lifetime_is_redis_own(bench, cache, raw, lifetime):
    cache.set_value("k", 1, expires_in_sec=lifetime)
    assert 1 <= raw.ttl(bench.full("k")) <= 60


@pytest.mark.parametrize("none", [None, 0, 0.0, datetime.timedelta(0)])
def test_no_lifetime_takes_an_older_one_away(bench, cache, raw, none):
    cache.set_value("k", 1, expires_in_sec=60)
    cache.set_value("k", 2, None, none)
    assert raw.ttl(bench.full("k")) == -1


@pytest.mark.parametrize("wrong", [-1, -0.5, datetime.timedelta(seconds=-1), float("nan"), -(10**30)])
def test_a_negative_lifetime_is_an_error_and_stores_nothing(bench, cache, raw, wrong):
    with pytest.raises(ValueError, match="lifetime"):
        cache.set_value("k", 1, expires_in_sec=wrong)
    assert cache.get_value("k") is None
    assert not raw.exists(bench.full("k"))


@pytest.mark.parametrize("wrong", ["60", b"1", [], True])
def test_a_lifetime_of_another_kind_is_an_error(cache, wrong):
    with pytest.raises(TypeError, match="lifetime"):
        cache.set_value("k", 1, expires_in_sec=wrong)
    assert cache.get_value("k") is None


def test_a_huge_lifetime_is_a_long_one(bench, cache, raw):
    cache.set_value("k", 1, expires_in_sec=10**30)
    assert raw.ttl(bench.full("k")) > 10**9


def test_a_value_is_gone_when_its_time_is_over(bench, cache, raw):
    cache.set_value("k", 1, expires_in_sec=1)
    wait_for("the value ends in Redis", lambda: not raw.exists(bench.full("k")))
    bench.enter()
    assert cache.get_value("k") is None


def test_a_users_value_is_not_anothers(bench, cache):
    dontmanage.set_user("x")
    cache.set_value("k", "x's", user=True)
    dontmanage.set_user("y")
    assert cache.get_value("k", user=True) is None
    assert cache.get_value("k", user="x") == "x's"
    assert cache.get_value("k") is None


def test_arguments_may_be_given_by_position(bench, cache, raw):
    cache.set_value("k", 1, "u", 60, False)
    assert 0 < raw.ttl(bench.full("user:u:k")) <= 60
    assert cache.get_value("k", None, "u", True, False) == 1
    cache.delete_value("k", "u", True, False)
    assert cache.get_value("k", user="u") is None


def test_another_processs_value_is_seen_by_the_next_request(bench, cache):
    cache.set_value("k", "old")
    program = (
        "import dontmanage_cache as dontmanage, sys\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "assert dontmanage.cache.get_value('k') == 'old'\n"
        "dontmanage.cache.set_value('k', 'new')\n"
    )
    subprocess.run([sys.executable, "-c", program, bench.sites], check=True)
    assert cache.get_value("k") == "old", "within a request a value stays what it was"
    bench.enter()
    assert cache.get_value("k") == "new"


def test_a_deleted_value_is_gone_from_this_and_the_next_request(bench, cache):
    cache.set_value("k", 1)
    assert cache.delete_value("k") is None
    assert cache.get_value("k") is None
    bench.enter()
    assert cache.get_value("k") is None


@pytest.mark.parametrize(
    "several", [list, tuple, set, frozenset, lambda keys: dict.fromkeys(keys).keys(), iter]
)
def test_several_keys_are_deleted_together(bench, cache, several):
    for key in ("a", "b", "c"):
        cache.set_value(key, 1)
    cache.delete_value(several(["a", "b"]))
    bench.enter()
    assert [cache.get_value(key) for key in ("a", "b", "c")] == [None, None, 1]


@pytest.mark.parametrize("nothing", [[], (), None, set()])
def test_deleting_nothing_deletes_nothing(bench, cache, raw, nothing):
    cache.set_value("None", 1)
    cache.delete_value(nothing)
    assert raw.exists(bench.full("None"))


def test_deleting_by_user_shared_and_full_key(bench, cache, raw):
    cache.set_value("k", 1, user="u")
    cache.delete_value("k", user="u")
    assert not raw.exists(bench.full("user:u:k"))
    cache.set_value("k", 1)
    cache.delete_value(cache.make_key("k"), make_keys=False)
    assert cache.get_value("k") is None
    key = f"{bench.prefix} shared"
    cache.set_value(key, 1, shared=True)
    cache.delete_key(key, shared=True)
    assert cache.get_value(key, shared=True) is None


def test_delete_key_is_the_same_call(bench, cache):
    cache.set_value("k", 1)
    cache.delete_key("k")
    assert cache.get_value("k") is None


def test_expire_key_gives_another_lifetime(bench, cache, raw):
    cache.set_value("k", 1, expires_in_sec=1000)
    assert cache.expire_key("k", 10) is True
    assert 0 < raw.ttl(bench.full("k")) <= 10
    assert cache.expire_key("k", None) is True
    assert raw.ttl(bench.full("k")) == -1
    assert cache.expire_key("missing", 10) is False
    with pytest.raises(ValueError, match="lifetime"):
        cache.expire_key("k", -1)
    bench.enter()
    assert cache.get_value("k") == 1


def test_exists_counts(cache):
    cache.set_value("a", 1)
    cache.hset("h", "f", 1)
    assert cache.exists("a", "h", "missing") == 2
    assert not cache.exists("missing")
    assert cache.exists("a", user="u") == 0


def test_a_value_that_cannot_be_pickled_raises_and_leaves_what_was_there(bench, cache):
    cache.set_value("k", "old")
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        cache.set_value("k", lambda: 1)
    assert cache.get_value("k") == "old"
    with pytest.raises(TypeError):
        cache.hset("h", "f", threading.Lock())
    assert cache.hget("h", "f") is None


def test_large_values_come_back(bench, cache):
    value = {f"k{i}": {"n": i, "text": "x" * 50} for i in range(20_000)}
    cache.set_value("k", value)
    bench.enter()
    assert cache.get_value("k") == value


def test_bare_values_are_plain_pickles_both_ways(redis_server, tmp_path, raw):
    from conftest import Bench

    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    bench.enter()
    cache = dontmanage.cache
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        raw.set(bench.full(f"p{protocol}"), pickle.dumps({"a": (1, "ключ")}, protocol))
        assert cache.get_value(f"p{protocol}") == {"a": (1, "ключ")}
    cache.set_value("k", {"a": 1})
    assert raw.get(bench.full("k")) == pickle.dumps({"a": 1}, 5)
    cache.hset("h", "f", [1])
    assert pickle.loads(raw.hget(bench.full("h"), "f")) == [1]


@pytest.mark.parametrize("no", [False, None, 0])
def test_what_is_no_may_be_false_none_or_nought(bench, cache, raw, no):
    """As programs have it from elsewhere: a check field is 0 or 1, an argument left out is None."""
    cache.set_value("k", 1, None, None, no)
    assert cache.get_value("k", None, None, no, no) == 1
    assert cache.make_key("k", None, no) == bench.full("k")
    assert cache.exists("k", shared=no) == 1
    assert cache.get_values(["k"], None, no, use_local_cache=no) == {"k": 1}
    assert cache.get_keys("k", None, no) == [bench.full("k")]
    cache.hset("h", "f", 1, no, cache_locally=no)
    assert cache.hget("h", "f", None, no) == 1
    assert cache.hexists("h", "f", no) is True
    assert cache.hdel("h", "f", no) == 1
    assert cache.lpush("l", 1, shared=no) == 1
    assert cache.sadd("s", 1, shared=no) == 1
    assert raw.exists(bench.full("l"), bench.full("s")) == 2
    cache.delete_value("k", None, True, no)
    assert cache.delete_values(["l", "s"], None, no) == 2
    cache.set_value("k", 1)
    cache.delete_value(bench.full("k"), make_keys=no)
    assert cache.get_value("k") is None


def test_what_is_yes_may_be_one(bench, cache, raw):
    key = f"{bench.prefix} shared"
    cache.set_value(key, 1, shared=1)
    assert cache.make_key(key, None, 1) == key
    assert raw.exists(key)
    raw.delete(key)
    assert cache.get_value(key, None, None, 1, 1) is None, "the server was asked"
    cache.delete_value("k", None, 1)


@pytest.mark.parametrize("neither", ["b", 60, 2, 1.0, [], -1])
def test_what_is_neither_yes_nor_no_is_told(cache, neither):
    """Such as a second field for `hdel`, or a lifetime in the wrong place."""
    for call in (
        lambda: cache.hdel("h", "a", neither),
        lambda: cache.get_value("k", None, None, neither),
        lambda: cache.make_key("k", shared=neither),
        lambda: cache.set_value("k", 1, cache_locally=neither),
    ):
        with pytest.raises(TypeError, match=f"True or False, not .?{type(neither).__name__}"):
            call()
