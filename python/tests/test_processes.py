"""Forks, and the end of a process."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import traceback
from collections.abc import Callable

import pytest
from conftest import wait_for
from dontmanage_cache.caching import redis_cache

import dontmanage_cache as dontmanage


def in_fork(work: Callable[[], None]) -> None:
    """Runs `work` in a forked child, which leaves without any clean-up, as an RQ horse does."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def connections(raw) -> set[str]:
    return {client["id"] for client in raw.client_list()}


def test_a_fork_after_first_use_gets_connections_of_its_own(bench, cache, raw):
    cache.set_value("k", 1)
    ours = connections(raw)

    def child() -> None:
        dontmanage.local.cache.clear()
        assert cache.get_value("k") == 1
        assert connections(raw) > ours
        for number in range(200):
            cache.set_value("child", number)
            dontmanage.local.cache.clear()
            assert cache.get_value("child") == number

    in_fork(child)
    for number in range(50):
        cache.set_value("parent", number)
        dontmanage.local.cache.clear()
        assert cache.get_value("parent") == number


def test_a_fork_before_first_use_works_too(bench, cache):
    def child() -> None:
        cache.set_value("k", 1)
        bench.enter()
        assert cache.get_value("k") == 1

    in_fork(child)
    assert cache.get_value("k") == 1


def test_parent_and_children_never_get_each_others_replies(bench, cache):
    cache.set_values({number: number for number in range(100)})
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            good = True
            for turn in range(1000):
                number = turn % 100
                good = good and cache.get_value(number, use_local_cache=False) == number
            os._exit(0 if good else 1)
        pids.append(pid)
    for turn in range(1000):
        assert cache.get_value(turn % 100, use_local_cache=False) == turn % 100
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4


def test_a_fork_while_other_threads_use_the_cache(bench, cache):
    import threading

    stop = threading.Event()

    def work() -> None:
        bench.enter()
        number = 0
        while not stop.is_set():
            number += 1
            cache.set_value("busy", number)
            cache.get_value("busy", use_local_cache=False)
            cache.hget("missing", "f")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()

    def child() -> None:
        for number in range(20):
            cache.set_value("child", number)
            dontmanage.local.cache.clear()
            assert cache.get_value("child") == number

    try:
        for _ in range(20):
            in_fork(child)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_child_computes_what_is_missing_and_shares_it(bench):
    computed: list[int] = []

    @redis_cache
    def answer(number: int) -> int:
        computed.append(number)
        return number * 2

    # The parent has used all of it: connections, locks, and the thread that renews them.
    assert answer(1) == 2

    def child() -> None:
        dontmanage.local.cache.clear()
        computed.clear()
        assert [answer(number) for number in range(10)] == [number * 2 for number in range(10)]
        assert computed == [0, 2, 3, 4, 5, 6, 7, 8, 9], "what the parent has computed is taken from it"
        answer.clear_cache_for(3)

    in_fork(child)
    dontmanage.local.cache.clear()
    computed.clear()
    assert [answer(number) for number in range(10)] == [number * 2 for number in range(10)]
    assert computed == [3]


def test_a_child_that_is_forked_amid_a_computation_waits_for_its_parents_answer(bench, raw, redis_server):
    import threading

    computing, proceed = threading.Event(), threading.Event()
    parent = os.getpid()

    @redis_cache
    def answer() -> str:
        if os.getpid() == parent:
            computing.set()
            assert proceed.wait(30)
            return "the parent's"
        return "the child's"

    answers: list[str] = []

    def lead() -> None:
        bench.enter()
        answers.append(answer())

    leader = threading.Thread(target=lead)
    leader.start()
    assert computing.wait(30)
    lock = answer.cache_key() + b":lock"
    assert raw.exists(lock)
    tries = redis_server.calls("set")
    pid = os.fork()
    if pid == 0:
        # What the child has of its parent's computation gives nothing back when it goes.
        os._exit(0 if answer() == "the parent's" else 1)
    wait_for("the child waits", lambda: redis_server.calls("set") > tries)
    assert raw.exists(lock)
    proceed.set()
    leader.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert answers == ["the parent's"]
    assert not raw.exists(lock)


