"""What the kernel knows of processes."""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path


def descendants(root: int) -> set[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name before it may hold blanks and brackets.
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children[int(stat[1])].append(int(entry.name))
    found, front = set(), [root]
    while front:
        pid = front.pop()
        found.add(pid)
        front += children[pid]
    return found


def is_alive(pid: int) -> bool:
    """Whether it exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def mebibytes(pids: Iterable[int], kind: str = "Pss") -> float:
    """Their memory: what is shared counts in parts (Pss) or each time (Rss)."""
    kibibytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                kibibytes += int(line.split()[1])
    return kibibytes / 1024


def cpu_milliseconds(pids: Iterable[int]) -> float:
    """The processor time that all their threads have had."""
    spent = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            spent += int((thread / "schedstat").read_text().split()[0])
    return spent / 1e6


def wakeups(pids: Iterable[int]) -> int:
    """How often all their threads went to sleep of their own will, and so were woken."""
    count = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for line in (thread / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    count += int(line.split()[1])
    return count


def wait_until(condition: Callable[[], bool], limit: float) -> bool:
    """Looks every half millisecond."""
    deadline = time.perf_counter() + limit
    while not condition():
        if time.perf_counter() > deadline:
            return False
        time.sleep(0.0005)
    return True


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
