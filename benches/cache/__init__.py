"""The cache for Python and Rust workers, beside what people have.

Regimes: `same`, where the server and its caller have one core together, so that work is measured and not
how long a core takes to wake up; and `free`, where they have all of them, as a worker sees it.
"""

from pathlib import Path

from machine import version
from stand import Stand

from . import away, awaits, calls, clearing, crowd, imports, large, rust
from .server import CORES, SAME, Server, build


def run(stand: Stand, runs: int) -> None:
    build()
    print(f"Cache: {imports.versions()}, redis-server {version('redis-server', '--version', word=2)}")
    server = Server(Path(stand.folder) / "redis", "--maxmemory", "1gb")
    try:
        crew = calls.workers(server)
        try:
            for regime, cores in [("same", SAME), ("free", CORES)]:
                server.pin(cores)
                for worker in crew.values():
                    worker.pin(cores)
                calls.run(server, runs, crew, regime, cores)
            crowd.run(server, runs, crew)
        finally:
            for worker in crew.values():
                worker.close()
        awaits.run(server, runs)
        server.pin(SAME)
        large.run(server, runs)
        rust.run(server, runs)
        server.pin(CORES)
        imports.run(max(5, runs))
        away.run(server, runs)
    finally:
        server.close()
    clearing.run(Path(stand.folder), max(5, runs))
