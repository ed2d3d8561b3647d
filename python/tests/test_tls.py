"""A cache that is reached by TLS: `rediss://` in the configuration."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from conftest import Bench, RedisServer, wait_for
from dontmanage_cache.caching import redis_cache
from dontmanage_cache.redis_wrapper import RedisWrapper
from test_sentinels import Sentinel

import dontmanage_cache as dontmanage
from dontmanage_cache import sentinels

Servers = Callable[..., RedisServer]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Authority:
    """Somebody who issues certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "ca.pem"
        self.run("req", "-x509", *self.new_key("ca"), "-subj", "/CN=ca", "-days", "30", "-out", "ca.pem")

    def new_key(self, name: str) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]

    def run(self, *words: str) -> None:
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def issue(self, name: str, names: str = "IP:127.0.0.1,DNS:localhost") -> list[str]:
        """The directives of a server with a certificate for these names."""
        self.run("req", *self.new_key(name), "-subj", f"/CN={name}", "-out", f"{name}.csr")
        (self.folder / "names").write_text(f"subjectAltName={names}\n")
        issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30"]
        self.run("x509", "-req", "-in", f"{name}.csr", *issuer, "-extfile", "names", "-out", f"{name}.pem")
        files = {"cert": f"{name}.pem", "key": f"{name}.key", "ca-cert": "ca.pem"}
        return [
            word for kind, file in files.items() for word in (f"--tls-{kind}-file", str(self.folder / file))
        ]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def paper(authority: Authority) -> list[str]:
    return authority.issue("server")


class TlsServer:
    """A server, and its URL by TLS."""

    def __init__(self, make: Servers, paper: list[str], *directives: str) -> None:
        self.port = free_port()
        self.server = make("--tls-port", str(self.port), "--tls-auth-clients", "no", *paper, *directives)

    def url(self, query: str, login: str = "") -> str:
        return f"rediss://{login}127.0.0.1:{self.port}?{query}"


@pytest.fixture
def tls(own_server: Servers, paper: list[str]) -> TlsServer:
    return TlsServer(own_server, paper)


@pytest.fixture
def by_tls(tls: TlsServer, authority: Authority, tmp_path: Path) -> Bench:
    """A bench whose site has been entered and whose cache is reached by TLS."""
    made = Bench(tmp_path / "bench", tls.url(f"ssl_ca_certs={authority.file}"), signed=True)
    made.enter()
    return made


def test_values_hashes_and_large_values_pass_by_tls(by_tls: Bench, tls: TlsServer) -> None:
    cache = dontmanage.cache
    large = "x" * (3 << 20)
    cache.set_value("k", large)
    cache.set_value("t", 1, expires_in_sec=60)
    cache.hset("h", "f", {"a": [1, 2]})
    cache.set_values({f"many|{number}": number for number in range(300)})
    by_tls.enter()
    assert cache.get_value("k") == large
    assert cache.get_value("t") == 1
    assert cache.hgetall("h") == {"f": {"a": [1, 2]}}
    assert len(cache.get_keys("many")) == 300
    cache.delete_keys("many")
    assert cache.get_keys("many") == []
    assert tls.server.raw.exists(by_tls.full("k")), "it is in the server"
    assert cache.connected()


def test_commands_of_redis_py_go_the_same_way(by_tls: Bench, tls: TlsServer) -> None:
    key = dontmanage.cache.make_key("n")
    assert dontmanage.cache.incr(key) == 1
    pipe = dontmanage.cache.pipeline()
    pipe.incr(key).incr(key)
    assert pipe.execute() == [2, 3]
    assert issubclass(dontmanage.cache.connection_pool.connection_class, redis.SSLConnection)


def test_functions_keep_their_answers_by_tls(by_tls: Bench) -> None:
    calls = []

    @redis_cache(ttl=60)
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    for _ in range(3):
        by_tls.enter()
        assert double(21) == 42
    assert calls == [21]


