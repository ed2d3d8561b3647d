"""`delete_keys` of a few amid many, and who waits for it."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from table import kept, show

from .server import Rust, Server, Worker

MANY = 990_000
FEW = 10_000
SHORTER = 75
LONGER = 1.5
CLIENTS = ["patient", "wrapper"]


def clear(server: Server, rust: Rust, worker: Worker) -> list[float]:
    """Milliseconds of the call, and the longest and the median that another client waited."""
    beginning = worker.ask("key", "doomed")
    server.command(f"DEBUG POPULATE {FEW} {beginning} 20")
    before = int(server.command("DBSIZE")[1:])
    rust.send("probe")
    rust.receive()
    taken = worker.ask("run", "cache.delete_keys('doomed')")
    rust.send("that is all")
    middle, _, longest = (float(word) for word in rust.receive().split())
    if before - int(server.command("DBSIZE")[1:]) != FEW:
        raise RuntimeError(f"{worker.client}: not all keys have been removed, or others too")
    return [taken / 1000, longest / 1000, middle / 1000]


def run(folder: Path, runs: int) -> None:
    server = Server(folder / "many", "--enable-debug-command", "yes")
    crew = {name: Worker(name, server) for name in CLIENTS}
    rust = Rust(server)
    try:
        for worker in crew.values():
            worker.ask("run", "cache.set_value('small', small)")
        server.command(f"DEBUG POPULATE {MANY} other|key 20")
        found: dict[str, list[list[float]]] = {name: [] for name in crew}
        for _ in range(runs):
            for name, worker in crew.items():
                found[name].append(clear(server, rust, worker))
    finally:
        for worker in crew.values():
            worker.close()
        rust.close()
        server.close()
    times = {name: [median(one) for one in zip(*each, strict=True)] for name, each in found.items()}
    ours, peer = times["patient"], times["wrapper"]
    rows = [
        [
            what,
            f"{ours[at]:.2f}",
            f"{peer[at]:.2f}",
            f"{ours[at] / peer[at]:.2f}" if at == 0 else f"1/{peer[at] / ours[at]:.0f}",
            goal,
            verdict,
        ]
        for at, what, goal, verdict in [
            (0, "the call", f"at most {LONGER}", kept(ours[0] <= LONGER * peer[0])),
            (1, "another client's longest wait", f"1/{SHORTER}", kept(peer[1] >= SHORTER * ours[1])),
        ]
    ]
    show(
        f"delete_keys of {FEW:,} keys amid {MANY + FEW:,}, ms, free",
        ["", "ours", "wrapper on redis-py", "ours of the wrapper", "at most", "kept"],
        rows,
        f"Medians of {runs} interleaved runs. Meanwhile another client asks for one value again and again.",
    )
