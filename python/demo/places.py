"""The sites of this bench, and times as people read them."""

import os


def sites():
    """The names of the sites: folders of `sites/` with a configuration."""
    folder = os.path.join(os.environ.get("BENCH_DIR", os.curdir), "sites")
    names = sorted(os.listdir(folder))
    return [name for name in names if os.path.exists(os.path.join(folder, name, "site_config.json"))]


def shown(seconds):
    """1.00 s, 0.21 ms, 9 µs"""
    if seconds >= 0.1:
        return f"{seconds:.2f} s"
    if seconds >= 0.0001:
        return f"{seconds * 1000:.2f} ms"
    return f"{seconds * 1_000_000:.0f} µs"
