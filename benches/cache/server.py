"""The redis-server of the cache's benches, and the processes that call it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import wait_until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What `make bench` builds: the library as its wheel lays it out, and the calls from Rust.
LIBRARY = ROOT / "target/benches/python"
RUST = ROOT / "target/benches/release/cache-bench"
PYTHON = ROOT / ".venv/benches/bin/python"

CORES = sorted(os.sched_getaffinity(0))
# One core for the server and whoever calls it: what is measured is work, and not how long a core takes
# to wake up.
SAME = CORES[:1]


class Process:
    """A program that answers each line with a line."""

    def __init__(self, command: list[str]) -> None:
        env = os.environ | {"PYTHONPATH": str(LIBRARY), "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=env
        )
        self.pid = self.process.pid

    def send(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")

    def receive(self) -> str:
        assert self.process.stdout
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"`{self.process.args!r}` has ended: exit status {self.process.wait()}")
        return answer

    def pin(self, cores: list[int]) -> None:
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            os.sched_setaffinity(int(thread), cores)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Worker(Process):
    """A Python process with one client."""

    def __init__(self, client: str, server: Server) -> None:
        super().__init__([str(PYTHON), str(HERE / "worker.py"), client, server.socket, str(server.folder)])
        self.client = client

    def tell(self, *words: Any) -> None:
        self.send(json.dumps(words))

    def answer(self) -> Any:
        return json.loads(self.receive())

    def ask(self, *words: Any) -> Any:
        self.tell(*words)
        return self.answer()


class Rust(Process):
    """A Rust process with all of its clients."""

    def __init__(self, server: Server) -> None:
        super().__init__([str(RUST), server.socket])

    def measure(self, client: str, workload: str, count: int) -> list[float]:
        self.send(f"{client} {workload} {count}")
        return [float(word) for word in self.receive().split()]


class Server:
    """A redis-server on a unix socket, in a folder of its own."""

    def __init__(self, folder: Path, *directives: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.socket = str(folder / "redis.sock")
        # Debian keeps servers in sbin, which is not on everybody's PATH.
        program = shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if not program:
            raise RuntimeError("redis-server is missing: apt-get install redis-server")
        options = ["--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            [program, *options, "--dir", str(folder), *directives],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        if not wait_until(self.answers, 10):
            self.close()
            raise RuntimeError("redis-server does not answer")

    def answers(self) -> bool:
        return self.command("PING").startswith(b"+PONG")

    def command(self, line: str) -> bytes:
        """What the server says to a command at first."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(self.socket)
                connection.sendall(f"{line}\r\n".encode())
                return connection.recv(1 << 16)
            except OSError:
                return b""

    def pin(self, cores: list[int]) -> None:
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(thread), cores)

    def pause(self) -> None:
        """Stops it, and waits until it has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def build() -> None:
    """Builds what is measured, as its wheel is built."""
    cargo = [os.environ.get("CARGO", "cargo"), "build", "--quiet", "--locked"]
    env = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target/benches")}
    print("building the library and its callers in Rust, as for release", file=sys.stderr, flush=True)
    wheel = [*cargo, "--profile", "wheel", "--package", "dontmanage-cache-python"]
    subprocess.run(wheel, cwd=ROOT, env=env, check=True)
    subprocess.run([*cargo, "--release"], cwd=HERE / "rust", env=env, check=True)
    shutil.rmtree(LIBRARY, ignore_errors=True)
    source, library = ROOT / "python/dontmanage_cache/dontmanage_cache", LIBRARY / "dontmanage_cache"
    shutil.copytree(source, library, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "target/benches/wheel/lib_core.so", library / "_core.abi3.so")
    # As pip does.
    subprocess.run([PYTHON, "-m", "compileall", "-q", LIBRARY], check=True)
