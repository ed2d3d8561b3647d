"""From the command to the running programs."""

import socket
import subprocess
import time
from functools import partial

from measure import in_turn
from runners import Runner, waiting
from stand import OURS, Stand
from table import kept, show

FASTER = 10


def milliseconds(runner: Runner, count: int, first: str = "") -> float:
    with runner.start([waiting(runner.folder)] * count, first=first) as run:
        return (run.wait_for(count) - run.begin) * 1000


def redis_alone(runner: Runner, port: int) -> float:
    """The floor of a bench: until redis-server by itself answers."""
    begin = time.perf_counter()
    command = ["redis-server", "config/redis_cache.conf"]
    with subprocess.Popen(command, cwd=runner.folder, env=runner.env, stdout=subprocess.DEVNULL) as server:
        try:
            while True:
                try:
                    with socket.create_connection(("127.0.0.1", port)) as connection:
                        connection.sendall(b"PING\r\n")
                        if connection.recv(16).startswith(b"+PONG"):
                            return (time.perf_counter() - begin) * 1000
                except OSError:
                    time.sleep(0.0005)
        finally:
            server.terminate()


def run(stand: Stand, runs: int) -> None:
    ours, peer, floor = stand.ours(), stand.peer(), stand.floor()
    rows: list[list[str]] = []
    for count in (1, 10, 100):
        tools = [ours, peer, *stand.others(), floor]
        found = in_turn(runs, {tool.name: partial(milliseconds, tool, count) for tool in tools})
        ratio = found[peer.name].median / found[ours.name].median
        for tool in tools:
            cells = [str(count), tool.name, found[tool.name].shown()]
            verdict = kept(ratio >= FASTER) if count == 1 else ""
            rows.append([*cells, *([f"1/{ratio:.1f}", verdict] if tool == ours else ["", ""])])
    port = stand.free_port()
    ours = stand.ours(redis_port=port)
    subprocess.run(
        [OURS, "setup", "redis", "--yes"], cwd=ours.folder, env=ours.env, check=True, capture_output=True
    )
    first = "redis_cache: redis-server config/redis_cache.conf\n"
    found = in_turn(
        runs, {"ours": partial(milliseconds, ours, 1, first), "floor": partial(redis_alone, ours, port)}
    )
    rows.append(["redis + 1", ours.name, found["ours"].shown(), "", ""])
    rows.append(["redis", "floor: until it answers", found["floor"].shown(), "", ""])
    show(
        "Start to running programs, ms",
        ["programs", "tool", "until the last runs", "of the peer", f"at most 1/{FASTER}"],
        rows,
        f"Medians (least–most) of {runs} interleaved runs. A program is `sh`, which says that it runs. "
        "Where redis is one of them, bench starts the other when redis has answered.",
    )
