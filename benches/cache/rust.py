"""Single calls from Rust, beside redis-rs."""

from __future__ import annotations

from statistics import median

from table import show

from .calls import shown
from .server import SAME, Rust, Server

WORKLOADS = {
    "get, small": "get_small",
    "get, 1 KB": "get_kb",
    "set, small": "set_small",
    "set, 1 KB": "set_kb",
    "get of a struct": "get_struct",
    "set of a struct": "set_struct",
}
CLIENTS = ["signed", "unsigned", "redis-rs", "floor"]


def run(server: Server, runs: int) -> None:
    rust = Rust(server)
    rust.pin(SAME)
    rows = []
    for name, workload in WORKLOADS.items():
        clients = [client for client in CLIENTS if client != "floor" or "struct" not in workload]
        found: dict[str, list[list[float]]] = {client: [] for client in clients}
        for _ in range(runs):
            for client in clients:
                found[client].append(rust.measure(client, workload, 3000))
        times = {client: [median(one) for one in zip(*each, strict=True)] for client, each in found.items()}
        ratio = times["redis-rs"][0] / times["signed"][0]
        rows.append([name, *(shown(times.get(client)) for client in CLIENTS), f"{ratio:.2f} x"])
    rust.close()
    show(
        "Calls from Rust, µs, same",
        ["call", "ours", "ours, unsigned", "redis-rs", "floor", "ours to redis-rs"],
        rows,
        f"p50 / p99; medians of {runs} interleaved rounds. A struct is a pickle that Python reads with ours, "
        "JSON with redis-rs. Floor: the round trip of a bare socket.",
    )
