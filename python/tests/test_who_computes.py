"""`redis_cache`: who computes a missing answer, and who waits for it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from computed import calls
from computed import no_calls as no_calls
from conftest import wait_for
from dontmanage_cache.caching import redis_cache


def in_threads(bench, number, work):
    barrier = threading.Barrier(number)
    answers = []

    def run():
        bench.enter()
        barrier.wait()
        try:
            answers.append(work())
        except Exception as error:
            answers.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_one_caller_computes_and_the_others_wait_for_it(bench):
    @redis_cache
    def slow(x):
        calls.append(x)
        time.sleep(0.2)
        return x

    assert in_threads(bench, 8, lambda: slow(1)) == [1] * 8
    assert calls == [1]


PROGRAM = """
import os, sys, time
sys.path.insert(0, ".")
import dontmanage_cache as dontmanage
from dontmanage_cache.caching import redis_cache
dontmanage.init("a.test", sys.argv[1])
@redis_cache
def slow(x):
    dontmanage.cache.lpush("computed", x)
    # Not longer than the test.
    while not dontmanage.cache.exists("go on") and os.getppid() == parent:
        time.sleep(0.01)
    return x
parent = os.getppid()
print("ready", flush=True)
sys.stdin.readline()
print(slow(1), flush=True)
"""


def start(bench):
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, bench.sites], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    return child


def go(child):
    child.stdin.write("\n")
    child.stdin.flush()


def test_one_process_computes_and_the_others_wait_for_it(bench, cache, raw):
    children = [start(bench) for _ in range(3)]
    for child in children:
        go(child)
    wait_for("one computes", lambda: cache.llen("computed") >= 1)
    # The others are waiting: they look for the value, again and again.
    before = int(raw.info("commandstats")["cmdstat_get"]["calls"])
    wait_for("the others wait", lambda: int(raw.info("commandstats")["cmdstat_get"]["calls"]) > before + 4)
    cache.set_value("go on", 1)
    for child in children:
        with child:
            assert child.stdout.read() == "1\n"
    assert cache.llen("computed") == 1


def test_a_dead_leader_does_not_hang_the_rest(bench, cache):
    leader, follower = start(bench), start(bench)
    go(leader)
    wait_for("the leader computes", lambda: cache.llen("computed") == 1)
    go(follower)
    leader.kill()
    leader.communicate()
    wait_for("the follower takes over", lambda: cache.llen("computed") == 2)
    cache.set_value("go on", 1)
    with follower:
        assert follower.stdout.read() == "1\n"


def test_a_leader_that_takes_long_keeps_its_place(bench, cache, raw):
    leader = start(bench)
    go(leader)
    wait_for("the leader computes", lambda: cache.llen("computed") == 1)
    [lock] = [key for key in raw.keys(bench.full("*")) if key.endswith(b":lock")]
    first = raw.pttl(lock)
    assert 0 < first <= 3000
    wait_for("the lock is renewed", lambda: raw.pttl(lock) > first)
    cache.set_value("go on", 1)
    with leader:
        assert leader.stdout.read() == "1\n"
    assert not raw.exists(lock)


def test_a_failing_leader_lets_the_next_one_try(bench, raw):
    @redis_cache
    def fails():
        calls.append(1)
        time.sleep(0.05)
        raise LookupError("no")

    answers = in_threads(bench, 4, fails)
    assert [type(answer) for answer in answers] == [LookupError] * 4
    assert len(calls) == 4
    assert not raw.keys(bench.full("*:lock"))


def test_waiting_has_an_end(bench, raw):
    @redis_cache(lock=0.1)
    def impatient():
        calls.append(1)
        return 1

    raw.set(impatient.cache_key() + b":lock", "somebody else's")
    start = time.monotonic()
    assert impatient() == 1
    assert time.monotonic() - start < 10
    assert calls == [1]


def test_without_lock_each_caller_computes(bench, raw):
    @redis_cache(lock=False)
    def alone():
        calls.append(1)
        return 1

    raw.set(alone.cache_key() + b":lock", "somebody else's")
    assert alone() == 1
    assert alone() == 1
    assert calls == [1]


def test_a_function_that_calls_itself_does_not_wait_for_itself(bench):
    @redis_cache
    def again(x):
        calls.append(x)
        return again(x) if len(calls) < 3 else x

    assert again(1) == 1
    assert len(calls) == 3

    @redis_cache
    def factorial(n):
        return 1 if n <= 1 else n * factorial(n - 1)

    assert factorial(20) == 2432902008176640000


def test_two_that_wait_for_each_other_both_go_on(bench):
    both = threading.Barrier(2)

    @redis_cache
    def left(deep=0):
        if deep == 0 and threading.current_thread().name == "left":
            both.wait()
            right()
        return "left"

    @redis_cache
    def right(deep=0):
        if deep == 0 and threading.current_thread().name == "right":
            both.wait()
            left()
        return "right"

    def run(function):
        bench.enter()
        answers.append(function())

    answers = []
    threads = [threading.Thread(target=run, args=(f,), name=f.__name__) for f in (left, right)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == ["left", "right"]


def test_what_is_cleared_while_it_is_computed_is_not_kept(bench, raw):
    @redis_cache
    def report(x):
        calls.append(x)
        if len(calls) == 1:
            # The data changes, and whoever changes it clears the cache.
            (report.clear_cache if x == "all" else lambda: report.clear_cache_for(x))()
        return len(calls)

    for x in ("all", "one"):
        calls.clear()
        assert report(x) == 1
        assert report(x) == 2, "the first answer may be of before the change"
        assert report(x) == 2


def test_an_old_answer_is_served_while_one_caller_computes(bench, raw):
    @redis_cache(ttl=1, stale=1000)
    def report():
        calls.append(1)
        if len(calls) == 2:
            computing.set()
            assert proceed.wait(30)
        return len(calls)

    computing, proceed = threading.Event(), threading.Event()
    assert report() == 1
    key = report.cache_key()
    assert 900 < raw.ttl(key) <= 1001
    bench.enter()
    assert report() == 1
    wait_for("the answer is old", lambda: raw.pttl(key) <= 1_000_000)
    answers = []

    def refresh():
        bench.enter()
        answers.append(report())

    thread = threading.Thread(target=refresh)
    thread.start()
    assert computing.wait(30)
    bench.enter()
    assert report() == 1, "served at once, though old"
    assert report() == 1
    proceed.set()
    thread.join()
    assert answers == [2]
    bench.enter()
    assert report() == 2
    with pytest.raises(ValueError, match="stale"):
        redis_cache(ttl=None, stale=5)(lambda: 1)


def test_an_interrupt_ends_a_wait_for_another_caller(bench, cache, raw):
    program = PROGRAM.replace(
        "print(slow(1), flush=True)",
        "try: slow(1)\nexcept KeyboardInterrupt: print('interrupted', flush=True)",
    )
    assert "interrupted" in program
    leader = start(bench)
    go(leader)
    wait_for("the leader computes", lambda: cache.llen("computed") == 1)
    follower = subprocess.Popen(
        [sys.executable, "-c", program, bench.sites], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with follower, leader:
        assert follower.stdout.readline() == "ready\n"
        go(follower)
        before = int(raw.info("commandstats")["cmdstat_get"]["calls"])
        wait_for("it waits", lambda: int(raw.info("commandstats")["cmdstat_get"]["calls"]) > before + 3)
        follower.send_signal(2)
        assert follower.stdout.readline() == "interrupted\n"
        cache.set_value("go on", 1)
