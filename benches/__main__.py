"""`make bench`: our figures beside those of the tools of the field, on one machine, in one run.

`make bench ONLY="commands lines"` measures only these parts; `RUNS=3` does fewer runs.
"""

import argparse
import tempfile
from pathlib import Path

import cache
import commands
import documents
import ending
import launch
import lines
import machine
import memory
from stand import OURS, PEERS, ULTRAMAN, Stand

PARTS = {
    "commands": (commands.run, 21),
    "launch": (launch.run, 11),
    "memory": (memory.run, 3),
    "lines": (lines.run, 3),
    "ending": (ending.run, 7),
    "cache": (cache.run, 7),
    "documents": (documents.run, 5),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benches", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], help=" ".join(PARTS))
    parser.add_argument("--runs", type=int, help="how often each figure is measured")
    args = parser.parse_args()
    print(f"Machine: {machine.describe()}")
    parts = args.parts or list(PARTS)
    if not {*parts} <= {"cache", "documents"}:
        print(f"Versions: {', '.join(versions())}")
    with tempfile.TemporaryDirectory(prefix="benches-") as folder:
        stand = Stand(Path(folder))
        for part in parts:
            measure, runs = PARTS[part]
            measure(stand, args.runs or runs)


def versions() -> list[str]:
    """Of the tools."""
    found = [
        f"bench {machine.version(str(OURS), '--version', word=1)}",
        f"frappe-bench {machine.version(str(PEERS / 'bench'), '--version', word=0)}",
        f"honcho {machine.version(str(PEERS / 'honcho'), 'version', word=1)}",
        f"redis-server {machine.version('redis-server', '--version', word=2)}",
    ]
    if ULTRAMAN.exists():
        found.append(f"ultraman {machine.version(str(ULTRAMAN), '--version', word=1)}")
    return found


main()
