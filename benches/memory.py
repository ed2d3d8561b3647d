"""What a tool takes while its programs run and nothing happens."""

import time
from functools import partial

import processes
from measure import in_turn
from runners import Runner, waiting
from stand import Stand
from table import Figure, kept, show

LARGEST = 4.0
WINDOW = 10.0


def mebibytes(runner: Runner, count: int, sizes: list[int]) -> float:
    with runner.start([waiting(runner.folder)] * count) as run:
        run.wait_for(count)
        time.sleep(1)
        own = run.own()
        sizes.append(len(own))
        return processes.mebibytes(own)


def idle(runner: Runner, count: int) -> tuple[Figure, Figure]:
    """Processor time in ms, and wake-ups, for each second."""
    with runner.start([waiting(runner.folder)] * count) as run:
        run.wait_for(count)
        time.sleep(2)
        own = run.own()
        before = processes.cpu_milliseconds(own), processes.wakeups(own)
        time.sleep(WINDOW)
        after = processes.cpu_milliseconds(own), processes.wakeups(own)
    first, second = ((late - early) / WINDOW for early, late in zip(before, after, strict=True))
    return Figure((first,)), Figure((second,))


def run(stand: Stand, runs: int) -> None:
    ours, peer = stand.ours(), stand.peer()
    tools = [ours, peer, *stand.others()]
    counts: dict[str, list[int]] = {tool.name: [] for tool in tools}
    found = in_turn(runs, {tool.name: partial(mebibytes, tool, 7, counts[tool.name]) for tool in tools})
    rows = []
    for tool in tools:
        figure = found[tool.name]
        verdict = kept(figure.median <= LARGEST) if tool == ours else ""
        rows.append([tool.name, str(max(counts[tool.name])), figure.shown(2), verdict])
    show(
        "Memory of the tool with 7 programs",
        ["tool", "processes", "MiB PSS", f"at most {LARGEST:.0f}"],
        rows,
        "The tool's own processes, for bench the supervisor and its guard; the programs are not counted.",
    )
    rows = []
    for tool in tools:
        spent, woken = idle(tool, 100)
        rows.append([tool.name, spent.shown(2), woken.shown(1)])
    show(
        "Idle, with 100 programs that say nothing",
        ["tool", "processor ms/s", "wake-ups/s"],
        rows,
        f"Over {WINDOW:.0f} s.",
    )
