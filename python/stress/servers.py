"""A redis-server that is killed and started again, and a bench on disk that uses it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 30.0


class Redis:
    """A redis-server on a unix socket. What it knew is gone when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        program = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program is None:
            sys.exit("error: redis-server is not installed\n  fix: apt-get install redis-server")
        options = {"port": "0", "unixsocket": self.socket, "dir": folder, "save": "", "appendonly": "no"}
        self.command = [
            program,
            *(str(word) for name, value in options.items() for word in (f"--{name}", value)),
        ]
        self.start()

    def start(self) -> None:
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"error: redis-server did not start\n{(self.folder / 'redis.log').read_text()}")
            time.sleep(0.002)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def make_bench(folder: Path, redis: Redis) -> None:
    """A bench with one site, whose deadlines only a server misses that is away."""
    (folder / "sites" / "stress.test").mkdir(parents=True)
    (folder / "config").mkdir()
    (folder / "config" / "cache.key").touch(0o600)
    (folder / "config" / "cache.key").write_text(os.urandom(32).hex() + "\n")
    common = {
        "redis_cache": f"unix://{redis.socket}",
        "redis_cache_timeout": PATIENCE,
        "redis_cache_connect_timeout": PATIENCE,
    }
    (folder / "sites" / "common_site_config.json").write_text(json.dumps(common))
    (folder / "sites" / "stress.test" / "site_config.json").write_text(json.dumps({"db_name": "_stress"}))
