"""What goes wrong around `dontmanage.acache`: servers, cancellations, loops, threads, forks, the end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, Bench, wait_for
from test_async_values import at_once, fresh_request
from test_away import CALLS, bench_at, impostor, upset
from test_processes import in_fork

import dontmanage
from dontmanage import acache


def awaited(name: str) -> Coroutine[Any, Any, Any]:
    """One of the calls of the surface, to be awaited."""
    call: Any = CALLS[name][0](acache)  # type: ignore[arg-type]
    return call


class Ticks:
    """How often another task had its turn meanwhile."""

    async def __aenter__(self) -> Ticks:
        self.count = 0
        self.task = asyncio.create_task(self.tick())
        await asyncio.sleep(0)
        return self

    async def tick(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0.001)

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()


def test_an_absent_server_costs_nobody_more_than_a_miss(tmp_path, own_server, capfd):
    server = own_server()
    bench_at(server.url, tmp_path)
    server.kill()

    async def main() -> None:
        for name, (_, answer) in CALLS.items():
            fresh_request()
            assert await awaited(name) == answer, name
        assert await acache.get_value("k", made) == 7
        assert await acache.hget("h2", "f", made) == 7

    async def made() -> int:
        await asyncio.sleep(0)
        return 7

    asyncio.run(main())
    assert len(capfd.readouterr().err.splitlines()) == 1, "one line tells of it"


def test_while_the_server_is_known_to_be_away_no_call_leaves_its_task(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.2)
    server.pause()
    assert asyncio.run(acache.get_value("k")) is None
    sync = dontmanage.cache.get_value
    answered = 0
    end = time.monotonic() + PATIENCE
    # A look whether it is back may come in between, on a thread of its own.
    while answered < 200:
        assert sync("k") is None
        for name, (_, answer) in CALLS.items():
            if name != "connected":
                fresh_request()
                assert at_once(awaited(name)) == answer, name
                answered += 1
        assert time.monotonic() < end
    server.resume()


def test_a_stopped_server_holds_no_other_task_up(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path)
    asyncio.run(acache.set_value("k", 1))
    server.pause()

    async def stopped(number: int, name: str) -> None:
        # Each with a breaker of its own, so that each really asks.
        bench_at(server.url, tmp_path / str(number), redis_cache_timeout=0.5 + number / 1000)
        async with Ticks() as ticks:
            answer = await awaited(name)
        assert answer == CALLS[name][1], name
        assert ticks.count > 5, f"{name}: {ticks.count} ticks"

    async def main() -> None:
        await asyncio.gather(*(stopped(number, name) for number, name in enumerate(CALLS)))

    asyncio.run(main())
    server.resume()


def test_many_calls_to_a_stopped_server_wait_no_longer_than_one(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.5, redis_cache_connect_timeout=0.5)
    server.pause()

    async def main() -> None:
        async with Ticks() as ticks:
            answers = await asyncio.gather(*(acache.get_value(number) for number in range(5000)))
        assert answers == [None] * 5000
        assert ticks.count > 5

    start = time.monotonic()
    asyncio.run(main())
    # One after the other they would wait for the better part of an hour.
    assert time.monotonic() - start < PATIENCE
    server.resume()


def test_a_server_that_drips_is_left_at_the_deadline(tmp_path):
    stop = threading.Event()

    def drip(connection: Any) -> None:
        while not stop.is_set() and connection.recv(4096):
            for byte in b"$100\r\n" + b"x" * 94:
                connection.send(bytes([byte]))
                if stop.wait(0.05):
                    return

    # A unix socket's path must be short.
    import tempfile

    with tempfile.TemporaryDirectory() as folder, impostor(Path(folder), drip) as url:
        bench_at(url, tmp_path, redis_cache_timeout=0.3)

        async def main() -> None:
            async with Ticks() as ticks:
                assert await acache.get_value("k") is None
            assert ticks.count > 5

        asyncio.run(main())
        stop.set()


def test_garbage_is_a_miss_for_all_that_travelled_together(tmp_path):
    import tempfile

    def babble(connection: Any) -> None:
        while connection.recv(65536):
            connection.sendall(b"+OK\r\n:1\r\n$1\r\nx\r\nhello\r\n")

    with tempfile.TemporaryDirectory() as folder, impostor(Path(folder), babble) as url:
        bench_at(url, tmp_path)

        async def main() -> None:
            assert await asyncio.gather(*(acache.get_value(n) for n in range(50))) == [None] * 50

        asyncio.run(main())


def test_a_walk_over_many_keys_holds_nobody_up(tmp_path, own_server):
    server = own_server("--enable-debug-command", "local")
    bench = bench_at(server.url, tmp_path)
    server.raw.execute_command("DEBUG", "POPULATE", "200000", f"{bench.prefix}|many", "1")

    async def main() -> None:
        await acache.set_value("k", 1)
        for walk, answer in (
            (acache.get_keys("many"), 200_000),
            (acache.hdel_keys("many:1999", "f"), 0),
            (acache.delete_keys("many"), 200_000),
        ):
            async with Ticks() as ticks:
                task = asyncio.create_task(walk)
                quick = 0
                while not task.done():
                    assert await acache.get_value("k", use_local_cache=False) == 1
                    quick += 1
            found = await task
            assert (found if isinstance(found, int) else len(found)) == answer
            assert ticks.count > 3
            assert quick > 3, "quick calls do not wait for long ones"

    asyncio.run(main())


def test_a_storm_of_cancellations_mixes_no_values_up(bench, cache):
    cache.set_values({number: [number] for number in range(200)})
    cache.hset("h", "f", "field")

    async def main() -> None:
        chance = random.Random(4)
        right = 0

        async def one(number: int) -> None:
            nonlocal right
            with contextlib.suppress(asyncio.TimeoutError):
                # On a machine that is busy only those come through that have the time.
                timeout = chance.random() * 0.02 if number % 3 else None
                value = await asyncio.wait_for(acache.get_value(number, use_local_cache=False), timeout)
                assert value == [number], (number, value)
                right += 1

        async def other(number: int) -> None:
            with contextlib.suppress(asyncio.TimeoutError):
                assert await asyncio.wait_for(acache.hget("h", "f"), chance.random() * 0.001) == "field"
                assert (await asyncio.wait_for(acache.get_values([number]), 0.001)) == {number: [number]}

        end = time.monotonic() + PATIENCE
        cancelled = 0
        while right < 300 or cancelled < 1000:
            assert time.monotonic() < end
            tasks = [asyncio.create_task(one(number)) for number in range(200)]
            tasks += [asyncio.create_task(other(number)) for number in range(50)]
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            for task in chance.sample(tasks, 80):
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
                cancelled += outcome is not None
            fresh_request()
        answers = await asyncio.gather(*(acache.get_value(number) for number in range(200)))
        assert answers == [[number] for number in range(200)]

    asyncio.run(main())


def test_a_late_reply_never_reaches_another_caller(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.02)
    numbers = range(100)
    while dontmanage.cache.get_values(numbers, use_local_cache=False) != {n: n for n in numbers}:
        dontmanage.cache.set_values({n: n for n in numbers})
    stop = threading.Event()

    thread = threading.Thread(target=upset, args=(server, stop, 0.1))
    thread.start()

    async def main() -> None:
        right = missed = 0
        end = time.monotonic() + PATIENCE
        while right < 1000 or missed < 50:
            answers = await asyncio.gather(*(acache.get_value(n, use_local_cache=False) for n in numbers))
            for number, answer in zip(numbers, answers, strict=True):
                assert answer in (None, number)
                right += answer is not None
                missed += answer is None
            assert time.monotonic() < end
            await asyncio.sleep(0)

    try:
        asyncio.run(main())
    finally:
        stop.set()
        thread.join()
        server.resume()


def test_a_restarted_server_is_found_again(tmp_path, own_server, capfd):
    server = own_server()
    bench_at(server.url, tmp_path)

    async def main() -> None:
        await acache.set_value("k", 1)
        server.kill()
        assert await acache.get_value("k", use_local_cache=False) is None
        assert await acache.connected() is False
        server.start()
        end = time.monotonic() + PATIENCE
        while await acache.get_value("k", use_local_cache=False) != 1:
            await acache.set_value("k", 1)
            await asyncio.sleep(0.001)
            assert time.monotonic() < end
        assert await acache.connected() is True

    asyncio.run(main())
    lines = capfd.readouterr().err.splitlines()
    assert [("is away" in line, "is back after" in line) for line in lines] == [(True, False), (False, True)]


def test_a_full_server_drops_writes_and_is_told_of_once(tmp_path, own_server, capfd):
    server = own_server("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    bench_at(server.url, tmp_path)

    async def main() -> None:
        for _ in range(3):
            await asyncio.gather(*(acache.set_value(number, number) for number in range(20)))
            await asyncio.gather(*(acache.hset("h", number, number) for number in range(20)))
            assert await acache.hget("h", 1) is None
            assert await acache.lpush("l", 1) is None

    asyncio.run(main())
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_several_loops_in_several_threads_each_get_their_own_answers(bench, cache):
    cache.set_values({number: [number] for number in range(300)})
    failed: list[BaseException] = []

    def work(first: int) -> None:
        async def main() -> None:
            bench.enter()
            for _ in range(5):
                numbers = range(first, first + 100)
                answers = await asyncio.gather(*(acache.get_value(number) for number in numbers))
                assert answers == [[number] for number in numbers]
                fresh_request()

        try:
            for _ in range(3):
                asyncio.run(main())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 100, 200) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failed


def test_a_fork_while_a_loop_waits_gets_threads_and_connections_of_its_own(bench, cache):
    cache.set_values({number: number for number in range(100)})

    async def read(numbers: range) -> list[object]:
        return await asyncio.gather(*(acache.get_value(n, use_local_cache=False) for n in numbers))

    def child() -> None:
        for _ in range(3):
            assert asyncio.run(read(range(100))) == list(range(100))

    async def parent() -> None:
        for _ in range(5):
            waiting = asyncio.create_task(read(range(100)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            in_fork(child)
            assert await waiting == list(range(100))

    asyncio.run(parent())
    in_fork(child)
    assert asyncio.run(read(range(100))) == list(range(100))


def test_a_loop_made_before_a_fork_serves_the_child(bench, cache):
    cache.set_value("k", 1)
    loop = asyncio.new_event_loop()
    read = acache.get_value

    def child() -> None:
        for _ in range(3):
            assert loop.run_until_complete(read("k", use_local_cache=False)) == 1

    try:
        in_fork(child)
        assert loop.run_until_complete(read("k", use_local_cache=False)) == 1
        in_fork(child)
    finally:
        loop.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def cache_threads() -> list[str]:
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append((task / "comm").read_text().strip())
    return [name for name in names if name == "cache-awaits"]


def test_loops_that_are_gone_leave_nothing_behind(bench):
    async def main() -> None:
        await asyncio.gather(*(acache.set_value(number, number) for number in range(200)))

    asyncio.run(main())
    gc.collect()
    before = descriptors()
    for _ in range(20):
        asyncio.run(main())
    gc.collect()
    wait_for("the threads have ended", lambda: not cache_threads())
    # Connections may be a few more: they are pooled.
    assert descriptors() < before + 15


def run_program(text: str, *words: object, code: int = 0) -> str:
    """Runs a program where every warning is an error; what it says on standard error."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", inspect.cleandoc(text), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    return done.stderr


