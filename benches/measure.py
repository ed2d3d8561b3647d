"""Runs of commands: how long, how much memory."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from table import Figure

Environment = Mapping[str, str]


def milliseconds(command: list[str], cwd: Path, env: Environment) -> float:
    """From before the process is made until it is gone. It must succeed."""
    silence = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1)]
    os.chdir(cwd)
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], command, env, file_actions=silence)
    _, status = os.waitpid(pid, 0)
    taken = time.perf_counter() - begin
    if status:
        raise RuntimeError(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
    return taken * 1000


def peak_mebibytes(command: list[str], cwd: Path, env: Environment) -> float:
    """The largest resident memory of the command or of one of its children, as GNU time tells it.

    Not from wait4 in here: a process starts as a copy of its parent, and Python's size would count.
    """
    run = ["/usr/bin/time", "--format=%M", *command]
    done = subprocess.run(
        run, cwd=cwd, env=env, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    return int(done.stderr.splitlines()[-1]) / 1024


def in_turn(runs: int, measures: Mapping[str, Callable[[], float]]) -> dict[str, Figure]:
    """Each measure so many times, one after the other in each round: what disturbs hits all alike."""
    values: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(runs):
        for name, measure in measures.items():
            values[name].append(measure())
    return {name: Figure(tuple(found)) for name, found in values.items()}
