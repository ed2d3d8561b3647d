"""The document layer in the stress program: `get_doc`, `save` and `dontmanage.db` on any of its databases.

The protocol's steps are within the library there, so the waits between them are put around the transaction's
`Writes` and the loader.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dontmanage_cache.errors import DatabaseBusyError, TimestampMismatchError

# Before processes are forked: each would import SQLAlchemy for itself, and be killed before it is done.
from dontmanage_cache.model import loading, migrating, queries, storing
from shelf import Delays, Rollback

import dontmanage
from dontmanage_cache import documents

DOCTYPE = "Counter"

IMPORTED = (loading, queries, storing)

DECLARATION = """
from dontmanage.model import DocType, Field

counter = DocType("Counter", [Field("version", "Int"), Field("dirty", "Check")], autoname="prompt")
"""

TESTS = Path(__file__).parents[1] / "tests"


def start_database(kind: str) -> Any:
    """A server of the tests' own; None where none is needed."""
    if kind == "sqlite":
        return None
    sys.path.insert(0, str(TESTS))
    from databases import SERVERS  # type: ignore[import-not-found, unused-ignore]

    return SERVERS[kind]()


def configure(folder: Path, server: Any) -> None:
    """The site's database, and the doctype."""
    config = server.make_database() if server else {"db_type": "sqlite", "db_name": "_stress"}
    (folder / "sites" / "stress.test" / "site_config.json").write_text(json.dumps(config))
    (folder / "sites" / "doctypes").mkdir()
    (folder / "sites" / "doctypes" / "counter.py").write_text(DECLARATION)


def make(folder: Path, names: int) -> None:
    """The table and its rows. To be called in a process of its own: connections don't outlive a fork."""
    dontmanage.init("stress.test", folder / "sites")
    migrating.migrate()
    for name in range(names):
        dontmanage.get_doc({"doctype": DOCTYPE, "name": str(name), "version": 1}).insert()
    dontmanage.db.commit()
    dontmanage.destroy()


class Delayed:
    """A transaction's `Writes`, with waits around every step."""

    def __init__(self, writes: Any, delays: Delays) -> None:
        self.writes = writes
        self.delays = delays

    def __getattr__(self, name: str) -> Any:
        step = getattr(self.writes, name)

        def delayed(*args: Any) -> Any:
            self.delays()
            done = step(*args)
            self.delays()
            return done

        return delayed if name in ("touch", "committing", "committed", "rolled_back") else step


class Layer:
    """Reading and writing by one process."""

    def __init__(self, delays: Delays, on_load: Callable[[], None]) -> None:
        def load(doctype: str, name: str) -> Any:
            on_load()
            delays()
            found = loading.fresh(doctype, name)
            delays()
            return found

        make_writes = documents.Writes

        def writes(reader: Any = None) -> Any:
            return Delayed(make_writes(reader), delays)

        # As the library's own, but slow.
        documents.register(load, name_of=lambda document: document.name)
        documents.Writes = writes
        self.delays = delays

    @staticmethod
    def seen(document: Any) -> tuple[int, bool]:
        """A document's version, and whether it was never to be committed."""
        return document.version, bool(document.dirty)

    def get(self, name: str) -> Any:
        return dontmanage.get_cached_doc(DOCTYPE, name)

    def write(self, names: list[str], rolls_back: bool) -> dict[str, int]:
        try:
            versions = {}
            # In one order, so that no two wait for each other.
            for name in sorted(names):
                versions[name] = self.change(name, rolls_back)
            if rolls_back:
                raise Rollback
            dontmanage.db.commit()
        except (TimestampMismatchError, DatabaseBusyError):
            # Somebody else was first.
            dontmanage.db.rollback()
            raise Rollback from None
        except Rollback:
            dontmanage.db.rollback()
            raise
        return versions

    def change(self, name: str, rolls_back: bool) -> int:
        # By turns as a whole document, and as a field under a lock.
        if self.delays.random.random() < 0.5:
            document = dontmanage.get_doc(DOCTYPE, name)
            self.delays()
            document.version += 1
            document.dirty = int(rolls_back)
            document.save()
            return int(document.version)
        version = dontmanage.db.get_value(DOCTYPE, name, "version", for_update=True) + 1
        self.delays()
        dontmanage.db.set_value(DOCTYPE, name, {"version": version, "dirty": int(rolls_back)})
        return int(version)
