"""Commands that end at once: `--version`, and each `setup`."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from measure import Environment, in_turn, milliseconds, peak_mebibytes
from stand import OURS, PEERS, Stand
from table import kept, show

# Each with the files that it writes.
COMMANDS = {
    "--version": [],
    # The settings themselves, without which nothing works.
    "setup config": [],
    "setup redis": ["config/redis_cache.conf", "config/redis_queue.conf"],
    "setup procfile": ["Procfile"],
    "setup supervisor --yes --skip-supervisord": ["config/supervisor.conf"],
    "setup systemd --yes": ["config/systemd"],
}
Measure = Callable[[list[str], Path, Environment], float]

FASTER = 20
SMALLER = 4


def remove(bench: Path, files: list[str]) -> None:
    for path in (bench / file for file in files):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def run(stand: Stand, runs: int) -> None:
    ours, peer, env = stand.bench("dontmanage"), stand.bench("frappe"), stand.env()
    times: list[list[str]] = []
    sizes: list[list[str]] = []
    for name, files in COMMANDS.items():

        def again(measure: Measure, tool: Path, bench: Path, name: str = name) -> float:
            return measure([str(tool), *name.split()], bench, env)

        def anew(
            measure: Measure, tool: Path, bench: Path, name: str = name, files: list[str] = files
        ) -> float:
            remove(bench, files)
            return measure([str(tool), *name.split()], bench, env)

        # What `again` finds in place.
        anew(milliseconds, OURS, ours)
        for rows, measure, rounds, factor in [
            (times, milliseconds, runs, FASTER),
            (sizes, peak_mebibytes, max(3, runs // 5), SMALLER),
        ]:
            found = in_turn(
                rounds,
                {
                    "floor": partial(measure, ["/bin/true"], ours, env),
                    "again": partial(again, measure, OURS, ours),
                    "anew": partial(anew, measure, OURS, ours),
                    "peer": partial(anew, measure, PEERS / "bench", peer),
                },
            )
            ratios = [found["peer"].median / found[which].median for which in ("again", "anew")]
            cells = [found[which].shown() for which in ("again", "anew", "peer", "floor")]
            rows.append(
                [f"`{name}`", *cells, *(f"1/{ratio:.0f}" for ratio in ratios), kept(min(ratios) >= factor)]
            )
    head = ["command", "bench again", "bench anew", "frappe-bench", "floor", "again", "anew"]
    notes = (
        f"Medians (least–most) of {runs} interleaved runs. Again: the files are there and current; "
        "anew: they were removed before, as for frappe-bench, and are synced to the disk. Floor: "
        "`true`, started in the same way."
    )
    show("Wall time of commands, ms", [*head, f"at most 1/{FASTER}"], times, notes)
    show("Peak memory of commands, MiB RSS", [*head, f"at most 1/{SMALLER}"], sizes)
