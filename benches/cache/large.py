"""Large values in a worker that has much in memory: what the garbage collector does to them."""

from __future__ import annotations

from statistics import median

from table import kept, show

from .calls import CACHED, CACHES
from .server import SAME, Server, Worker

LEAST = 10
COUNT = 300


def run(server: Server, runs: int) -> None:
    crew = {name: Worker(name, server) for name in CACHES}
    found: dict[str, list[list[float]]] = {name: [] for name in crew}
    try:
        for worker in crew.values():
            worker.pin(SAME)
            worker.ask("run", CACHED)
            worker.ask("grow")
        for _ in range(runs):
            for name, worker in crew.items():
                found[name].append(worker.ask("measure", "cache.get_value('big')", "forget()", COUNT))
    finally:
        for worker in crew.values():
            worker.close()
    times = {name: [median(values) for values in zip(*each, strict=True)] for name, each in found.items()}
    ratio = times["wrapper"][1] / times["signed"][1]
    show(
        "get_value of 100 KB in a worker with a large heap, µs, same",
        ["", "ours", "ours, unsigned", "wrapper on redis-py", "ours to the wrapper", "at least", "kept"],
        [
            [
                what,
                *(f"{times[name][at]:,.0f}" for name in crew),
                f"{times['wrapper'][at] / times['signed'][at]:.1f} x",
                f"{LEAST} x" if at == 1 else "",
                kept(ratio >= LEAST) if at == 1 else "",
            ]
            for at, what in enumerate(["p50", "p99", "longest"])
        ],
        f"40,000 rows in memory beside it; medians of {runs} interleaved rounds of {COUNT} calls.",
    )
