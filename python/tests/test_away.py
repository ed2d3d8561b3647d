"""A server that is away, slow, full or confused: it costs speed, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import PATIENCE, Bench, RedisServer, wait_for
from dontmanage_cache.caching import redis_cache

import dontmanage_cache as dontmanage
from dontmanage_cache import documents

# What each call of the surface answers when there is nobody to ask.
CALLS: dict[str, tuple[Callable[[dontmanage.Cache], object], object]] = {
    "get_value": (lambda cache: cache.get_value("missing"), None),
    "get_value with a default": (lambda cache: cache.get_value("missing", default=1), 1),
    "get_value with a generator": (lambda cache: cache.get_value("generated", lambda: 7), 7),
    "set_value": (lambda cache: cache.set_value("k", 1), None),
    "set_value with a lifetime": (lambda cache: cache.set_value("k", 1, expires_in_sec=60), None),
    "delete_value": (lambda cache: cache.delete_value(["k"]), None),
    "delete_key": (lambda cache: cache.delete_key("k"), None),
    "expire_key": (lambda cache: cache.expire_key("k", 60), None),
    "exists": (lambda cache: cache.exists("k"), 0),
    "get_values": (lambda cache: cache.get_values(["missing"]), {}),
    "set_values": (lambda cache: cache.set_values({"k": 1}), None),
    "delete_values": (lambda cache: cache.delete_values(["k"]), 0),
    "get_keys": (lambda cache: cache.get_keys("missing"), []),
    "delete_keys": (lambda cache: cache.delete_keys("k"), 0),
    "get_all": (lambda cache: cache.get_all("missing"), {}),
    "hset": (lambda cache: cache.hset("h", "f", 1), None),
    "hget": (lambda cache: cache.hget("missing", "f"), None),
    "hget with a generator": (lambda cache: cache.hget("generated", "f", lambda: 7), 7),
    "hgetall": (lambda cache: cache.hgetall("h"), {}),
    "hexists": (lambda cache: cache.hexists("h", "f"), False),
    "hkeys": (lambda cache: cache.hkeys("h"), []),
    "hdel": (lambda cache: cache.hdel("h", "f"), 0),
    "hdel_names": (lambda cache: cache.hdel_names(["h"], "f"), 0),
    "hdel_keys": (lambda cache: cache.hdel_keys("h", "f"), 0),
    "lpush": (lambda cache: cache.lpush("l", 1), None),
    "rpush": (lambda cache: cache.rpush("l", 1), None),
    "lpop": (lambda cache: cache.lpop("l"), None),
    "rpop": (lambda cache: cache.rpop("l", 2), []),
    "llen": (lambda cache: cache.llen("l"), 0),
    "lrange": (lambda cache: cache.lrange("l", 0, -1), []),
    "ltrim": (lambda cache: cache.ltrim("l", 0, 1), False),
    "sadd": (lambda cache: cache.sadd("s", 1), None),
    "srem": (lambda cache: cache.srem("s", 1), None),
    "sismember": (lambda cache: cache.sismember("s", 1), False),
    "spop": (lambda cache: cache.spop("s"), None),
    "srandmember": (lambda cache: cache.srandmember("s"), None),
    "smembers": (lambda cache: cache.smembers("s"), set()),
    "connected": (lambda cache: cache.connected(), False),
}


def assert_all_do_without() -> None:
    for name, (call, answer) in CALLS.items():
        dontmanage.local.cache.clear()
        assert call(dontmanage.cache) == answer, name


def bench_at(url: str, folder: Path, **config: object) -> Bench:
    made = Bench(folder / "bench", url, signed=True, **config)
    made.enter()
    return made


@contextlib.contextmanager
def impostor(folder: Path, behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that takes connections and behaves in its own way."""
    listener = socket.socket(socket.AF_UNIX)
    path = folder / "impostor.sock"
    listener.bind(str(path))
    listener.listen(64)
    stop = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behave(connection)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if stop.is_set():
                connection.close()
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"unix://{path}"
    finally:
        stop.set()
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
            thread.join()
        listener.close()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="s"))
    yield folder
    shutil.rmtree(folder)


