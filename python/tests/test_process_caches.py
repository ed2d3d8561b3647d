"""`request_cache` and `site_cache`: answers kept in the process."""

from __future__ import annotations

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

    import datetime

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
