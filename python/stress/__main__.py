"""Readers and writers of a few documents in many processes, which are killed, with a Redis that is killed:
does anybody ever read something older than what had been committed before he asked?

    python python/stress                          # a million reads
    python python/stress --mode delete-on-save    # what everybody does first: it is wrong, as this shows

The exit status is 0 if nobody was wrong, and 1 if somebody was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

from judge import COUNTS
from servers import Redis, make_bench
from shelf import MODES, Shelf
from worker import Plan, work

FORK = multiprocessing.get_context("fork")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="stress", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=sorted(MODES), default="leases")
    parser.add_argument(
        "--database",
        choices=["by-hand", "sqlite", "mariadb", "postgres"],
        default="by-hand",
        help="SQLite as a host with a layer of its own uses it, or the document layer on a database",
    )
    parser.add_argument("--reads", type=int, default=1_000_000, help="how many, of all processes together")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--writers", type=int, default=3, help="how many of the processes also write")
    parser.add_argument("--names", type=int, default=8, help="how many documents there are")
    parser.add_argument("--delay", type=float, default=0.01, help="the longest wait between two steps, in s")
    parser.add_argument(
        "--kill", type=float, default=1.0, help="a process is killed every so many s; 0: none"
    )
    parser.add_argument(
        "--restart", type=float, default=2.0, help="Redis is killed every so many s; 0: never"
    )
    parser.add_argument("--seed", type=int, default=None, help="of the random choices")
    parser.add_argument("--stop-at-first", action="store_true", help="end when somebody was wrong")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    given = parser.parse_args()
    if given.mode != "leases" and given.database != "by-hand":
        parser.error("only `--database by-hand` knows other modes than leases")
    return given


def main() -> int:
    given = options()
    # So that everything is cleared away then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    seed = given.seed if given.seed is not None else int.from_bytes(os.urandom(4), "big")
    # A unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="stress") as name:
        plan = Plan(
            folder=Path(name),
            mode=given.mode,
            database=given.database,
            processes=given.processes,
            writers=given.writers,
            names=given.names,
            reads=given.reads,
            longest_delay=given.delay,
            seed=seed,
        )
        redis = Redis(plan.folder)
        server = None
        try:
            make_bench(plan.folder, redis)
            if plan.database == "by-hand":
                Shelf.make(plan.folder / "shelf.db", plan.names)
            else:
                server = make_layer(plan)
            report = run(plan, redis, given.kill, given.restart, given.stop_at_first)
        finally:
            redis.kill()
            if server is not None:
                server.close()
        if report["failed"]:
            print("".join(plan.log.read_text().splitlines(keepends=True)[-40:]), file=sys.stderr)
    tell(report, given.json)
    return 1 if report["stale"] or report["dirty"] or report["failed"] else 0


def make_layer(plan: Plan) -> Any:
    """The document layer's database, with its rows; its server, where it has one."""
    import layer

    server = layer.start_database(plan.database)
    layer.configure(plan.folder, server)
    # Its connections must not be taken along into the processes that are forked later.
    maker = FORK.Process(target=layer.make, args=(plan.folder, plan.names))
    maker.start()
    maker.join()
    if maker.exitcode:
        sys.exit("error: the database could not be made")
    return server


def run(plan: Plan, redis: Redis, kill: float, restart: float, stop_at_first: bool) -> dict[str, object]:
    """Starts the processes, and goes on killing until they have read enough."""
    judge = plan.judge
    random = Random(plan.seed)
    lives = [0] * plan.processes
    running: dict[int, BaseProcess] = {}

    def start(number: int) -> None:
        lives[number] += 1
        running[number] = FORK.Process(target=work, args=(plan, number, lives[number]), daemon=True)
        running[number].start()

    began = time.monotonic()
    next_kill, next_restart = began + kill, began + restart
    kills = restarts = failed = 0
    for number in range(plan.processes):
        start(number)
    try:
        while running and not failed:
            time.sleep(0.01)
            now = time.monotonic()
            for number, process in list(running.items()):
                if process.is_alive():
                    continue
                process.join()
                del running[number]
                if process.exitcode == -signal.SIGKILL:
                    start(number)
                elif process.exitcode:
                    failed += 1
            if kill and now >= next_kill and running:
                running[random.choice(list(running))].kill()
                kills += 1
                next_kill = now + random.uniform(0, 2 * kill)
            if restart and now >= next_restart:
                redis.kill()
                time.sleep(random.uniform(0, 0.2))
                redis.start()
                restarts += 1
                next_restart = now + random.uniform(0, 2 * restart)
            if stop_at_first and judge.counted("stale"):
                break
    finally:
        for process in running.values():
            process.kill()
            process.join()
    counts: dict[str, object] = {what: judge.counted(what) for what in COUNTS}
    violations = judge.path.with_suffix(".violations")
    lines = violations.read_text().splitlines()[:10] if violations.exists() else []
    return counts | {
        "mode": plan.mode,
        "seed": plan.seed,
        "seconds": round(time.monotonic() - began, 1),
        "kills": kills,
        "restarts": restarts,
        "failed": failed,
        "first": [json.loads(line) for line in lines],
    }


def tell(report: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    print(
        "{mode}: {reads} reads ({loads} of the database), {writes} commits, {rollbacks} rollbacks".format(
            **report
        )
    )
    print(
        "{kills} processes and {restarts} times Redis were killed, in {seconds} s (seed {seed})".format(
            **report
        )
    )
    print(
        "{stale} reads were older than a commit that had returned; {dirty} were never committed".format(
            **report
        )
    )
    print("{backwards} were older than what another had read before".format(**report))
    for line in report["first"]:  # type: ignore[attr-defined]
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
