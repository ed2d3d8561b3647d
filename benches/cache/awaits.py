"""Tasks of an event loop that await the cache, beside redis-py's client for asyncio."""

from __future__ import annotations

from functools import partial

from measure import in_turn
from table import kept, show

from .calls import CACHED, STORED
from .server import Server, Worker

SECONDS = 0.5
# How many tasks, and how many times as much as the peer at least. A single task pays for two changes of
# thread at each call, for which nothing ever holds its loop up.
TASKS = {1: 0.8, 10: 2, 100: 3}
OURS = ["signed", "unsigned"]
PEER = "redis.asyncio"

CALLS = [
    (
        "get_value, 1 KB",
        "await acache.get_value('kb', use_local_cache=False)",
        "loads(await client.get('kb'))",
    ),
    (
        "set_value, 1 KB",
        "await acache.set_value('kb', kb, cache_locally=False)",
        "await client.set('kb', dumps(kb, 5))",
    ),
]


def run(server: Server, runs: int) -> None:
    crew = {name: Worker(name, server) for name in [*OURS, PEER]}
    rows = []
    try:
        for name, worker in crew.items():
            worker.ask("run", CACHED if name in OURS else STORED)
        for what, ours, theirs in CALLS:
            for tasks, least in TASKS.items():
                measures = {
                    name: partial(
                        worker.ask, "rate_awaited", ours if name in OURS else theirs, tasks, SECONDS
                    )
                    for name, worker in crew.items()
                }
                found = in_turn(runs, measures)
                ratios = [found[name].median / found[PEER].median for name in OURS]
                rows.append(
                    [
                        what,
                        str(tasks),
                        *(found[name].shown(0) for name in crew),
                        *(f"{ratio:.2f} x" for ratio in ratios),
                        f"{least:g} x",
                        kept(ratios[0] >= least),
                    ]
                )
    finally:
        for worker in crew.values():
            worker.close()
    show(
        "Calls awaited by so many tasks of one event loop, calls a second together, free",
        ["call", "tasks", "ours", "ours, unsigned", PEER, "ours to it", "unsigned", "at least", "kept"],
        rows,
        f"Medians (least–most) of {runs} interleaved rounds of {SECONDS} s on asyncio's own loop; "
        "each call asks Redis.",
    )
