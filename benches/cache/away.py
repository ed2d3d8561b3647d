"""A server that is gone, or stands still."""

from __future__ import annotations

import select
from statistics import median

from table import kept, show

from .server import Server, Worker

CLIENTS = ["signed", "wrapper"]
CALL = "cache.get_value('nothing')"
# A client without a deadline waits for ever; so long is enough to see it.
LIMIT = 3.0


def first_and_next(worker: Worker) -> tuple[float, float] | None:
    """Microseconds of the first call, and of each after it; none for a call that does not come back."""
    # The wrapper remembers misses, too.
    worker.tell("run", f"forget(); {CALL}")
    assert worker.process.stdout
    if not select.select([worker.process.stdout], [], [], LIMIT)[0]:
        return None
    first: float = worker.answer()
    # Less than the time for which the server is left alone, so that no look at it is among them.
    return first, worker.ask("measure", CALL, "forget()", 100)[0]


def run(server: Server, runs: int) -> None:
    found: dict[tuple[str, str], list[tuple[float, float] | None]] = {}
    for number in range(runs):
        for client in CLIENTS:
            for fault in ("down", "stopped"):
                victim = Server(server.folder / f"{fault}{number}{client}")
                worker = Worker(client, victim)
                try:
                    worker.ask("run", "cache.set_value('small', small)")
                    worker.ask("measure", CALL, "forget()", 50)
                    if fault == "down":
                        victim.close()
                    else:
                        victim.pause()
                    found.setdefault((fault, client), []).append(first_and_next(worker))
                finally:
                    worker.close()
                    victim.close()
    rows = []
    for fault, least_first, least in [("down", None, 100.0), ("stopped", 250_000.0, 100.0)]:
        cells = []
        for client in CLIENTS:
            times = [one for one in found[fault, client] if one]
            if len(times) < runs:
                cells += [f"more than {LIMIT:.0f} s: it hangs", ""]
                continue
            cells += [f"{median(one[at] for one in times):,.1f}" for at in (0, 1)]
        ours = [one for one in found[fault, "signed"] if one]
        is_kept = len(ours) == runs and median(one[1] for one in ours) <= least
        if least_first:
            is_kept = is_kept and median(one[0] for one in ours) <= least_first
        goal = f"{least_first / 1000:.0f} ms, {least / 1000} ms" if least_first else f"{least / 1000} ms"
        rows.append([f"Redis {fault}", *cells, goal, kept(is_kept)])
    show(
        "get_value without a server, µs",
        ["", "ours, first", "each after", "wrapper on redis-py, first", "each after", "at most", "kept"],
        rows,
        f"Medians of {runs} runs. Down: killed under a live client; stopped: SIGSTOP.",
    )
