"""The tools that start what a Procfile names, and one run of one of them."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from processes import descendants, is_alive, kill, wait_until


@dataclass(frozen=True)
class Runner:
    """A tool, and the folder whose Procfile it runs."""

    name: str
    command: tuple[str, ...]
    folder: Path
    env: dict[str, str]
    restarts: bool = False

    def start(self, programs: Sequence[str], out: Path | None = None, first: str = "") -> "Run":
        """Starts programs that are given as shell commands, after a first line of the Procfile."""
        return Run(self, programs, out, first)


@dataclass
class Run:
    """A tool at work. At its end, everything that is left of it is killed."""

    runner: Runner
    programs: Sequence[str]
    out: Path | None
    first: str
    pids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        folder = self.runner.folder
        lines = [f"p{number}: {command}\n" for number, command in enumerate(self.programs, 1)]
        (folder / "Procfile").write_text("".join([self.first, *lines]))
        self.fifo = folder / "up"
        self.fifo.unlink(missing_ok=True)
        os.mkfifo(self.fifo)
        # Writing as well, so that it has no end when nobody else writes.
        self.up = os.open(self.fifo, os.O_RDWR)
        # Appended to, as shared files are: writers that start at one place would write over each other.
        with open(self.out or os.devnull, "ab") as out:
            self.begin = time.perf_counter()
            self.process = subprocess.Popen(
                self.runner.command,
                cwd=folder,
                env=self.runner.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # A group of its own, as a shell gives it, for the Ctrl-C.
                start_new_session=True,
            )

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kill(descendants(self.process.pid))
        kill(pid for pid in self.pids if self.is_ours(pid))
        self.process.wait()
        os.close(self.up)

    def is_ours(self, pid: int) -> bool:
        """Whether it still is the program that told us this id."""
        try:
            return Path(f"/proc/{pid}/cwd").resolve().is_relative_to(self.runner.folder)
        except OSError:
            return False

    def wait_for(self, count: int, limit: float = 60) -> float:
        """Waits until so many programs have told that they run; the time of the last of them."""
        text, deadline = b"", time.perf_counter() + limit
        while text.count(b"\n") < count:
            if select.select([self.up], [], [], 0.1)[0]:
                text += os.read(self.up, 65536)
                now = time.perf_counter()
            elif self.process.poll() is not None or time.perf_counter() > deadline:
                raise RuntimeError(f"{self.runner.name}: only {len(text.split())} of {count} programs run")
        self.pids += [int(pid) for pid in text.split()]
        return now

    def own(self) -> set[int]:
        """The tool's processes, without the programs."""
        return {pid for pid in descendants(self.process.pid) if pid not in self.pids and is_alive(pid)}

    def interrupt(self) -> float:
        """Presses Ctrl-C; milliseconds until the tool and all its programs are gone."""
        begin = time.perf_counter()
        os.killpg(self.process.pid, signal.SIGINT)
        if not wait_until(self.is_over, 25):
            raise RuntimeError(f"{self.runner.name} has not ended 25 s after Ctrl-C")
        return (time.perf_counter() - begin) * 1000

    def is_over(self) -> bool:
        return self.process.poll() is not None and not any(map(is_alive, self.pids))


def waiting(folder: Path) -> str:
    """A program that tells its process id and then waits."""
    return f"echo $$ >{folder}/up; exec sleep 1000"
