"""Measures calls for documents in one process; the last line out is a JSON object of medians in µs.

python worker.py SOCKET FOLDER
"""

from __future__ import annotations

import gc
import json
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import dontmanage_cache as dontmanage
import redis
from dontmanage_cache import calls
from dontmanage_cache.model import migrating

DECLARATION = """
from dontmanage_cache.model.doctype import DocType
from dontmanage_cache.model.fields import Field

item = DocType(
    "Item",
    [Field(f"text{number}") for number in range(6)] + [Field(f"count{number}", "Int") for number in range(6)],
    autoname="prompt",
)
"""

COUNT = 1000


def nothing() -> None:
    """Before a call that needs nothing."""


def measure(call: Callable[[], object], before: Callable[[], object] = nothing) -> float:
    """The median time of a call, without what is done before it."""
    clock = time.perf_counter_ns
    times = []
    gc.collect()
    for number in range(COUNT + 100):
        before()
        begin = clock()
        call()
        end = clock()
        if number >= 100:
            times.append(end - begin)
    return median(times) / 1000


def main(socket: str, folder: Path) -> dict[str, float]:
    sites = folder / "sites"
    (sites / "one").mkdir(parents=True)
    (sites / "doctypes").mkdir()
    (folder / "config").mkdir()
    (sites / "doctypes" / "item.py").write_text(DECLARATION)
    key = folder / "config" / "cache.key"
    key.touch(0o600)
    key.write_text("5a" * 32 + "\n")
    (sites / "common_site_config.json").write_text(json.dumps({"redis_cache": f"unix://{socket}"}))
    config = {"db_type": "sqlite", "db_name": f"_{folder.name}"}
    (sites / "one" / "site_config.json").write_text(json.dumps(config))
    dontmanage.init("one", sites)
    migrating.migrate()
    values = {f"text{number}": "a text of some length" for number in range(6)}
    calls.get_doc({"doctype": "Item", "name": "apple", **values}).insert()
    dontmanage.db.commit()
    return figures(socket)


def figures(socket: str) -> dict[str, float]:
    client = redis.Redis(unix_socket_path=socket)
    forget = dontmanage.local.cache.clear
    full = dontmanage.cache.make_key("document_cache::Item::apple")

    def by_hand() -> Any:
        found = client.get("by-hand")
        if found is not None:
            return pickle.loads(found)
        document = calls.get_doc("Item", "apple")
        client.set("by-hand", pickle.dumps(document, 5), ex=3600)
        return document

    def gone() -> None:
        client.delete(full, "by-hand")
        forget()

    def write() -> None:
        dontmanage.db.set_value("Item", "apple", "count1", 7, update_modified=False)
        dontmanage.db.commit()

    def read_alone() -> None:
        # As at the begin of a request: what is read is read in a transaction of its own.
        calls.get_doc("Item", "apple")
        dontmanage.db.rollback()

    def field_alone() -> None:
        dontmanage.db.get_value("Item", "apple", "text1")
        dontmanage.db.rollback()

    def write_alone() -> None:
        dontmanage.db.sql("update `tabItem` set count1 = 7 where name = %s", ("apple",))
        dontmanage.db.commit()

    def write_by_hand() -> None:
        write_alone()
        client.delete("by-hand")

    return {
        "hit": measure(lambda: calls.get_cached_doc("Item", "apple"), forget),
        "again": measure(lambda: calls.get_cached_doc("Item", "apple")),
        "value": measure(lambda: calls.get_cached_value("Item", "apple", "text1"), forget),
        "value again": measure(lambda: calls.get_cached_value("Item", "apple", "text1")),
        "hit by hand": measure(by_hand),
        "miss": measure(lambda: calls.get_cached_doc("Item", "apple"), gone),
        "miss by hand": measure(by_hand, gone),
        "database": measure(read_alone),
        "field": measure(field_alone),
        "write": measure(write),
        "write by hand": measure(write_by_hand),
        "write alone": measure(write_alone),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
