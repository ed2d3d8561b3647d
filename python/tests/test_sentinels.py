"""A cache that Redis' sentinels watch: workers go to whoever is the master."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from conftest import PATIENCE, Bench, RedisServer, wait_for

import dontmanage_cache as dontmanage
from dontmanage_cache import sentinels


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Sentinel:
    """A redis-server that watches a master called `cache`."""

    def __init__(self, folder: Path, master: int, *directives: str) -> None:
        self.port = free_port()
        self.tls_port = free_port() if directives else 0
        config = folder / f"sentinel{self.port}.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor cache 127.0.0.1 {master} 1\n"
            "sentinel down-after-milliseconds cache 300\nsentinel failover-timeout cache 2000\n"
            "requirepass s3cret\n"
        )
        self.process = subprocess.Popen(
            ["redis-server", str(config), "--sentinel", "--tls-port", str(self.tls_port), *directives],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self.raw = redis.Redis(port=self.port, password="s3cret", socket_timeout=PATIENCE)
        wait_for("the sentinel answers", self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.raw.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        self.raw.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def pair(own_server: Callable[..., RedisServer]) -> tuple[tuple[int, RedisServer], tuple[int, RedisServer]]:
    """A master and its replica."""
    ports = free_port(), free_port()
    master = own_server("--port", str(ports[0]), "--bind", "127.0.0.1")
    replica = own_server(
        "--port", str(ports[1]), "--bind", "127.0.0.1", "--replicaof", "127.0.0.1", str(ports[0])
    )
    wait_for("the replica follows", lambda: replica.raw.info("replication")["master_link_status"] == "up")
    return (ports[0], master), (ports[1], replica)


@pytest.fixture
def sentinel(pair, tmp_path) -> Iterator[Sentinel]:
    made = Sentinel(tmp_path, pair[0][0])
    wait_for("it knows the replica", lambda: len(made.raw.sentinel_slaves("cache")) == 1)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def forgetful():
    sentinels._watches.clear()


def bench_watched(folder: Path, *ports: int, **config: object) -> Bench:
    made = Bench(folder / "bench", "redis://127.0.0.1:1", signed=True)
    made.configure(
        redis_cache="redis://127.0.0.1:1",
        redis_cache_sentinel_enabled=1,
        redis_cache_sentinels=[f"127.0.0.1:{port}" for port in ports],
        redis_cache_sentinel_password="s3cret",
        redis_cache_master_service="cache",
        **config,
    )
    made.enter()
    return made


def test_the_master_is_found_and_followed_when_another_becomes_it(tmp_path, pair, sentinel):
    (_, first), (_, second) = pair
    # One that nobody listens at is passed over.
    bench = bench_watched(tmp_path, free_port(), sentinel.port)
    dontmanage.cache.set_value("k", 1)
    assert first.raw.exists(bench.full("k"))
    assert dontmanage.cache.get(dontmanage.cache.make_key("k")), "redis-py's commands go there too"
    wait_for("the replica has it", lambda: second.raw.exists(bench.full("k")))
    first.kill()

    def is_back() -> bool:
        bench.enter()
        dontmanage.cache.set_value("k2", 2)
        bench.enter()
        return dontmanage.cache.get_value("k2") == 2

    wait_for("the other is the master", is_back)
    assert second.raw.exists(bench.full("k2"))
    assert dontmanage.cache.get_value("k") == 1


def test_a_master_that_was_put_down_to_a_replica_is_left(tmp_path, pair, sentinel, monkeypatch):
    monkeypatch.setattr(sentinels, "FRESH", 0.0)
    (_, _), (_, second) = pair
    bench = bench_watched(tmp_path, sentinel.port)
    dontmanage.cache.set_value("k", 1)

    def is_begun() -> bool:
        try:
            return bool(sentinel.raw.execute_command("SENTINEL", "FAILOVER", "cache"))
        except redis.ResponseError:
            # It has not yet heard how the replica does.
            return False

    wait_for("the sentinel changes the master", is_begun)
    wait_for("roles are swapped", lambda: second.raw.role()[0] == b"master")

    def is_stored() -> bool:
        bench.enter()
        dontmanage.cache.set_value("k2", 2)
        return bool(second.raw.exists(bench.full("k2")))

    wait_for("writes reach the new master", is_stored)


def test_without_any_sentinel_a_worker_goes_on_without_the_cache(tmp_path, caplog):
    bench = bench_watched(tmp_path, free_port(), free_port())
    for _ in range(20):
        dontmanage.cache.set_value("k", 1)
        bench.enter()
    assert dontmanage.cache.get_value("k", default="gone") == "gone"
    [line] = [record.getMessage() for record in caplog.records if "sentinel" in record.getMessage()]
    assert "`cache`" in line
    assert "s3cret" not in caplog.text


def test_a_server_that_is_no_sentinel_and_a_name_that_none_knows_are_said(tmp_path, pair, sentinel, caplog):
    bench_watched(tmp_path, pair[0][0])
    assert "127.0.0.1" in caplog.text
    caplog.clear()
    sentinels._watches.clear()
    made = Bench(tmp_path / "other", "redis://127.0.0.1:1", signed=True)
    made.configure(
        redis_cache_sentinel_enabled=1,
        redis_cache_sentinels=[f"127.0.0.1:{sentinel.port}"],
        redis_cache_sentinel_password="s3cret",
        redis_cache_master_service="nobody",
    )
    made.enter()
    assert "it knows no master `nobody`" in caplog.text


@pytest.mark.parametrize(
    "words", [b"*2\r\n$1\r\nx", b"HTTP/1.1 400\r\n\r\n", b"", b"*2\r\n$9\r\nab\r\n$1\r\n1\r\n"]
)
def test_nonsense_of_a_sentinel_is_left_in_time(words, monkeypatch):
    listener = socket.create_server(("127.0.0.1", 0))
    conf = {"redis_cache_sentinels": [f"127.0.0.1:{listener.getsockname()[1]}"]}
    import threading

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(words)
        over.wait(PATIENCE)
        connection.close()

    over = threading.Event()
    thread = threading.Thread(target=serve)
    thread.start()
    start = time.perf_counter()
    assert sentinels.master_url(conf, timeout=0.2) is None
    assert time.perf_counter() - start < 5
    over.set()
    thread.join()
    listener.close()


def test_names_and_passwords_of_the_master_are_used(tmp_path, own_server):
    port = free_port()
    server = own_server("--port", str(port), "--bind", "127.0.0.1", "--requirepass", "p@ss/word")
    server.raw = redis.Redis(unix_socket_path=str(server.socket), password="p@ss/word")
    watching = Sentinel(tmp_path, port)
    try:
        bench = bench_watched(tmp_path, watching.port, redis_cache_master_password="p@ss/word")
        dontmanage.cache.set_value("k", 1)
        assert server.raw.exists(bench.full("k"))
        assert "p@ss" not in repr(dontmanage.cache)
    finally:
        watching.close()
