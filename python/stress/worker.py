"""One process of the stress program: it reads and writes until enough has been read."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from judge import Judge
from shelf import MODES, Delays, Rollback, Shelf

import dontmanage_cache


@dataclass(frozen=True)
class Plan:
    """What all processes are to do."""

    folder: Path
    mode: str
    database: str
    processes: int
    writers: int
    names: int
    reads: int
    longest_delay: float
    seed: int

    @property
    def judge(self) -> Judge:
        return Judge(self.folder / "judge", self.processes, self.names)

    @property
    def log(self) -> Path:
        """What the processes say."""
        return self.folder / "log"


def opened(plan: Plan, delays: Delays, on_load: Callable[[], None]) -> Any:
    """What reads and writes, by the cache."""
    if plan.database == "by-hand":
        return MODES[plan.mode](Shelf(plan.folder / "shelf.db", delays, on_load))
    from layer import Layer

    return Layer(delays, on_load)


def work(plan: Plan, number: int, life: int) -> None:
    """A process's work. The first few of them also write."""
    # What the library tells of every outage is of use only if something fails.
    os.dup2(os.open(plan.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    judge = plan.judge
    random = Random(f"{plan.seed} {number} {life}")
    delays = Delays(random, plan.longest_delay)
    dontmanage_cache.init("stress.test", plan.folder / "sites")
    cached = opened(plan, delays, lambda: judge.count(number, "loads"))
    names = [str(name) for name in range(plan.names)]
    parent = os.getppid()
    # Nobody is left behind, whatever ends the program.
    while judge.counted("reads") < plan.reads and os.getppid() == parent:
        # A new request: nothing is kept from the one before.
        dontmanage_cache.local.cache.clear()
        if number < plan.writers and random.random() < 0.3:
            chosen = random.sample(names, random.choice([1, 1, 2]))
            try:
                versions = cached.write(chosen, rolls_back=random.random() < 0.25)
            except Rollback:
                judge.count(number, "rollbacks")
                continue
            # The commit has returned: from here on nobody may read anything older.
            for name, version in versions.items():
                judge.committed(number, int(name), version)
            judge.count(number, "writes")
            continue
        name = random.choice(names)
        floors = judge.floors(int(name))
        document = cached.get(name)
        version, is_dirty = cached.seen(document)
        judge.read(number, int(name), version, is_dirty, floors)
