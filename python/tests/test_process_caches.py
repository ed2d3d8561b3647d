"""`request_cache` and `site_cache`: answers kept in the process."""

from __future__ import annotations

import datetime
import subprocess
import sys
import threading

import pytest
from dontmanage_cache.caching import request_cache, site_cache

import dontmanage_cache as dontmanage

calls: list[object] = []


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


@request_cache
def in_request(x=0):
    calls.append(x)
    return [x]


@site_cache
def in_site(x=0, **more):
    calls.append(x)


def test_request_cache_runs_once_a_request(bench):
    assert in_request(1) is in_request(1)
    assert in_request(120) is in_request(120.0), "equal calls are one"
    assert in_request(x=1) == [1]
    bench.enter()
    in_request(1)
    assert calls == [1, 120, 1, 1]


def test_request_cache_ends_with_the_users_turn(bench):
    in_request(1)
    dontmanage.set_user("someone")
    in_request(1)
    assert calls == [1, 1]


def test_request_cache_without_a_site_runs_each_time(bench):
    dontmanage.destroy()
    in_request(1), in_request(1)
    assert calls == [1, 1]


def test_request_cache_passes_on_what_has_no_hash_and_keeps_no_error(bench):
    assert in_request([1]) == [[1]]
    in_request([1])
    assert len(calls) == 2

    @request_cache
    def fails():
        calls.append(1)
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            fails()
    assert len(calls) == 4

    @request_cache
    def bug():
        calls.append(1)
        raise TypeError("of its own")

    with pytest.raises(TypeError, match="of its own"):
        bug()
    assert len(calls) == 5, "it ran once"


def test_request_cache_tells_namesakes_apart(bench):
    def make(n):
        @request_cache
        def same(x):
            return x * n

        return same

    double, triple = make(2), make(3)
    assert (double(1), triple(1), double(1)) == (2, 3, 2)


def test_site_cache_outlives_the_request_and_keeps_none(bench):
    in_site.clear_cache()
    assert in_site(1) is None
    bench.enter()
    assert in_site(1) is None
    in_site(1, a=1, b=2), in_site(1, b=2, a=1)
    assert calls == [1, 1]


def test_site_cache_is_of_one_site(bench):
    in_site.clear_cache()
    in_site(1)
    bench.enter("b.test")
    in_site(1)
    bench.enter()
    in_site(1)
    assert calls == [1, 1]


def test_site_cache_is_never_in_redis(bench, raw):
    in_site.clear_cache()
    in_site(5)
    assert all(b"in_site" not in key for key in raw.keys(bench.full("*")))


def test_site_cache_is_cleared_by_hand_for_all_sites(bench):
    in_site(1)
    bench.enter("b.test")
    in_site(1)
    calls.clear()
    in_site.clear_cache()
    in_site(1)
    bench.enter()
    in_site(1)
    assert calls == [1, 1]


def test_site_cache_tells_namesakes_apart_and_takes_any_arguments(bench):
    def make(n):
        @site_cache
        def same(x):
            return n

        return same

    double, triple = make(2), make(3)
    assert (double(1), triple(1), double(1)) == (2, 3, 2)

    @site_cache
    def kinds(x):
        calls.append(x)
        return type(x).__name__

    assert kinds(datetime.date(2026, 1, 1)) == "date"
    assert (kinds((1, 2)), kinds([1, 2]), kinds((1, 2))) == ("tuple", "list", "tuple")
    assert len(calls) == 3


def test_site_cache_is_bounded_and_loses_nothing_on_hits(bench):
    @site_cache(maxsize=3)
    def bounded(x):
        calls.append(x)
        return x

    for x in (1, 2, 3, 1, 2, 3, 1, 2, 3):
        bounded(x)
    assert calls == [1, 2, 3]
    bounded(4)
    calls.clear()
    for x in (2, 3, 4):
        bounded(x)
    assert calls == [], "the oldest one made room"
    bounded(1)
    assert calls == [1]


def test_site_cache_answers_end_each_in_its_own_time(bench, monkeypatch):
    from dontmanage_cache import caching

    now = 1000.0
    monkeypatch.setattr(caching.time, "monotonic", lambda: now)

    @site_cache(ttl=10)
    def timed(x):
        calls.append(x)
        return len(calls)

    assert timed(1) == 1
    now += 6
    assert (timed(1), timed(2)) == (1, 2)
    now += 6
    assert (timed(1), timed(2)) == (3, 2)


def test_site_cache_keeps_no_error_and_needs_a_site(bench):
    @site_cache
    def fails():
        calls.append(1)
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            fails()
    dontmanage.destroy()
    in_site(9), in_site(9)
    assert calls == [1, 1, 9, 9]