def test_an_absent_server_costs_no_exception_and_one_log_line(tmp_path, capfd):
    bench_at(f"unix://{tmp_path}/none.sock", tmp_path)
    assert_all_do_without()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert "the cache is away" in lines[0]


def test_an_absent_server_costs_microseconds_a_call(tmp_path):
    bench_at(f"unix://{tmp_path}/none.sock", tmp_path)
    dontmanage.cache.get_value("k")
    times = []
    for _ in range(300):
        start = time.perf_counter()
        dontmanage.cache.get_value("k")
        times.append(time.perf_counter() - start)
    times.sort()
    assert times[150] < 0.0001


def test_a_stopped_server_costs_one_deadline_and_then_nothing(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.2)
    dontmanage.cache.set_value("k", 1)
    server.pause()
    dontmanage.local.cache.clear()
    start = time.perf_counter()
    assert dontmanage.cache.get_value("k") is None
    first = time.perf_counter() - start
    assert 0.15 < first < 1.0, "the deadline, and what a busy machine adds"
    # Longer than the first look whether it is back: no call waits for that either.
    times = []
    end = time.perf_counter() + 1
    while time.perf_counter() < end:
        start = time.perf_counter()
        assert dontmanage.cache.get_value("k") is None
        times.append(time.perf_counter() - start)
    times.sort()
    assert times[len(times) // 2] < 0.0001
    assert times[-1] < 0.15, "no call waits for the deadline again"
    server.resume()
    wait_for("the value is back", lambda: dontmanage.cache.get_value("k") == 1)


def test_the_deadlines_are_short_unless_they_are_set(tmp_path, own_server):
    server = own_server()
    bench = bench_at(server.url, tmp_path)
    bench.configure(redis_cache=server.url)
    bench.enter()
    dontmanage.cache.set_value("k", 1)
    server.pause()
    dontmanage.local.cache.clear()
    start = time.perf_counter()
    assert dontmanage.cache.get_value("k") is None
    assert 0.1 < time.perf_counter() - start < 1.0


def test_every_call_does_without_a_stopped_server(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.05)
    server.pause()
    assert_all_do_without()


@pytest.mark.parametrize(
    "words",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$5\r\nab", b"*-7\r\n", b"\x00\xff", b"$99999999999999\r\n", b""],
    ids=repr,
)
def test_every_call_does_without_a_server_that_talks_nonsense(tmp_path, short_folder, words):
    def behave(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(words)

    with impostor(short_folder, behave) as url:
        bench_at(url, tmp_path, redis_cache_timeout=0.05)
        assert_all_do_without()


def test_a_server_that_sends_a_byte_a_second_is_left_in_time(tmp_path, short_folder):
    over = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.recv(1000)
        for byte in b"$100\r\n" + b"x" * 100:
            connection.sendall(bytes([byte]))
            if over.wait(1):
                return

    with impostor(short_folder, behave) as url:
        bench_at(url, tmp_path, redis_cache_timeout=0.2)
        start = time.perf_counter()
        assert dontmanage.cache.get_value("k") is None
        assert time.perf_counter() - start < 1.5
        over.set()


def test_a_full_server_is_read_and_not_written(tmp_path, own_server, capfd):
    server = own_server()
    bench = bench_at(server.url, tmp_path)
    cache = dontmanage.cache
    cache.set_value("k", "old")
    cache.hset("h", "f", "old")
    server.raw.config_set("maxmemory", "1")
    cache.set_value("k2", 1)
    cache.set_values({"k3": 1})
    cache.hset("h", "f", "new")
    assert cache.lpush("l", 1) is None
    assert cache.get_value("k2") == 1, "this request has it all the same"
    bench.enter()
    assert cache.get_value("k") == "old"
    assert cache.hget("h", "f") == "old"
    assert cache.get_value("k2") is None
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert "takes no new values" in lines[0]


def test_a_read_only_server_is_read_and_not_written(tmp_path, own_server):
    server = own_server()
    bench = bench_at(server.url, tmp_path)
    dontmanage.cache.set_value("k", 1)
    server.raw.execute_command("REPLICAOF", "127.0.0.1", "1")
    server.raw.config_set("replica-serve-stale-data", "yes")
    bench.enter()
    assert dontmanage.cache.get_value("k") == 1
    dontmanage.cache.set_value("k", 2)
    dontmanage.cache.delete_value("k")
    bench.enter()
    assert dontmanage.cache.get_value("k") == 1


def test_a_busy_server_is_left_alone(tmp_path, own_server):
    server = own_server("--busy-reply-threshold", "10")
    bench_at(server.url, tmp_path, redis_cache_timeout=0.2)
    other = server.raw.connection_pool.get_connection()
    other.send_command("EVAL", "while true do end", "0")
    try:
        wait_for(
            "the script runs",
            lambda: dontmanage.cache.get_value("k") is None and not dontmanage.cache.connected(),
        )
        assert_all_do_without()
    finally:
        server.kill()
        other.disconnect()


def test_a_wrong_password_is_an_outage_and_is_not_shown(tmp_path, own_server, capfd):
    server = own_server("--requirepass", "right")
    bench_at(f"unix://:wr0ng-s3cret@{server.socket}", tmp_path)
    assert_all_do_without()
    said = capfd.readouterr().err
    assert "wr0ng-s3cret" not in said + repr(dontmanage.cache)
    assert len(said.splitlines()) == 1


def test_the_request_goes_on_with_its_own_copy(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path)
    cache = dontmanage.cache
    cache.set_value("k", [1])
    server.kill()
    assert cache.get_value("k") == [1]
    cache.set_value("k2", [2])
    cache.hset("h", "f", 3)
    assert cache.get_value("k2") == [2]
    assert cache.hget("h", "f") == 3
    assert sorted(cache.get_keys("k")) == sorted([cache.make_key("k"), cache.make_key("k2")])
    assert cache.delete_keys("k") == 0
    assert cache.get_value("k") is None


def test_connected_tells_the_truth_at_once(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path)
    assert dontmanage.cache.connected() is True
    server.kill()
    assert dontmanage.cache.connected() is False
    for _ in range(50):
        dontmanage.cache.get_value("k")
    server.start()
    assert dontmanage.cache.connected() is True
    dontmanage.cache.set_value("k", 1)
    dontmanage.local.cache.clear()
    assert dontmanage.cache.get_value("k") == 1, "and calls go on at once"


def test_a_restarted_server_is_found_again_and_told_once(tmp_path, own_server, capfd):
    server = own_server()
    bench_at(server.url, tmp_path)
    server.kill()
    assert dontmanage.cache.get_value("k") is None
    server.start()

    def is_back() -> bool:
        dontmanage.cache.set_value("k", 1)
        dontmanage.local.cache.clear()
        return dontmanage.cache.get_value("k") == 1

    wait_for("the server is back", is_back)
    lines = capfd.readouterr().err.splitlines()
    assert [("is away" in line, "is back after" in line) for line in lines] == [(True, False), (False, True)]


def test_a_server_that_closes_idle_connections_costs_no_miss(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path)
    dontmanage.cache.set_value("k", 1)
    server.raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    dontmanage.local.cache.clear()
    assert dontmanage.cache.get_value("k") == 1


def upset(server: RedisServer, stop: threading.Event, rest: float = 0.02) -> None:
    """Stops the server for longer than a deadline, again and again."""
    while not stop.is_set():
        server.pause()
        stop.wait(0.03)
        server.resume()
        stop.wait(rest)


def test_a_late_reply_never_reaches_another_caller(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.02)
    cache = dontmanage.cache
    numbers = range(200)
    while cache.get_values(numbers, use_local_cache=False) != {number: number for number in numbers}:
        cache.set_values({number: number for number in numbers})
    stop = threading.Event()

    def read() -> None:
        dontmanage.init("a.test", tmp_path / "bench" / "sites")
        while not stop.is_set():
            for number in numbers:
                got = cache.get_value(number, use_local_cache=False)
                if got not in (None, number):
                    wrong.append((number, got))
                elif got is not None:
                    right.append(number)

    wrong: list[object] = []
    right: list[int] = []
    threads = [
        threading.Thread(target=upset, args=(server, stop)),
        *(threading.Thread(target=read) for _ in range(3)),
    ]
    for thread in threads:
        thread.start()
    wait_for("some hits among the misses", lambda: len(right) > 500 or wrong)
    stop.set()
    for thread in threads:
        thread.join()
    server.resume()
    assert not wrong


def test_signals_that_keep_coming_do_not_put_the_deadline_off(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.5)
    dontmanage.cache.set_value("k", 1)
    heard: list[int] = []
    answered = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))

    def disturb():
        # Far oftener than the deadline is long, and for far longer.
        end = time.monotonic() + PATIENCE
        while not answered.wait(0.01) and time.monotonic() < end:
            os.kill(os.getpid(), signal.SIGUSR1)

    disturbing = threading.Thread(target=disturb)
    server.pause()
    try:
        disturbing.start()
        began = time.monotonic()
        assert dontmanage.cache.get_value("k", use_local_cache=False) is None
        took = time.monotonic() - began
    finally:
        answered.set()
        disturbing.join()
        signal.signal(signal.SIGUSR1, before)
        server.resume()
    assert took < PATIENCE / 3
    assert len(heard) > 3, "they were heard while it waited"


