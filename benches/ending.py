"""The end, and new beginnings."""

import os
import signal
import time
from functools import partial

from measure import in_turn
from processes import is_alive, kill
from runners import Runner, waiting
from stand import Stand
from table import show


def interrupt(runner: Runner, count: int) -> float:
    with runner.start([waiting(runner.folder)] * count) as run:
        run.wait_for(count)
        time.sleep(0.5)
        return run.interrupt()


def restart(runner: Runner) -> float:
    """Milliseconds from the death of a program to its successor."""
    with runner.start([waiting(runner.folder)] * 3) as run:
        run.wait_for(3)
        time.sleep(0.5)
        begin = time.perf_counter()
        os.kill(run.pids[0], signal.SIGKILL)
        return (run.wait_for(1) - begin) * 1000


def orphans(runner: Runner, count: int) -> float:
    """What is alive 2 s after the tool was killed: for bench, the worse of its guard and its supervisor."""
    return max(
        orphans_of(runner, count, is_guard) for is_guard in ([True, False] if runner.restarts else [True])
    )


def orphans_of(runner: Runner, count: int, is_what_was_started: bool) -> int:
    with runner.start([waiting(runner.folder)] * count) as run:
        run.wait_for(count)
        time.sleep(0.5)
        own = run.own()
        victim = run.process.pid if is_what_was_started else min(own - {run.process.pid})
        os.kill(victim, signal.SIGKILL)
        time.sleep(2)
        left = [pid for pid in {*run.pids, *own} - {victim} if is_alive(pid)]
        kill(left)
        return len(left)


def run(stand: Stand, runs: int) -> None:
    tools = [stand.ours(), stand.peer(), *stand.others()]
    ends = in_turn(runs, {tool.name: partial(interrupt, tool, 10) for tool in tools})
    again = in_turn(runs, {tool.name: partial(restart, tool) for tool in tools if tool.restarts})
    left = in_turn(1, {tool.name: partial(orphans, tool, 10) for tool in tools})
    rows = []
    for tool in tools:
        restarted = again[tool.name].shown() if tool.restarts else "never"
        rows.append([tool.name, ends[tool.name].shown(), restarted, left[tool.name].shown(0)])
    head = [
        "tool",
        "Ctrl-C to the end of all, ms",
        "crash to the successor, ms",
        "alive 2 s after its SIGKILL",
    ]
    notes = (
        f"10 programs; medians (least–most) of {runs} interleaved runs. A program that crashed waits "
        "50 to 100 ms for its successor, by intention, and longer the more often it crashes."
    )
    show("The end, and new beginnings", head, rows, notes)