def test_site_cache_takes_threads(bench):
    @site_cache(maxsize=10)
    def bounded(x):
        return x

    wrong = []

    def work():
        bench.enter()
        for turn in range(2000):
            if bounded(turn % 25) != turn % 25:
                wrong.append(turn)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_site_cache_is_cleared_in_other_processes_too(bench):
    in_site.clear_cache()
    in_site(1)
    bench.enter()
    in_site(1)
    assert calls == [1]
    program = (
        "import dontmanage_cache as dontmanage, sys\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "dontmanage.clear_cache()\n"
    )
    subprocess.run([sys.executable, "-c", program, bench.sites], check=True)
    bench.enter()
    in_site(1)
    assert calls == [1, 1]


def test_site_cache_goes_on_without_redis(tmp_path, own_server):
    from conftest import Bench

    server = own_server()
    bench = Bench(tmp_path / "bench", server.url, signed=False, redis_cache_timeout=0.2)
    bench.enter()
    in_site(77)
    server.kill()
    bench.enter()
    in_site(77)
    assert calls == [77]


each_decorator = pytest.mark.parametrize("decorator", [request_cache, site_cache])


@each_decorator
def test_arguments_by_name_that_have_no_hash_are_passed_on_too(bench, decorator):
    @decorator
    def passed(**options):
        calls.append(options)
        return len(calls)

    assert [passed(options=[1]), passed(options=[1]), passed(options={}), passed(options=1)] == [1, 2, 3, 4]
    assert passed(options=1) == 4


@each_decorator
def test_an_error_of_a_function_whose_arguments_have_no_hash_is_all_that_is_shown(bench, decorator):
    @decorator
    def fails(x):
        raise LookupError(x)

    with pytest.raises(LookupError) as raised:
        fails([])
    assert raised.value.__context__ is None


@each_decorator
def test_arguments_by_name_are_never_taken_for_others_by_position(bench, decorator):
    @decorator
    def shape(*args, **kwargs):
        return args, kwargs

    assert shape(1, x=2) == ((1,), {"x": 2})
    looks_alike = ((1,), frozenset({("x", 2)}))
    assert shape(*looks_alike) == (looks_alike, {})


@each_decorator
@pytest.mark.parametrize("thing", ["text", object(), []], ids=repr)
def test_what_is_no_function_is_refused_at_decoration(decorator, thing):
    with pytest.raises(TypeError, match="decorates functions"):
        decorator(thing)


@each_decorator
def test_generators_are_refused_which_their_first_caller_would_use_up(decorator):
    def rows():
        yield 1

    with pytest.raises(TypeError, match=r"`.*rows` is a generator.*return a list"):
        decorator(rows)


@each_decorator
def test_static_and_class_methods_may_be_decorated_in_either_order(bench, decorator):
    class Shop:
        @decorator
        @staticmethod
        def helper(x):
            calls.append(x)
            return x

        @decorator
        @classmethod
        def name(cls):
            calls.append(cls)
            return cls.__name__

    class Branch(Shop):
        pass

    assert [Shop.helper(1), Shop().helper(1)] == [1, 1]
    assert [Shop.name(), Shop().name(), Branch.name(), Branch.name()] == ["Shop", "Shop", "Branch", "Branch"]
    assert calls == [1, Shop, Branch]


@pytest.mark.parametrize("none", [None, 0, 0.0, datetime.timedelta(0)])
def test_site_cache_without_a_lifetime_keeps_answers_until_they_are_cleared(bench, none):
    @site_cache(ttl=none)
    def counted():
        calls.append(1)
        return len(calls)

    assert [counted(), counted()] == [1, 1]


TEN_SECONDS = datetime.timedelta(seconds=10)


@pytest.mark.parametrize(
    "decorator",
    [
        lambda: site_cache(10),
        lambda: site_cache(10, 3),
        lambda: site_cache(10.0, maxsize=3),
        lambda: site_cache(ttl=TEN_SECONDS, maxsize=3),
    ],
)
def test_site_cache_takes_its_lifetime_first_or_by_name_and_as_a_timedelta(bench, monkeypatch, decorator):
    from dontmanage_cache import caching

    now = 1000.0
    monkeypatch.setattr(caching.time, "monotonic", lambda: now)

    @decorator()
    def counted(x=0):
        calls.append(x)
        return len(calls)

    assert [counted(), counted()] == [1, 1]
    now += 11
    assert counted() == 2


def test_what_is_no_lifetime_is_refused_by_site_cache_at_decoration():
    with pytest.raises(ValueError, match="can't be negative: -1"):
        site_cache(ttl=-1)
    with pytest.raises(TypeError, match="a number of seconds or a timedelta, not str"):
        site_cache(ttl="60")
    with pytest.raises(TypeError, match="a number of seconds or a timedelta, not bool"):
        site_cache(True)
    with pytest.raises(TypeError, match="`ttl` is given twice"):
        site_cache(60, ttl=5)
    with pytest.raises(ValueError, match="`maxsize`"):
        site_cache(60, -1)(len)
    with pytest.raises(ValueError, match="`maxsize`"):
        site_cache(maxsize="x")(len)