def test_a_handlers_exception_ends_a_wait_long_before_the_deadline(tmp_path, own_server):
    class Enough(Exception):
        pass

    def enough(*_):
        raise Enough

    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=10 * PATIENCE)
    cache = dontmanage.cache

    @redis_cache
    def double(x):
        return 2 * x

    for number in range(20):
        cache.set_value(f"k{number}", number)
    before = signal.signal(signal.SIGUSR1, enough)
    waits = {
        "get_value": lambda: cache.get_value("k1", use_local_cache=False),
        "get_values": lambda: cache.get_values(["k1", "k2"], use_local_cache=False),
        "set_value": lambda: cache.set_value("k1", 1),
        "hgetall": lambda: cache.hgetall("h"),
        "get_keys": lambda: cache.get_keys("k"),
        "delete_keys": lambda: cache.delete_keys("other"),
        "lpush": lambda: cache.lpush("list", 1),
        "connected": cache.connected,
        "a call": lambda: double(1),
        "clear_cache": double.clear_cache,
        "clear_cache_for": lambda: double.clear_cache_for(1),
        "a document": lambda: documents.get("Letter", "a"),
    }
    documents.register(lambda doctype, name: {"doctype": doctype, "name": name}, doctypes=["Letter"])
    try:
        for name, wait in waits.items():
            cache.get_value("k0", use_local_cache=False)
            here = threading.get_native_id()
            over = threading.Event()

            def disturb(here=here, over=over):
                # Once it waits, and is seen to twice: sooner, the handler would run anyway.
                seen = 0
                while seen < 2 and not over.wait(0.01):
                    state = Path(f"/proc/self/task/{here}/stat").read_text().rpartition(")")[2].split()[0]
                    seen = seen + 1 if state == "S" else 0
                os.kill(os.getpid(), signal.SIGUSR1)

            server.pause()
            disturbing = threading.Thread(target=disturb)
            began = time.monotonic()
            try:
                with pytest.raises(Enough):
                    disturbing.start()
                    wait()
            finally:
                over.set()
                server.resume()
                disturbing.join()
            assert time.monotonic() - began < 2 * PATIENCE, name
            # What was asked before must not be answered now.
            assert [cache.get_value(f"k{n}", use_local_cache=False) for n in range(20)] == list(range(20)), (
                name
            )
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_an_interrupt_ends_a_wait(tmp_path, own_server):
    import subprocess
    import sys

    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=1)
    program = (
        "import dontmanage_cache as dontmanage, os, sys\n"
        "parent = os.getppid()\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "dontmanage.cache.connected()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    while os.getppid() == parent: dontmanage.cache.get_value('k', expires=True)\n"
        "except KeyboardInterrupt: print('interrupted', flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "bench" / "sites"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    with child:
        assert child.stdout.readline() == "ready\n"
        server.pause()
        print(file=child.stdin, flush=True)
        wait_for(
            "it waits for the server", lambda: "S" in Path(f"/proc/{child.pid}/stat").read_text().split()[2]
        )
        os.kill(child.pid, signal.SIGINT)
        assert child.stdout.readline() == "interrupted\n"
