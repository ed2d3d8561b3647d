"""Cached documents, beside the same by hand on redis-py and pickle, and beside the database alone.

The database is SQLite, the fastest that there is for a row by its key: any other makes the cache look better.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from statistics import median

from cache.server import LIBRARY, PYTHON, SAME, Server, build
from machine import version
from stand import Stand
from table import show

HERE = Path(__file__).resolve().parent

ROWS = {
    "in the cache, new request": ("hit", "hit by hand", "database"),
    "again in a request": ("again", "", ""),
    "not in the cache": ("miss", "miss by hand", "database"),
    "a field, new request": ("value", "hit by hand", "field"),
    "a field again in a request": ("value again", "", ""),
    "a change and its commit": ("write", "write by hand", "write alone"),
}


def run(stand: Stand, runs: int) -> None:
    build()
    server = Server(Path(stand.folder) / "documents")
    try:
        found = [measured(server, number) for number in range(runs)]
    finally:
        server.close()
    times = {name: median(one[name] for one in found) for name in found[0]}
    rows = []
    for row, (ours, by_hand, database) in ROWS.items():
        cells = [f"{times[name]:.1f}" if name else "" for name in (ours, by_hand, database)]
        ratios = [f"{times[name] / times[ours]:.1f} x" if name else "" for name in (by_hand, database)]
        rows.append([row, *cells, *ratios])
    show(
        "Cached documents, µs",
        ["call", "ours", "redis-py and pickle", "the database alone", "by hand to ours", "database to ours"],
        rows,
        f"p50; medians of {runs} runs; redis-server {version('redis-server', '--version', word=2)}, the server "
        "and its caller on one core. A document of 12 fields, signed. By hand it is fetched, unpickled, stored "
        "and deleted without regard to who writes meanwhile; the change is `db.set_value` of ours, and a bare UPDATE "
        "beside it.",
    )


def measured(server: Server, number: int) -> dict[str, float]:
    """Medians in µs, from a process of its own."""
    folder = server.folder / str(number)
    folder.mkdir()
    server.pin(SAME)
    done = subprocess.run(
        ["taskset", "-c", str(SAME[0]), str(PYTHON), str(HERE / "worker.py"), server.socket, str(folder)],
        env=os.environ | {"PYTHONPATH": str(LIBRARY), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
