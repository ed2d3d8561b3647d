"""A real redis-server and a bench on disk for every test that asks for them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import dontmanage_cache as dontmanage

# The databases' fixtures.
pytest_plugins = ["databases"]

# Long enough for a machine that is busy with other tests.
PATIENCE = 30.0


def wait_for(what: str, condition: Callable[[], Any]) -> Any:
    """The condition's first true answer; fails if there is none in time."""
    end = time.monotonic() + PATIENCE
    while True:
        if answer := condition():
            return answer
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.002)


class RedisServer:
    """A redis-server of a test's own, in a folder of its own."""

    def __init__(self, *directives: str) -> None:
        # A unix socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="redis"))
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.directives = directives
        self.start()

    def start(self) -> None:
        self.launch()
        wait_for("redis-server answers", self.is_ready)

    def launch(self) -> None:
        """Starts it, and does not wait until it is ready."""
        program = shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert program, "redis-server is needed for this test: apt-get install redis-server"
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, *words, *self.directives], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.raw = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=PATIENCE)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.raw.ping())
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.raw.close()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def calls(self, command: str) -> int:
        """How often the server has done a command."""
        return int(self.raw.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


class Bench:
    """A bench on disk, with two sites."""

    def __init__(self, folder: Path, url: str, *, signed: bool, **config: Any) -> None:
        self.folder = folder
        self.sites = folder / "sites"
        self.prefix = f"_{secrets.token_hex(6)}"
        for site, name in (("a.test", self.prefix), ("b.test", f"{self.prefix}b")):
            (self.sites / site).mkdir(parents=True)
            (self.sites / site / "site_config.json").write_text(json.dumps({"db_name": name}))
        (folder / "config").mkdir()
        self.key = folder / "config" / "cache.key"
        if signed:
            self.key.touch(0o600)
            self.key.write_text(secrets.token_hex(32) + "\n")
        self.configure(
            redis_cache=url,
            **{"redis_cache_timeout": PATIENCE, "redis_cache_connect_timeout": PATIENCE} | config,
        )

    def configure(self, **config: Any) -> None:
        (self.sites / "common_site_config.json").write_text(json.dumps(config))

    def enter(self, site: str = "a.test") -> None:
        """A fresh request."""
        dontmanage.init(site, self.sites)

    def full(self, key: str) -> bytes:
        return f"{self.prefix}|{key}".encode()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith(("DONTMANAGE_", "SITES_PATH", "BENCH_DIR"))]:
        monkeypatch.delenv(name, raising=False)
    yield
    dontmanage.destroy()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def own_server() -> Iterator[Callable[..., RedisServer]]:
    """Makes servers that a test may stop, fill or kill."""
    servers: list[RedisServer] = []

    def make(*directives: str) -> RedisServer:
        servers.append(RedisServer(*directives))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(params=["signed", "bare"])
def bench(request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path: Path) -> Bench:
    """A bench, once with signed and once with bare values, whose site has been entered."""
    made = Bench(tmp_path / "bench", redis_server.url, signed=request.param == "signed")
    made.enter()
    return made


@pytest.fixture
def cache(bench: Bench) -> dontmanage.Cache:
    return dontmanage.cache


@pytest.fixture
def raw(redis_server: RedisServer) -> redis.Redis:
    """The server as another client sees it."""
    return redis_server.raw
