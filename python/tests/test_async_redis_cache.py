"""`redis_cache` on coroutine functions."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from conftest import PATIENCE, Bench, wait_for
from dontmanage_cache.caching import redis_cache, request_cache, site_cache

import dontmanage

calls: list[Any] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


@redis_cache
async def slow_add(a: int, b: int) -> list[int]:
    """Adds."""
    calls.append((a, b))
    await asyncio.sleep(0)
    return [a + b]


class Shop:
    @redis_cache(ignore_self=True)
    async def total(self, day: int) -> int:
        calls.append(day)
        return day * 10

    @staticmethod
    @redis_cache
    async def static(x: int) -> int:
        return x


async def until(condition: Callable[[], Any]) -> None:
    """Waits for a condition; others have their turns meanwhile."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_an_answer_is_computed_once(bench, run):
    async def main() -> None:
        for _ in range(2):
            assert await slow_add(40, 2) == [42]
            assert await slow_add(a=40, b=2) == [42]
            bench.enter()
        assert await slow_add(1, 2) == [3]

    run(main())
    assert calls == [(40, 2), (1, 2)]
    bench.enter()
    run(main())
    assert calls == [(40, 2), (1, 2)], "another loop finds them too"


def test_the_spellings_and_options_work(bench, raw):
    @redis_cache(ttl=60)
    async def timed(x):
        return x

    @redis_cache()
    async def called(x):
        return x

    async def main() -> None:
        assert await timed(1) == 1
        assert 50 < raw.ttl(timed.cache_key(1)) <= 60
        assert await called(1) == 1
        assert 3590 < raw.ttl(called.cache_key(1)) <= 3600
        shop = Shop()
        assert [await shop.total(1), await Shop().total(1), await Shop.static(5)] == [10, 10, 5]
        assert calls == [1]
        assert await shop.total.aclear_cache_for(1) is True
        assert await shop.total(1) == 10
        assert shop.total.clear_cache_for(1) is True
        assert await shop.total(1) == 10
        assert await shop.total.aclear_cache() == 1
        assert await shop.total(1) == 10
        assert calls == [1] * 4

    asyncio.run(main())


def test_it_is_known_for_a_coroutine_function():
    if sys.version_info >= (3, 12):
        assert inspect.iscoroutinefunction(slow_add)
        assert inspect.iscoroutinefunction(Shop().total)
    if sys.version_info < (3, 14):
        assert asyncio.iscoroutinefunction(slow_add)
        assert asyncio.iscoroutinefunction(Shop().total)
    assert slow_add.__name__ == "slow_add"
    assert slow_add.__doc__ == "Adds."
    assert list(inspect.signature(slow_add).parameters) == ["a", "b"]
    call = slow_add(1, 2)
    assert inspect.iscoroutine(call)
    call.close()


def test_without_a_site_it_is_the_plain_function():
    dontmanage.destroy()

    async def main() -> None:
        assert await slow_add(1, 2) == [3]
        assert await slow_add(1, 2) == [3]

    asyncio.run(main())
    assert calls == [(1, 2)] * 2


def test_what_can_not_be_kept_is_refused_with_advice():
    async def generator():
        yield 1

    async def coroutine():
        return 1

    with pytest.raises(TypeError, match=r"`.*generator` is a generator.*return a list"):
        redis_cache(generator)
    for decorator in (request_cache, site_cache, site_cache(ttl=1)):
        with pytest.raises(TypeError, match=r"`.*coroutine` is a coroutine function.*use `redis_cache`"):
            decorator(coroutine)


def test_of_many_tasks_one_computes_and_each_gets_an_answer_of_its_own(bench, redis_server):
    go = asyncio.Event()

    @redis_cache
    async def slow(x):
        calls.append(x)
        await go.wait()
        return [x]

    async def main() -> None:
        asked = redis_server.calls("get")
        tasks = [asyncio.create_task(slow(x % 2)) for x in range(200)]
        # Each has looked once, and the two that compute once more.
        await until(lambda: len(calls) == 2 and redis_server.calls("get") >= asked + 202)
        before = redis_server.calls("get")
        for _ in range(100):
            await asyncio.sleep(0)
        go.set()
        answers = await asyncio.gather(*tasks)
        assert answers == [[x % 2] for x in range(200)]
        assert len({id(answer) for answer in answers}) == 200
        assert redis_server.calls("get") - before < 20, "who waits does not ask the server"

    asyncio.run(main())
    assert sorted(calls) == [0, 1]


