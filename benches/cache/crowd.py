"""Several callers at once: threads of one process, and processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from measure import in_turn
from table import kept, show

from .calls import CACHED, CACHES, RAW, STORED
from .server import Server, Worker

SECONDS = 0.5
THREADS = 4


def threads(worker: Worker, call: str) -> float:
    rate: float = worker.ask("rate", call, "forget()", THREADS, SECONDS)
    return rate


def processes(workers: list[Worker], call: str) -> float:
    """Calls a second of all of them together."""
    for worker in workers:
        worker.tell("rate", call, "forget()", 1, SECONDS)
    rates: list[float] = [worker.answer() for worker in workers]
    return sum(rates)


def run(server: Server, runs: int, crew: dict[str, Worker]) -> None:
    second = {name: Worker(name, server) for name in [*CACHES, *RAW]}
    try:
        parts: dict[str, dict[str, Callable[[], float]]] = {"threads": {}, "processes": {}}
        for name, worker in second.items():
            is_cache = name in CACHES
            worker.ask("run", CACHED if is_cache else STORED)
            call = "cache.get_value('kb')" if is_cache else "loads(client.get('kb'))"
            parts["threads"][name] = partial(threads, worker, call)
            parts["processes"][name] = partial(processes, [crew[name], worker], call)
        rows = []
        for part, least in [("threads", 2.5), ("processes", 1.7)]:
            found = in_turn(runs, parts[part])
            ratios = [found[name].median / found["wrapper"].median for name in ("signed", "unsigned")]
            rows.append(
                [
                    f"{THREADS if part == 'threads' else 2} {part}",
                    *(found[name].shown(0) for name in second),
                    *(f"{ratio:.2f} x" for ratio in ratios),
                    f"{least} x",
                    kept(ratios[0] >= least),
                ]
            )
        head = ["callers", "ours", "ours, unsigned", "wrapper on redis-py", "valkey-py", "redis-py"]
        show(
            "get_value of 1 KB by several callers, calls a second together, free",
            [*head, "ours to the wrapper", "unsigned", "at least", "kept"],
            rows,
            f"Medians (least–most) of {runs} interleaved rounds of {SECONDS} s. "
            "Each call is the first of a request.",
        )
    finally:
        for worker in second.values():
            worker.close()
