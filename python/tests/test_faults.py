"""Faults of the server, each from its begin to its end: no exception, no wait past the deadline, no wrong
value, and one line in the log for each end of it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import PATIENCE, Bench, RedisServer, wait_for
from test_away import CALLS, assert_all_do_without, bench_at, impostor, upset
from test_away import short_folder as short_folder

import dontmanage_cache as dontmanage

DEADLINE = 0.2


def comes_back() -> bool:
    """Whether a value that is stored now is found."""
    dontmanage.cache.set_value("back", 1)
    dontmanage.local.cache.clear()
    return dontmanage.cache.get_value("back") == 1


def assert_begin_and_end(capfd: pytest.CaptureFixture[str]) -> None:
    lines = capfd.readouterr().err.splitlines()
    assert ["is away" in line for line in lines] == [True, False], lines
    assert "is back after" in lines[1]


def assert_all_do_without_in_time() -> None:
    """The first call may wait for the deadline, and now and then one that looks whether it is over."""
    start = time.perf_counter()
    assert_all_do_without()
    # Generous, and far from a deadline for each of the calls.
    assert time.perf_counter() - start < 10 * DEADLINE < len(CALLS) * DEADLINE


def test_a_stopped_server_is_told_of_at_both_ends(tmp_path, own_server, capfd):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=DEADLINE)
    server.pause()
    assert_all_do_without_in_time()
    server.resume()
    wait_for("the server is back", comes_back)
    assert_begin_and_end(capfd)


def test_a_loading_server_is_done_without_until_it_has_loaded(tmp_path, own_server, capfd):
    server: RedisServer = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=5)
    # What redis-server can't compress.
    dontmanage.cache.set_values({number: os.urandom(1500) for number in range(200)})
    server.raw.save()
    server.kill()
    # It serves between the keys: 15 ms for each, and another 1024 bytes.
    server.directives = ("--key-load-delay", "15000", "--loading-process-events-interval-bytes", "1024")
    server.launch()

    def say(line: bytes) -> bytes:
        """Without redis-py, which tries again and again."""
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(PATIENCE)
            try:
                raw.connect(str(server.socket))
            except OSError:
                return b""
            raw.sendall(line + b"\r\n")
            return raw.recv(1000)

    def is_loading() -> bool:
        return say(b"PING").startswith(b"-LOADING")

    wait_for("the server loads", is_loading)
    dontmanage.cache.connected()
    capfd.readouterr()
    assert_all_do_without()
    assert is_loading(), "or nothing was shown"
    assert say(b"CONFIG SET key-load-delay 0") == b"+OK\r\n"
    wait_for("it has loaded", server.is_ready)
    dontmanage.local.cache.clear()
    wait_for("the values are back", lambda: len(dontmanage.cache.get_value(199) or b"") == 1500)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert "is back after" in lines[0]


@pytest.mark.parametrize("bytes_sent", [0, 1, 5, 6, 100_000])
def test_a_server_killed_in_the_middle_of_a_reply(tmp_path, own_server, short_folder, capfd, bytes_sent):
    """By way of a relay, which lets so many bytes of the reply pass and kills the server."""
    server: RedisServer = own_server()
    bench = bench_at(server.url, tmp_path)
    dontmanage.cache.set_values({"k": "x" * 200_000, "k2": 2})

    def relay(connection: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as real:
            try:
                real.connect(str(server.socket))
            except OSError:
                return
            while request := connection.recv(65536):
                real.sendall(request)
                reply = real.recv(65536)
                if b"GET" not in request:
                    connection.sendall(reply)
                    continue
                while len(reply) < bytes_sent:
                    reply += real.recv(65536)
                server.kill()
                connection.sendall(reply[:bytes_sent])
                return

    with impostor(short_folder, relay) as url:
        bench.configure(redis_cache=url, redis_cache_timeout=PATIENCE)
        bench.enter()
        start = time.perf_counter()
        assert dontmanage.cache.get_value("k") is None
        assert time.perf_counter() - start < PATIENCE / 2, "a closed connection is not waited for"
        assert dontmanage.cache.get_value("k2") is None
        assert_all_do_without()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines


def test_a_full_server_is_told_of_at_both_ends(tmp_path, own_server, capfd):
    server = own_server()
    bench_at(server.url, tmp_path)
    server.raw.config_set("maxmemory", "1")
    for number in range(100):
        dontmanage.cache.set_value("k", number)
    server.raw.config_set("maxmemory", "0")
    wait_for("it takes values again", comes_back)
    lines = capfd.readouterr().err.splitlines()
    assert ["takes no new values" in line for line in lines] == [True, False], lines


def test_a_read_only_server_is_told_of(tmp_path, own_server, capfd):
    server = own_server()
    bench_at(server.url, tmp_path)
    server.raw.execute_command("REPLICAOF", "127.0.0.1", "1")
    for number in range(100):
        dontmanage.cache.set_value("k", number)
        dontmanage.cache.hset("h", "f", number)
    server.raw.execute_command("REPLICAOF", "NO", "ONE")
    wait_for("it takes values again", comes_back)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2, lines


def test_a_flood_of_bytes_without_an_end_is_left_in_time(tmp_path, short_folder):
    def behave(connection: socket.socket) -> None:
        connection.recv(1000)
        while True:
            connection.sendall(b"+" + b"x" * 65536)

    with impostor(short_folder, behave) as url:
        bench_at(url, tmp_path, redis_cache_timeout=DEADLINE)
        assert_all_do_without_in_time()


def test_replies_to_questions_that_nobody_asked_reach_nobody(tmp_path, short_folder):
    """A peer that sends more replies than it was asked for."""

    def behave(connection: socket.socket) -> None:
        while connection.recv(1000):
            connection.sendall(b"$5\r\n\x80\x05K\x01.\r\n" * 3)

    with impostor(short_folder, behave) as url:
        bench = Bench(tmp_path / "bench", url, signed=False, redis_cache_timeout=DEADLINE)
        bench.enter()
        answers = {dontmanage.cache.get_value(f"k{number}", expires=True) for number in range(50)}
        # The first reply answers the first question; no later question is answered by what lay there.
        assert answers <= {1, None}
        assert dontmanage.cache.lrange("l", 0, -1) in ([], b"\x80\x05K\x01.")


def test_late_replies_of_any_kind_never_reach_another_caller(tmp_path, own_server):
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.02)
    cache = dontmanage.cache
    numbers = range(40)

    def ask(number: int) -> list[tuple[object, object]]:
        """What is found, beside what may be found: that, or nothing."""
        key = f"k{number}"
        return [
            (cache.get_value(key, use_local_cache=False), (None, number)),
            (cache.hget(f"h{number}", "f", default=None), (None, [number])),
            (cache.hgetall(f"h{number}"), ({}, {"f": [number]})),
            (cache.get_values([key], use_local_cache=False), ({}, {key: number})),
            (cache.lrange(f"l{number}", 0, -1), ([], [b"%d" % number])),
            (cache.smembers(f"s{number}"), (set(), {b"%d" % number})),
            (cache.llen(f"l{number}"), (0, 1)),
            (cache.hexists(f"h{number}", "f"), (False, True)),
        ]

    for number in numbers:
        key = f"k{number}"
        wait_for(
            "stored", lambda: cache.set_value(key, number) or cache.get_value(key, expires=True) == number
        )
        wait_for("stored", lambda: cache.hset(f"h{number}", "f", [number]) or cache.hgetall(f"h{number}"))
        server.raw.rpush(cache.make_key(f"l{number}"), number)
        server.raw.sadd(cache.make_key(f"s{number}"), number)
    stop = threading.Event()

    def read() -> None:
        dontmanage.init("a.test", tmp_path / "bench" / "sites")
        while not stop.is_set():
            for number in numbers:
                dontmanage.local.cache.clear()
                for got, allowed in ask(number):
                    if got not in allowed:
                        wrong.append((number, got))
                    elif got == allowed[1]:
                        right.append(number)

    wrong: list[object] = []
    right: list[int] = []
    threads = [
        threading.Thread(target=upset, args=(server, stop)),
        *(threading.Thread(target=read) for _ in range(3)),
    ]
    for thread in threads:
        thread.start()
    try:
        wait_for("some hits among the misses", lambda: len(right) > 2000 or wrong)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        server.resume()
    assert not wrong


def test_the_key_is_in_no_log_whatever_happens(tmp_path, own_server, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    server = own_server()
    bench = Bench(tmp_path / "bench", server.url, signed=True, redis_cache_timeout=DEADLINE)
    bench.enter()
    cache = dontmanage.cache
    cache.set_value("k", 1)
    server.raw.set(bench.full("k"), b"unsigned")
    cache.get_value("k", expires=True)
    server.raw.config_set("maxmemory", "1")
    cache.set_value("k", 2)
    server.kill()
    assert_all_do_without()
    server.start()
    wait_for("the server is back", comes_back)
    text = bench.key.read_text().strip()
    said = capfd.readouterr()
    assert "is away" in said.err
    for form in (text, text.upper(), repr(bytes.fromhex(text))[2:-1]):
        assert form not in said.out + said.err + caplog.text


def test_a_child_inherits_no_key(bench):
    """Neither the environment of a program that the worker starts nor its open files hold the key's file."""
    dontmanage.cache.set_value("k", 1)
    program = "import os; print(open('/proc/self/environ').read(), os.listdir('/proc/self/fd'))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    if bench.key.exists():
        assert bench.key.read_text().strip() not in said
    open_files = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if Path(f"/proc/self/fd/{fd}").exists()
    ]
    assert str(bench.key) not in open_files


def test_an_interrupt_during_a_pipeline_of_values_leaves_nothing_half_done(tmp_path, own_server):
    """After Ctrl-C in the middle of a call, the next call gets its own reply."""
    server = own_server()
    bench_at(server.url, tmp_path, redis_cache_timeout=0.3)
    cache = dontmanage.cache
    cache.set_values({"a": 1, "b": 2})

    class Interrupted(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(6):
            server.pause()
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            try:
                while True:
                    cache.get_value("a", expires=True)
            except Interrupted:
                pass
            server.resume()
            wait_for("the server answers", cache.connected)
            assert cache.get_value("b", expires=True) in (2, None)
            assert cache.get_values(["b", "a"], use_local_cache=False) in ({"b": 2, "a": 1}, {})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        server.resume()