def test_an_error_is_not_kept_and_the_next_one_tries(bench, raw):
    @redis_cache
    async def fails(x):
        calls.append(x)
        await asyncio.sleep(0)
        if len(calls) < 3:
            raise LookupError(len(calls))
        return "good"

    async def main() -> None:
        answers = await asyncio.gather(*(fails(1) for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(answer, LookupError) for answer in answers) == 2
        assert answers.count("good") == 8

    asyncio.run(main())
    assert len(calls) == 3
    wait_for("the locks are given back", lambda: not raw.keys(f"{bench.prefix}|*:lock"))


def test_an_answer_that_can_not_be_pickled_is_its_callers_error(bench, raw):
    @redis_cache
    async def unfit(x):
        calls.append(x)
        return lambda: x

    async def main() -> None:
        answers = await asyncio.gather(unfit(1), unfit(1), return_exceptions=True)
        assert all(isinstance(answer, Exception) for answer in answers), answers

    asyncio.run(main())
    assert calls == [1, 1]


def test_none_and_falsy_answers_are_hits(bench):
    @redis_cache
    async def function(kind):
        calls.append(kind)
        return None if kind is None else type(kind)()

    async def main() -> None:
        for _ in range(2):
            for kind in (None, 5, "x", (1,), {1: 2}):
                assert await function(kind) == (None if kind is None else type(kind)())
            bench.enter()

    asyncio.run(main())
    assert len(calls) == 5


def test_a_cancelled_leader_hands_over_to_another(bench, raw):
    go = asyncio.Event()

    @redis_cache
    async def slow(x):
        calls.append(x)
        await go.wait()
        return x

    async def main() -> None:
        tasks = [asyncio.create_task(slow(1)) for _ in range(10)]
        for number in range(9):
            await until(lambda number=number: len(calls) == number + 1)
            tasks[number].cancel()
        await until(lambda: len(calls) == 10)
        go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in answers[:9]] == [asyncio.CancelledError] * 9
        assert answers[9] == 1

    asyncio.run(main())


def test_a_cancelled_follower_takes_nothing_away_from_the_others(bench):
    go = asyncio.Event()

    @redis_cache
    async def slow(x):
        calls.append(x)
        await go.wait()
        return x

    async def main() -> None:
        tasks = [asyncio.create_task(slow(1)) for _ in range(10)]
        await until(lambda: calls)
        for _ in range(20):
            await asyncio.sleep(0.001)
        for task in tasks[1:5]:
            task.cancel()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(slow(1), 0.01)
        go.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in answers[1:5]] == [asyncio.CancelledError] * 4
        assert [answers[0], *answers[5:]] == [1] * 6

    asyncio.run(main())
    assert calls == [1]


def test_a_storm_of_cancellations_mixes_no_answers_up(bench):
    @redis_cache(ttl=60)
    async def slow(x):
        await asyncio.sleep(0.001 * (x % 3))
        return [x]

    async def main() -> None:
        wrong = []

        async def one(number: int) -> None:
            x = number % 17
            with contextlib.suppress(asyncio.TimeoutError):
                answer = await asyncio.wait_for(slow(x), 0.0005 * (number % 7))
                if answer != [x]:
                    wrong.append((x, answer))

        for turn in range(10):
            await asyncio.gather(*(one(number) for number in range(100)))
            await slow.aclear_cache() if turn % 2 else bench.enter()
        assert not wrong
        assert await asyncio.gather(*(slow(x) for x in range(17))) == [[x] for x in range(17)]

    asyncio.run(main())


def test_a_call_within_itself_is_computed_and_not_waited_for(bench):
    @redis_cache
    async def down(x, again):
        calls.append(x)
        if again[0]:
            again = [again[0] - 1]
            return await asyncio.create_task(same(x)) + 1
        return 0

    depth = []

    @redis_cache
    async def same(x):
        depth.append(x)
        return 5 if len(depth) > 3 else (await asyncio.gather(same(x)))[0]

    async def main() -> None:
        assert await same(1) == 5
        assert await down(1, [1]) == 6

    asyncio.run(main())
    assert len(depth) == 4


def test_two_calls_that_wait_for_each_other_both_go_on(bench, monkeypatch):
    from dontmanage_cache import flights

    monkeypatch.setattr(flights, "NESTED_WAIT", 0.1)
    started: list[str] = []

    async def both_started() -> None:
        await until(lambda: len(set(started)) == 2)

    @redis_cache
    async def one(again=True):
        started.append("one")
        await both_started()
        return 1 + (await two(False) if again else 0)

    @redis_cache
    async def two(again=True):
        started.append("two")
        await both_started()
        return 10 + (await one(False) if again else 0)

    @redis_cache
    async def left():
        started.append("left")
        await until(lambda: "right" in started)
        return started.count("left") > 1 or 1 + await right()

    @redis_cache
    async def right():
        started.append("right")
        await until(lambda: "left" in started)
        return started.count("right") > 1 or 10 + await left()

    async def main() -> None:
        assert await asyncio.gather(one(), two()) == [11, 11]
        await asyncio.gather(left(), right())

    asyncio.run(main())


def test_a_clear_is_a_clear_also_while_the_answer_is_computed(bench):
    go = asyncio.Event()
    value = ["old"]

    @redis_cache
    async def slow():
        calls.append(1)
        answer = value[0]
        await go.wait()
        return answer

    async def main() -> None:
        first = asyncio.create_task(slow())
        await until(lambda: calls)
        follower = asyncio.create_task(slow())
        await asyncio.sleep(0.01)
        value[0] = "new"
        await slow.aclear_cache()
        late = asyncio.create_task(slow())
        await asyncio.sleep(0.01)
        go.set()
        assert await first == "old"
        assert await late == "new"
        assert await follower == "new"
        assert await slow() == "new"
        value[0] = "newest"
        assert slow.clear_cache_for() is True
        assert await slow() == "newest"

    asyncio.run(main())