def test_a_child_that_ends_amid_a_computation_hangs_nobody(bench, raw):
    parent = os.getpid()

    @redis_cache
    def answer() -> str:
        if os.getpid() != parent:
            os._exit(0)
        return "the parent's"

    pid = os.fork()
    if pid == 0:
        answer()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert raw.exists(answer.cache_key() + b":lock")
    assert answer() == "the parent's"


def task(number: int) -> object:
    """Runs in a pool's process; it has the site of the one that made the pool."""
    dontmanage.cache.set_value(f"task{number}", number * 2)
    dontmanage.local.cache.clear()
    return dontmanage.cache.get_value(f"task{number}")


def enter_and_task(arguments: tuple[str, int]) -> object:
    sites, number = arguments
    dontmanage.init("a.test", sites)
    return task(number)


def test_multiprocessing_by_fork(bench, cache):
    cache.set_value("k", 1)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(task, range(20)) == [number * 2 for number in range(20)]
    dontmanage.local.cache.clear()
    assert cache.get_value("task19") == 38


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_by_a_new_process(bench, cache, method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        answers = pool.map(enter_and_task, [(str(bench.sites), number) for number in range(6)])
    assert answers == [number * 2 for number in range(6)]


@pytest.mark.parametrize("end", ["pass", "import os; os._exit(0)", "import sys; sys.exit(0)"])
def test_a_process_ends_at_once_whatever_the_cache_does(bench, end, tmp_path):
    program = (
        "import dontmanage_cache as dontmanage, sys, threading\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "cache = dontmanage.cache\n"
        "cache.set_value('k', 1)\n"
        "def work():\n"
        "    dontmanage.init('a.test', sys.argv[1])\n"
        "    while True: cache.get_value('k', use_local_cache=False)\n"
        "for _ in range(2): threading.Thread(target=work, daemon=True).start()\n"
        "for _ in range(100): cache.get_value('k', use_local_cache=False)\n"
        f"{end}\n"
    )
    subprocess.run([sys.executable, "-c", program, bench.sites], check=True, timeout=30)


def test_a_process_ends_at_once_while_the_server_hangs(tmp_path, own_server):
    from conftest import Bench

    server = own_server()
    bench = Bench(tmp_path / "bench", server.url, signed=False, redis_cache_timeout=0.1)
    program = (
        "import dontmanage_cache as dontmanage, sys, time\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "dontmanage.cache.get_value('k')\n"
        "end = time.monotonic() + 0.3\n"
        "while time.monotonic() < end: dontmanage.cache.get_value('k')\n"
    )
    server.pause()
    done = subprocess.run(
        [sys.executable, "-c", program, bench.sites], check=True, timeout=30, capture_output=True, text=True
    )
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_second_interpreter_of_a_process_is_served_or_told_why_not(tmp_path):
    """Since Python 3.12 an extension may say that it is of one interpreter only."""
    code = "import sys; sys.path[:] = {!r}; import dontmanage_cache as d; d.local.x = 5; print('served')"
    program = (
        "import sys\n"
        f"code = {code!r}.format(sys.path)\n"
        "try: import _interpreters as interpreters\n"
        "except ImportError: import _xxsubinterpreters as interpreters\n"
        "second = interpreters.create()\n"
        "try: print(getattr(interpreters, 'exec', getattr(interpreters, 'run_string', None))(second, code))\n"
        "except Exception as error: print(error)\n"
        "interpreters.destroy(second)\n"
        "import dontmanage_cache as d; d.local.x = 6; print('first', d.local.x)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "served" in done.stdout or "does not support loading in subinterpreters" in done.stdout
    assert "first 6" in done.stdout