def test_it_is_clean_in_debug_mode_with_warnings_as_errors(bench):
    said = run_program(
        """
        import asyncio, gc, sys
        import dontmanage
        from dontmanage import acache
        from dontmanage.utils.caching import redis_cache

        dontmanage.init("a.test", sys.argv[1])

        @redis_cache
        async def double(x):
            return [x] * 2

        async def main():
            # What asyncio says of a busy machine is not the matter here.
            asyncio.get_running_loop().slow_callback_duration = 60
            await asyncio.gather(*(acache.set_value(n, n) for n in range(50)))
            await asyncio.gather(*(double(n % 5) for n in range(50)))
            for n in range(20):
                try:
                    await asyncio.wait_for(acache.get_value(n, use_local_cache=False), 0.0001 * n)
                except asyncio.TimeoutError:
                    pass
            task = asyncio.create_task(acache.get_keys(""))
            await asyncio.sleep(0)
            task.cancel()
            await acache.delete_keys("")

        asyncio.run(main(), debug=True)
        gc.collect()
        """,
        bench.sites,
    )
    assert said == ""


def test_a_loop_that_is_closed_while_tasks_wait_harms_no_other_loop(bench):
    said = run_program(
        """
        import asyncio, gc, sys
        import dontmanage
        from dontmanage import acache

        dontmanage.init("a.test", sys.argv[1])
        dontmanage.cache.set_value("k", 1)

        async def main():
            asyncio.get_running_loop().slow_callback_duration = 60
            return await asyncio.gather(*(acache.get_value("k", use_local_cache=False) for _ in range(50)))

        for turns in range(1, 6):
            loop = asyncio.new_event_loop()
            # What asyncio says of a busy machine is not the matter here.
            loop.slow_callback_duration = 60
            tasks = [loop.create_task(acache.get_value("k", use_local_cache=False)) for _ in range(50)]
            for _ in range(turns):
                loop.call_soon(loop.stop)
                loop.run_forever()
            loop.close()
            for task in tasks:
                # What asyncio says of such tasks is not the matter here.
                task._log_destroy_pending = False
            del tasks, loop
            assert asyncio.run(main()) == [1] * 50
            gc.collect()
        """,
        bench.sites,
    )
    assert said == ""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("sys.exit(3)", 3),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGINT)", -2),
        ("raise SystemExit(3)", 3),
        ("loop.stop()", 1),
    ],
)
def test_a_process_ends_at_once_with_tasks_that_wait(tmp_path, own_server, end, code):
    server = own_server()
    # The deadline is longer than the test's patience.
    bench = Bench(tmp_path / "bench", server.url, signed=False, redis_cache_timeout=PATIENCE * 4)
    program = f"""
        import asyncio, os, signal, sys
        import dontmanage
        from dontmanage import acache

        dontmanage.init("a.test", sys.argv[1])

        async def main():
            await acache.get_value("k")
            os.kill(int(sys.argv[2]), signal.SIGSTOP)
            loop = asyncio.get_running_loop()
            tasks = [asyncio.create_task(acache.get_value(n)) for n in range(100)]
            tasks.append(asyncio.create_task(acache.delete_keys("")))
            await asyncio.sleep(0.05)
            {end}
            await asyncio.sleep(60)

        asyncio.run(main())
        """
    run_program(program, bench.sites, server.process.pid, code=code)
    server.resume()


def test_a_keyboard_interrupt_ends_a_wait(tmp_path, own_server):
    server = own_server()
    bench = Bench(tmp_path / "bench", server.url, signed=False, redis_cache_timeout=PATIENCE * 4)
    program = """
        import asyncio, os, signal, sys, threading
        import dontmanage
        from dontmanage import acache

        dontmanage.init("a.test", sys.argv[1])

        async def main():
            await acache.get_value("k")
            os.kill(int(sys.argv[2]), signal.SIGSTOP)
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            await acache.get_value("k")

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
        """
    assert run_program(program, bench.sites, server.process.pid).endswith("interrupted\n")
    server.resume()