def test_an_old_answer_serves_the_others_while_one_task_refreshes_it(bench, raw):
    go = asyncio.Event()

    @redis_cache(ttl=100, stale=100)
    async def slow():
        calls.append(1)
        if len(calls) > 1:
            await go.wait()
        return len(calls)

    async def main() -> None:
        assert await slow() == 1
        raw.expire(slow.cache_key(), 50)
        bench.enter()
        refresher = asyncio.create_task(slow())
        await until(lambda: len(calls) == 2)
        dontmanage.local.cache.clear()
        assert await asyncio.gather(*(slow() for _ in range(20))) == [1] * 20
        go.set()
        assert await refresher == 2
        dontmanage.local.cache.clear()
        assert await slow() == 2

    asyncio.run(main())
    assert len(calls) == 2


def test_without_the_lock_each_computes_for_himself(bench):
    @redis_cache(lock=False)
    async def slow():
        calls.append(1)
        await until(lambda: len(calls) >= 3)
        return 1

    async def main() -> None:
        assert await asyncio.gather(*(slow() for _ in range(3))) == [1] * 3

    asyncio.run(main())
    assert len(calls) == 3


def test_patience_ends_and_then_a_task_computes_for_itself(bench):
    never = asyncio.Event()

    @redis_cache(lock=0.1)
    async def slow():
        calls.append(1)
        if len(calls) == 1:
            await never.wait()
        return len(calls)

    async def main() -> None:
        first = asyncio.create_task(slow())
        await until(lambda: calls)
        assert await slow() == 2
        first.cancel()

    asyncio.run(main())


def test_loops_in_several_threads_compute_once_together(bench):
    release = threading.Event()

    @redis_cache
    async def slow():
        calls.append(1)
        await until(release.is_set)
        return [1]

    answers = []

    def work() -> None:
        async def main() -> None:
            bench.enter()
            answers.extend(await asyncio.gather(*(slow() for _ in range(20))))

        asyncio.run(main())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for("one computes", lambda: calls)
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == [[1]] * 80
    assert len(calls) == 1


PROGRAM = """
import asyncio, sys
import dontmanage
from dontmanage.utils.caching import redis_cache

dontmanage.init("a.test", sys.argv[1])

@redis_cache
async def slow(x):
    print("computes", flush=True)
    if sys.argv[2] == "hang":
        await asyncio.sleep(60)
    await asyncio.sleep(0.2)
    return x * 2

async def main():
    answers = await asyncio.gather(*(slow(21) for _ in range(10)))
    print(answers == [42] * 10, flush=True)

asyncio.run(main())
"""


def worker(bench: Bench, mode: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROGRAM, str(bench.sites), mode]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_processes_compute_once_together(bench):
    workers = [worker(bench, "go on") for _ in range(3)]
    said = [process.communicate(timeout=PATIENCE)[0].split() for process in workers]
    assert sorted(said) == [["True"], ["True"], ["computes", "True"]]


def test_a_leader_that_dies_in_another_process_hangs_nobody(bench):
    leader = worker(bench, "hang")
    assert leader.stdout is not None
    with leader:
        assert leader.stdout.readline() == "computes\n"
        other = worker(bench, "go on")
        os.kill(leader.pid, signal.SIGKILL)
        assert other.communicate(timeout=PATIENCE)[0].split() == ["computes", "True"]


def test_without_a_server_it_computes_and_tasks_still_share(tmp_path, own_server):
    server = own_server()
    Bench(tmp_path / "bench", server.url, signed=True, redis_cache_timeout=0.1).enter()
    server.kill()

    @redis_cache
    async def slow(x):
        calls.append(x)
        await asyncio.sleep(0.01)
        return [x]

    async def main() -> None:
        assert await asyncio.gather(*(slow(1) for _ in range(50))) == [[1]] * 50
        assert len(calls) == 1
        assert await slow(2) == [2]
        assert slow.clear_cache() == await slow.aclear_cache() == 0

    asyncio.run(main())


def test_a_stopped_server_holds_no_loop_up(tmp_path, own_server):
    server = own_server()
    Bench(tmp_path / "bench", server.url, signed=True, redis_cache_timeout=0.3).enter()

    @redis_cache
    async def slow(x):
        calls.append(x)
        return [x]

    async def main() -> None:
        assert await slow(0) == [0]
        server.pause()
        ticks = 0
        task = asyncio.gather(*(slow(x) for x in range(1, 20)), slow.aclear_cache(), slow.aclear_cache_for(0))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0.001)
        assert ticks > 5
        assert (await task)[:19] == [[x] for x in range(1, 20)]
        server.resume()

    asyncio.run(main())