def test_tasks_of_a_loop_use_it_too(by_tls: Bench) -> None:
    async def work() -> list[Any]:
        cache = dontmanage.acache
        await asyncio.gather(*(cache.set_value(f"k{number}", "x" * 50_000) for number in range(20)))
        await cache.hset("h", "f", 1)
        found = await cache.get_values([f"k{number}" for number in range(20)])
        return [await cache.hgetall("h"), *found.values()]

    hashes, *values = asyncio.run(work())
    assert hashes == {"f": 1}
    assert values == ["x" * 50_000] * 20


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "who is trusted here"),
        ("ssl_ca_certs=/nowhere/ca.pem", "`ssl_ca_certs` names `/nowhere/ca.pem`"),
    ],
)
def test_an_untrusted_server_costs_no_exception_and_one_line(
    query: str, words: str, tls: TlsServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path / "bench", tls.url(query), signed=True)
    for _ in range(5):
        bench.enter()
        dontmanage.cache.set_value("k", 1)
        bench.enter()
        assert dontmanage.cache.get_value("k") is None
    assert not dontmanage.cache.connected()
    said = capfd.readouterr().err
    assert said.count("the cache is away") == 1, said
    assert words in said or "trusts nobody" in said, said
    assert not tls.server.raw.keys("*"), "and nothing has been stored some other way"
    with pytest.raises(redis.ConnectionError):
        dontmanage.cache.incr("n")


def test_a_plain_port_gets_no_value(own_server: Servers, authority: Authority, tmp_path: Path, capfd) -> None:
    port = free_port()
    server = own_server("--port", str(port), "--bind", "127.0.0.1")
    url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={authority.file}"
    bench = Bench(tmp_path / "bench", url, signed=True, redis_cache_connect_timeout=0.4)
    bench.enter()
    start = time.perf_counter()
    dontmanage.cache.set_value("k", 1)
    bench.enter()
    assert dontmanage.cache.get_value("k") is None
    assert time.perf_counter() - start < 10
    assert "speaks no TLS" in capfd.readouterr().err
    assert not server.raw.keys("*")


