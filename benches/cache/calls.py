"""Single calls, and what each costs above its floor."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from table import kept, show

from .server import Rust, Server, Worker

Times = list[float]


@dataclass(frozen=True)
class Workload:
    """A call, as a cache makes it and as a raw client does."""

    name: str
    cached: str
    raw: str = ""
    # What the floor is made of: a round trip of a bare socket, and Python alone.
    socket: str = ""
    python: str = ""
    # Whether each call is the first of a request.
    is_fresh: bool = True
    at_least: float = 0
    aim: float = 0
    count: int = 2000


WORKLOADS = [
    Workload(
        "get_value, small",
        "cache.get_value('small')",
        "loads(client.get('small'))",
        "get_small",
        "loads(small_pickle)",
        at_least=2.5,
        aim=2.9,
    ),
    Workload(
        "get_value, 1 KB",
        "cache.get_value('kb')",
        "loads(client.get('kb'))",
        "get_kb",
        "loads(kb_pickle)",
        at_least=2.2,
        aim=2.4,
    ),
    Workload(
        "set_value, small",
        "cache.set_value('small', small)",
        "client.set('small', dumps(small, 5))",
        "set_small",
        "dumps(small, 5)",
        at_least=2.5,
        aim=3,
    ),
    Workload(
        "set_value, 1 KB",
        "cache.set_value('kb', kb)",
        "client.set('kb', dumps(kb, 5))",
        "set_kb",
        "dumps(kb, 5)",
        at_least=2.4,
        aim=2.6,
    ),
    Workload(
        "hget, 1 KB",
        "cache.hget('hash', 'f1')",
        "loads(client.hget('hash', 'f1'))",
        "hget_kb",
        "loads(kb_pickle)",
        at_least=2.4,
        aim=2.6,
    ),
    Workload(
        "hgetall, 10 of 1 KB",
        "cache.hgetall('hash')",
        "{name: loads(value) for name, value in client.hgetall('hash').items()}",
        "hgetall",
        "[loads(kb_pickle) for _ in '0123456789']",
        at_least=1.45,
        aim=1.55,
        count=700,
    ),
    Workload(
        "`@redis_cache` hit, new request",
        "slow_add(40, 2)",
        "",
        "get_small",
        "loads(small_pickle)",
        at_least=2.5,
        aim=2.9,
    ),
    Workload(
        "get_value again, int",
        "cache.get_value('small')",
        python="local.get()['small']",
        is_fresh=False,
        at_least=4,
        aim=6,
    ),
    Workload(
        "get_value again, 1 KB dict",
        "cache.get_value('kb')",
        python="kb.copy()",
        is_fresh=False,
        at_least=1,
        aim=2,
    ),
    Workload(
        "`@redis_cache` hit, same request",
        "slow_add(40, 2)",
        python="slow_add(40, 2)",
        is_fresh=False,
        at_least=2.5,
        aim=3.5,
    ),
]

CACHES = ["signed", "unsigned", "wrapper"]
RAW = ["valkey-py", "redis-py"]
# What is read in the benches, and what brings a local copy up to date.
CACHED = "[cache.set_value(name, value) for name, value in values.items()], slow_add(40, 2)"
CACHED_HASH = "[cache.hset('hash', f'f{number}', kb) for number in range(10)]"
STORED = "[client.set('small', dumps(small, 5)), client.set('kb', dumps(kb, 5))]"
STORED_HASH = "[client.hset('hash', f'f{number}', dumps(kb, 5)) for number in range(10)]"


def workers(server: Server) -> dict[str, Worker]:
    """A process for each client, with its values in the server."""
    made = {name: Worker(name, server) for name in [*CACHES, *RAW, "python"]}
    for name, worker in made.items():
        if name != "python":
            for statement in [CACHED, CACHED_HASH] if name in CACHES else [STORED, STORED_HASH]:
                worker.ask("run", statement)
    return made


def measure(workload: Workload, runs: int, crew: dict[str, Worker], rust: Rust) -> dict[str, Times]:
    """Median and 99th percentile of each client, and of the floor's parts, in turn in each round."""
    found: dict[str, list[Times]] = {}
    for _ in range(runs):
        for name, worker in crew.items():
            if name == "python":
                call, before = workload.python, "pass" if workload.socket else ""
            elif name in CACHES:
                # What fills the copy again is not measured.
                call, before = workload.cached, "forget()" if workload.is_fresh else ""
            else:
                call, before = workload.raw, "forget()"
            if call:
                found.setdefault(name, []).append(worker.ask("measure", call, before, workload.count))
        if workload.socket:
            found.setdefault("socket", []).append(rust.measure("floor", workload.socket, workload.count))
    return {name: [median(value) for value in zip(*times, strict=True)] for name, times in found.items()}


def shown(times: Times | None) -> str:
    if times is None:
        return ""
    digits = 1 if times[0] >= 10 else 2
    return f"{times[0]:.{digits}f} / {times[1]:.{digits}f}"


def run(server: Server, runs: int, crew: dict[str, Worker], regime: str, cores: list[int]) -> None:
    rust = Rust(server)
    rust.pin(cores)
    rows, signatures = [], []
    for workload in WORKLOADS:
        found = measure(workload, runs, crew, rust)
        floor = sum(found[part][0] for part in ("socket", "python") if part in found)
        peer = found["wrapper"][0]
        ratios = [peer / found[name][0] for name in ("signed", "unsigned")]
        cells = [shown(found.get(name)) for name in [*CACHES, *RAW]]
        over = f"{found['unsigned'][0] / floor:.2f}"
        goal = f"{workload.at_least:g} x" if regime == "same" else ""
        verdict = kept(ratios[0] >= workload.at_least) if regime == "same" else ""
        rows.append(
            [
                workload.name,
                *cells,
                f"{floor:.2f}",
                over,
                f"{peer / floor:.2f} x" if workload.socket else "",
                *(f"{ratio:.2f} x" for ratio in ratios),
                goal,
                verdict,
            ]
        )
        if workload.socket:
            signed, unsigned = found["signed"][0], found["unsigned"][0]
            signatures.append([workload.name, f"{signed - unsigned:+.2f}", f"{signed / unsigned - 1:+.0%}"])
    rust.close()
    head = ["call", "ours", "ours, unsigned", "wrapper on redis-py", "valkey-py", "redis-py", "floor"]
    show(
        f"Calls from Python, µs, {regime}",
        [
            *head,
            "unsigned of the floor",
            "floor to the wrapper",
            "ours to the wrapper",
            "unsigned",
            "at least",
            "kept",
        ],
        rows,
        f"p50 / p99; medians of {runs} interleaved rounds. Floor: the round trip of a bare socket, and "
        "pickle alone; for what is asked again, a dict in a context variable, a copy of the dict, "
        "`functools.lru_cache`. Floor to the wrapper: what a client would reach that has no work of its own.",
    )
    show(
        f"What the signature costs, µs, {regime}", ["call", "signed over unsigned", "of the call"], signatures
    )
