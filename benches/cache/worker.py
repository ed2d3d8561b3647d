"""A process that makes calls with one client, as it is told on its standard input, and measures them.

    python worker.py CLIENT SOCKET FOLDER        (clients: clients.py)

Each line in is a JSON list, a command and its arguments; each line out is its answer.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import repeat
from typing import Any

import clients
import payloads

LOOP = """
def loop(times, count):
    for _ in repeat(None, count):
        {before}
        begin = clock()
        {call}
        end = clock()
        times.append(end - begin)
"""

# Calls shorter than a look at the clock.
BLOCK = """
def loop(times, count):
    for _ in repeat(None, count):
        begin = clock()
        for _ in repeat(None, 100):
            {call}
        times.append((clock() - begin) / 100)
"""

UNTIL = """
def loop(end):
    done = 0
    while clock() < end:
        for _ in repeat(None, 20):
            {before}
            {call}
        done += 20
    return done
"""

AWAITED = """
async def loop(end):
    done = 0
    while clock() < end:
        {before}
        {call}
        done += 1
    return done
"""


def compiled(names: clients.Names, template: str, call: str, before: str) -> Callable[..., Any]:
    names = names | {"clock": time.perf_counter_ns, "repeat": repeat}
    exec(template.format(call=call, before=before), names)
    loop: Callable[..., Any] = names["loop"]
    return loop


class Worker:
    """What a client has, and the loops over its calls."""

    def __init__(self, client: str, socket: str, folder: str) -> None:
        self.shared = clients.CLIENTS[client](socket, folder)
        self.names = self.shared | self.shared["enter"]()
        self.heap: Any = None

    def measure(self, call: str, before: str, count: int) -> list[float]:
        """Median, 99th percentile and longest of so many calls, in µs."""
        template = BLOCK if before == "" else LOOP
        loop = compiled(self.names, template, call, before)
        loop([], max(1, count // 10))
        gc.collect()
        times: list[float] = []
        loop(times, count)
        times.sort()
        return [times[at] / 1000 for at in (len(times) // 2, len(times) * 99 // 100, -1)]

    def rate(self, call: str, before: str, threads: int, seconds: float) -> float:
        """Calls a second of so many threads together."""
        done: list[int] = []

        def work() -> None:
            # Each thread enters the site for itself; the client is that of the process.
            loop = compiled(self.shared | self.shared["enter"](), UNTIL, call, before)
            loop(time.perf_counter_ns() + 50_000_000)
            barrier.wait()
            done.append(loop(time.perf_counter_ns() + int(seconds * 1e9)))

        barrier = threading.Barrier(threads)
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sum(done) / seconds

    def rate_awaited(self, call: str, tasks: int, seconds: float) -> float:
        """Calls a second of so many tasks of one event loop together."""
        # Imported late: no other measure pays for it.
        import asyncio

        async def main() -> int:
            names = self.shared | self.shared["enter"]() | self.shared["connect"]()
            loop = compiled(names, AWAITED, call, "")
            await asyncio.gather(*(loop(time.perf_counter_ns() + 50_000_000) for _ in range(tasks)))
            end = time.perf_counter_ns() + int(seconds * 1e9)
            done = sum(await asyncio.gather(*(loop(end) for _ in range(tasks))))
            if "client" in names:
                await names["client"].aclose()
            return done

        return asyncio.run(main()) / seconds

    def run(self, statement: str) -> float:
        """Runs a statement once; how long it took, in µs."""
        begin = time.perf_counter_ns()
        exec(statement, self.names)
        return (time.perf_counter_ns() - begin) / 1000

    def key(self, name: str) -> str:
        """A full key."""
        full: bytes = self.names["cache"].make_key(name)
        return full.decode()

    def grow(self) -> None:
        """Takes on the heap of a worker that has imported much."""
        self.heap = payloads.heap()
        gc.collect()

    def pin(self, cores: list[int]) -> None:
        os.sched_setaffinity(0, cores)


def main() -> None:
    worker = Worker(*sys.argv[1:])
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(json.dumps(getattr(worker, command)(*arguments)), flush=True)


main()
