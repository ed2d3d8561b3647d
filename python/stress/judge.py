"""Who was wrong: a reader who got an older version than one whose commit had returned before he asked.

The judge knows nothing of the cache. The order of versions is the database's: a row's version goes up by one
in the transaction that changes it, under the row's lock. That a commit has returned is told through memory
that all processes share, and by the writer only after it has returned; a reader looks there before he asks.
So whatever the judge calls a violation is one: between the two looks at that memory lies the whole of the
commit's return, and the whole of the read's begin. It may miss some, never invent any.

Each process writes to places of its own, of eight bytes each, and looks at all: no lock is needed, and none
can be left behind by a process that is killed.
"""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path

# What is counted, for each process.
COUNTS = ("reads", "loads", "writes", "rollbacks", "stale", "backwards", "dirty")


class Judge:
    """The memory that all processes share, in a file."""

    def __init__(self, path: Path, processes: int, names: int) -> None:
        self.path = path
        self.processes = processes
        self.names = names
        size = 8 * processes * (2 * names + len(COUNTS))
        if not path.exists():
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self.memory = memoryview(mmap.mmap(file.fileno(), size)).cast("Q")

    def _place(self, process: int, kind: int) -> int:
        """Versions whose commit has returned; versions that were read; counts."""
        return process * (2 * self.names + len(COUNTS)) + kind * self.names

    def committed(self, process: int, name: int, version: int) -> None:
        """To be called when the commit of a version has returned."""
        place = self._place(process, 0) + name
        self.memory[place] = max(self.memory[place], version)

    def floors(self, name: int) -> tuple[int, int]:
        """To be called before a read: what it must not be older than, and what others have read already."""
        told = max(self.memory[self._place(process, 0) + name] for process in range(self.processes))
        seen = max(self.memory[self._place(process, 1) + name] for process in range(self.processes))
        return told, seen

    def read(self, process: int, name: int, version: int, is_dirty: bool, floors: tuple[int, int]) -> None:
        """To be called when a read has returned, with the floors from before."""
        told, seen = floors
        self.count(process, "reads")
        if version < told:
            self.count(process, "stale")
            self._write(name, "stale", version, told)
        elif version < seen:
            self.count(process, "backwards")
            self._write(name, "backwards", version, seen)
        if is_dirty:
            self.count(process, "dirty")
            self._write(name, "dirty", version, told)
        place = self._place(process, 1) + name
        self.memory[place] = max(self.memory[place], version)

    def count(self, process: int, what: str) -> None:
        """One more."""
        self.memory[self._place(process, 2) + COUNTS.index(what)] += 1

    def counted(self, what: str) -> int:
        """How many of all processes."""
        at = COUNTS.index(what)
        return sum(self.memory[self._place(number, 2) + at] for number in range(self.processes))

    def _write(self, name: int, kind: str, got: int, floor: int) -> None:
        line = json.dumps(
            {"kind": kind, "name": name, "got": got, "not older than": floor, "pid": os.getpid()}
        )
        with self.path.with_suffix(".violations").open("a") as file:
            file.write(line + "\n")
