"""What a worker pays for the import alone."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial

from measure import in_turn
from table import Figure, kept, show

from .server import LIBRARY, PYTHON

# `pickle` has been imported by whoever caches anything.
IMPORT = """
import json, os, pickle, time
def pages():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1])
before = pages()
begin = time.perf_counter_ns()
import {module}
taken = time.perf_counter_ns() - begin
print(json.dumps([taken / 1e6, (pages() - before) * os.sysconf('SC_PAGE_SIZE') / 2**20]))
"""

MODULES = {"ours": "dontmanage_cache", "redis-py": "redis", "valkey-py": "valkey"}


def versions() -> str:
    """Of the peers."""
    names = ("redis", "hiredis", "valkey", "libvalkey")
    code = f"from importlib.metadata import version; print(*map(version, {names}))"
    found = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout
    return ", ".join(map(" ".join, zip(names, found.split(), strict=True)))


def measured(module: str) -> list[float]:
    """Milliseconds, and mebibytes of resident memory."""
    env = os.environ | {"PYTHONPATH": str(LIBRARY)}
    command = [str(PYTHON), "-c", IMPORT.format(module=module)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


def run(runs: int) -> None:
    for module in MODULES.values():
        measured(module)
    both: dict[str, list[list[float]]] = {name: [] for name in MODULES}

    def milliseconds(name: str, module: str) -> float:
        both[name].append(measured(module))
        return both[name][-1][0]

    found = in_turn(runs, {name: partial(milliseconds, name, module) for name, module in MODULES.items()})
    sizes = {name: Figure(tuple(one[1] for one in each)) for name, each in both.items()}
    rows = []
    for what, figures, least in [("import, ms", found, 20), ("memory, MiB", sizes, 10)]:
        ratio = figures["redis-py"].median / figures["ours"].median
        cells = [figures[name].shown(2) for name in MODULES]
        rows.append([what, *cells, f"{ratio:.0f} x", f"{least} x", kept(ratio >= least)])
    show(
        "Import into a fresh interpreter that has `pickle`",
        ["", *MODULES, "ours to redis-py", "at least", "kept"],
        rows,
        f"Medians (least–most) of {runs} interleaved runs. "
        "The wrapper's own modules would come on top of redis-py's.",
    )
