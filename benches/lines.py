"""Lines of many programs in one stream: how many a second, and every one of them checked."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import processes
from measure import in_turn
from runners import Runner
from stand import Stand
from table import Figure, kept, show

FASTER = 10
LENGTH = 100
# Nothing more comes: a tool that tears lines loses some for good.
PATIENCE = 10
MARK = b"|line|"


@dataclass
class Damage:
    """What became of lines on their way."""

    lost: int = 0
    torn: int = 0
    misnamed: int = 0


def line(writer: int, number: int) -> bytes:
    """A line that no other is equal to, and whose every byte is known."""
    start = b"w%d %s %07d " % (writer, MARK, number)
    return start + b"x" * (LENGTH - 1 - len(start)) + b"\n"


def write(path: Path, writer: int, count: int) -> None:
    with open(path, "wb", buffering=1 << 20) as file:
        file.writelines(line(writer, number) for number in range(count))


def count_marks(path: Path, begin: int) -> tuple[int, int]:
    """The lines' marks from a place in the file on, and the place after the last whole line."""
    with open(path, "rb") as file:
        file.seek(begin)
        block = file.read(1 << 24)
    end = block.rfind(b"\n") + 1
    return block[:end].count(MARK), begin + end


def check(path: Path, writers: int, count: int, is_prefixed: bool) -> Damage:
    """Holds every line against what was written."""
    damage, seen = Damage(), [0] * writers
    names: dict[int, Counter[bool]] = {}
    with open(path, "rb") as file:
        for text in file:
            at = text.find(b"w")
            start = text.find(MARK)
            if start < 0:
                # A remark of the tool's own.
                continue
            while at >= 0 and not text[at + 1 : start].strip().isdigit():
                at = text.find(b"w", at + 1, start)
            try:
                writer, number = int(text[at + 1 : start]), int(text[start + len(MARK) :].split()[0])
                is_whole = text[at:] == line(writer, number) and 1 <= writer <= writers
            except (ValueError, IndexError):
                is_whole = False
            if not is_whole:
                damage.torn += 1
                continue
            seen[writer - 1] += 1
            if is_prefixed:
                names.setdefault(writer, Counter())[b"p%d" % writer in text[:at]] += 1
    damage.lost = writers * count - sum(seen)
    damage.misnamed = sum(found[False] for found in names.values())
    return damage


@dataclass
class Forwarding:
    """The figures of one tool, whose writers write so many lines each."""

    runner: Runner
    writers: int
    count: int
    damage: Damage
    cpu: list[float]

    def rate(self) -> float:
        """Lines a second, from the command to the last line in the file."""
        folder, out = self.runner.folder, self.runner.folder / "out"
        programs = []
        for writer in range(1, self.writers + 1):
            source = folder.parent / f"lines.{writer}.{self.count}"
            if not source.exists():
                write(source, writer, self.count)
            # honcho ends everything when the first program ends.
            programs.append(f"cat {source}; exec sleep 1000")
        marks, place, total = 0, 0, self.writers * self.count
        with self.runner.start(programs, out) as run:
            last = run.begin
            while marks < total and time.perf_counter() < last + PATIENCE:
                more, place = count_marks(out, place)
                marks += more
                if more:
                    last = time.perf_counter()
                else:
                    time.sleep(0.001)
            taken = last - run.begin
            self.cpu.append(processes.cpu_milliseconds(run.own()) / 1000)
        found = check(out, self.writers, self.count, is_prefixed=not self.runner.name.startswith("floor"))
        self.damage.lost += found.lost
        self.damage.torn += found.torn
        self.damage.misnamed += found.misnamed
        out.unlink()
        return marks / taken


def run(stand: Stand, runs: int) -> None:
    ours, peer, floor = stand.ours(), stand.peer(), stand.floor()
    rows = []
    for writers, count in [(1, 1_000_000), (8, 200_000)]:
        parts = {}
        for tool in [ours, peer, *stand.others(), floor]:
            # The rate of the slow does not depend on the count; the patience of whoever waits does.
            fewer = 1 if tool in (ours, floor) else 5
            parts[tool.name] = Forwarding(tool, writers, count // fewer, Damage(), [])
        found = in_turn(runs, {name: part.rate for name, part in parts.items()})
        ratio = found[ours.name].median / found[peer.name].median
        for name, part in parts.items():
            cpu = [spent / (writers * part.count) * 1e6 for spent in part.cpu]
            damage = part.damage
            is_ours = part.runner == ours
            rows.append(
                [
                    str(writers),
                    name,
                    found[name].shown(0),
                    Figure(tuple(cpu)).shown(2),
                    f"{damage.lost} / {damage.torn} / {damage.misnamed}",
                    f"{ratio:.0f} x" if is_ours else "",
                    kept(ratio >= FASTER and damage == Damage()) if is_ours else "",
                ]
            )
    head = [
        "programs",
        "tool",
        "lines/s",
        "processor s per million",
        "lost / torn / wrong name",
        "of the peer",
    ]
    notes = (
        f"Lines of {LENGTH} bytes from `cat` into a file: a million of one program, or 200,000 of each"
        " of eight, a fifth of that for the slower tools; the start of the tool included. Medians "
        f"(least–most) of {runs} interleaved runs. Every line is held against what was written; bench "
        "writes each of them to the program's log as well."
    )
    show("Lines forwarded under their program's name", [*head, f"at least {FASTER} x"], rows, notes)