def test_what_is_not_verified_is_told_once(
    own_server: Servers, authority: Authority, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = TlsServer(own_server, authority.issue("other", "DNS:cache.example"))
    for query, words in (
        ("ssl_cert_reqs=none", "`ssl_cert_reqs=none`"),
        (f"ssl_ca_certs={authority.file}&ssl_check_hostname=false", "`ssl_check_hostname=false`"),
    ):
        bench = Bench(tmp_path / words, server.url(query), signed=True)
        for number in range(3):
            bench.enter()
            dontmanage.cache.set_value("k", number)
            bench.enter()
            assert dontmanage.cache.get_value("k") == number
            assert dontmanage.cache.incr(dontmanage.cache.make_key("n")) == number + 1
        said = capfd.readouterr().err
        assert said.count(words) == 1, said


def test_a_certificate_of_the_worker_is_shown_where_one_is_asked_for(
    own_server: Servers, authority: Authority, paper: list[str], tmp_path: Path, capfd
) -> None:
    server = TlsServer(own_server, paper, "--tls-auth-clients", "yes")
    authority.issue("worker")
    files = f"ssl_certfile={authority.folder}/worker.pem&ssl_keyfile={authority.folder}/worker.key"
    bench = Bench(tmp_path / "a", server.url(f"ssl_ca_certs={authority.file}&{files}"), signed=True)
    bench.enter()
    dontmanage.cache.set_value("k", 1)
    assert server.server.raw.exists(bench.full("k"))
    assert dontmanage.cache.incr(dontmanage.cache.make_key("n")) == 1
    other = Bench(tmp_path / "b", server.url(f"ssl_ca_certs={authority.file}"), signed=True)
    other.enter()
    dontmanage.cache.set_value("k", 1)
    assert "asks for a client certificate" in capfd.readouterr().err


def test_a_server_that_stops_and_dies_costs_time_only(
    tls: TlsServer, authority: Authority, tmp_path: Path
) -> None:
    url = tls.url(f"ssl_ca_certs={authority.file}")
    bench = Bench(tmp_path / "bench", url, signed=True, redis_cache_timeout=0.3)
    bench.enter()
    dontmanage.cache.set_value("k", "x" * (1 << 20))

    def is_back() -> bool:
        bench.enter()
        dontmanage.cache.set_value("k", 2)
        bench.enter()
        return dontmanage.cache.get_value("k") == 2

    tls.server.pause()
    bench.enter()
    start = time.perf_counter()
    assert dontmanage.cache.get_value("k") is None
    assert time.perf_counter() - start < 10
    tls.server.resume()
    wait_for("it answers again", is_back)
    tls.server.kill()
    bench.enter()
    assert dontmanage.cache.get_value("k") is None
    tls.server.start()
    wait_for("it is found again", is_back)


def test_a_forked_child_has_sessions_of_its_own(by_tls: Bench) -> None:
    dontmanage.cache.set_value("k", "parent's")
    children = []
    for number in range(3):
        if not (child := os.fork()):
            code = 1
            try:
                by_tls.enter()
                for _ in range(50):
                    dontmanage.cache.set_value(f"k{number}", number)
                    by_tls.enter()
                    assert dontmanage.cache.get_value(f"k{number}") == number
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    for _ in range(50):
        by_tls.enter()
        assert dontmanage.cache.get_value("k") == "parent's"
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    by_tls.enter()
    assert [dontmanage.cache.get_value(f"k{number}") for number in range(3)] == [0, 1, 2]


def test_a_client_of_redis_py_hands_its_options_on(
    tls: TlsServer, authority: Authority, bench: Bench
) -> None:
    path = str(authority.file)
    for client in (
        RedisWrapper.from_url(tls.url(f"ssl_ca_certs={path}")),
        RedisWrapper(host="127.0.0.1", port=tls.port, ssl=True, ssl_ca_certs=path),
        RedisWrapper(host="127.0.0.1", port=tls.port, ssl=True, ssl_cert_reqs="none"),
        RedisWrapper(host="127.0.0.1", port=tls.port, ssl=True, ssl_cert_reqs=ssl.CERT_NONE),
    ):
        client.set_value("k", 1)
        assert tls.server.raw.exists(bench.full("k"))
        assert client.ping()
        tls.server.raw.flushall()
    for options in ({"ssl_ciphers": "x"}, {"ssl_min_version": ssl.TLSVersion.TLSv1_3}, {"ssl_password": "x"}):
        with pytest.raises(dontmanage.CacheError, match=next(iter(options))):
            RedisWrapper(host="127.0.0.1", port=tls.port, ssl=True, **options)
    RedisWrapper(host="127.0.0.1", port=tls.port, ssl=True, ssl_min_version=ssl.TLSVersion.TLSv1_2)


def test_an_option_that_is_not_understood_is_an_error_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench", "rediss://127.0.0.1:1?ssl_cert_reqs=maybe", signed=True)
    with pytest.raises(dontmanage.CacheError, match="`required` or `none`"):
        bench.enter()


def test_a_watched_master_and_its_sentinels_are_reached_by_tls(
    tls: TlsServer, authority: Authority, paper: list[str], tmp_path: Path, caplog
) -> None:
    sentinels._watches.clear()
    # That the sentinel itself reaches the master by TLS is its own setting.
    watching = Sentinel(tmp_path, tls.port, *paper, "--tls-auth-clients", "no", "--tls-replication", "yes")
    try:
        for query, works in ((f"ssl_ca_certs={authority.file}", True), ("", False)):
            bench = Bench(tmp_path / f"bench{works}", "redis://127.0.0.1:1", signed=True)
            bench.configure(
                redis_cache=f"rediss://127.0.0.1:1?{query}",
                redis_cache_sentinel_enabled=1,
                redis_cache_sentinels=[f"localhost:{watching.tls_port}"],
                redis_cache_sentinel_password="s3cret",
                redis_cache_master_service="cache",
            )
            bench.enter()
            dontmanage.cache.set_value("k", 1)
            assert bool(tls.server.raw.exists(bench.full("k"))) is works
            assert ("certificate verify failed" in caplog.text) is not works
    finally:
        watching.close()
