"""The database of the stress program: a few rows, each with a version, in SQLite.

It is reached by hand, as a host with a database layer of its own would do it: `documents.register` for
reading, and `documents.Writes` around each transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from dontmanage_cache import cache, documents

DOCTYPE = "Counter"


class Rollback(Exception):
    """A transaction that is not to be committed."""


class Delays:
    """Random waits between the steps of readers and writers: most of them short, some long."""

    def __init__(self, random: Random, longest: float) -> None:
        self.random = random
        self.longest = longest

    def __call__(self) -> None:
        chance = self.random.random()
        if chance < 0.02:
            time.sleep(self.random.uniform(0, self.longest))
        elif chance < 0.2:
            time.sleep(self.random.uniform(0, self.longest / 20))


class Shelf:
    """Rows by name, read and written by one process."""

    def __init__(self, path: Path, delays: Delays, on_load: Callable[[], None]) -> None:
        self.delays = delays
        self.on_load = on_load
        # Autocommit: each SELECT is a snapshot of its own, as a loader's must be.
        self.readers = self.connect(path)
        self.writer = self.connect(path)

    @staticmethod
    def connect(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        # Processes are killed here, not the machine.
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    @staticmethod
    def make(path: Path, names: int) -> None:
        """An empty database with these rows."""
        connection = Shelf.connect(path)
        connection.execute("CREATE TABLE counter (name TEXT PRIMARY KEY, version INTEGER, dirty INTEGER)")
        connection.executemany(
            "INSERT INTO counter VALUES (?, 1, 0)", [(str(name),) for name in range(names)]
        )
        connection.close()

    def load(self, doctype: str, name: str) -> dict[str, Any]:
        """A row, as it is committed now."""
        self.on_load()
        self.delays()
        row = self.readers.execute("SELECT version, dirty FROM counter WHERE name = ?", [name]).fetchone()
        self.delays()
        if row is None:
            raise documents.DoesNotExistError(f"there is no counter `{name}`")
        return {"doctype": doctype, "name": name, "version": row[0], "dirty": bool(row[1])}

    def change(self, names: list[str], rolls_back: bool) -> dict[str, int]:
        """Makes one transaction of it, without a word to any cache. The new versions."""
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            versions = {}
            for name in names:
                self.delays()
                (versions[name],) = self.writer.execute(
                    "UPDATE counter SET version = version + 1, dirty = ? WHERE name = ? RETURNING version",
                    [rolls_back, name],
                ).fetchone()
            self.delays()
            if rolls_back:
                raise Rollback
        except BaseException:
            self.writer.execute("ROLLBACK")
            raise
        return versions

    def commit(self) -> None:
        self.writer.execute("COMMIT")


class ByHand:
    """Documents as the shelf has them."""

    @staticmethod
    def seen(document: dict[str, Any]) -> tuple[int, bool]:
        """A document's version, and whether it was never to be committed."""
        return document["version"], document["dirty"]


class Leases(ByHand):
    """The cache as it is."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        documents.register(shelf.load)

    def get(self, name: str) -> Any:
        return documents.get(DOCTYPE, name)

    def write(self, names: list[str], rolls_back: bool) -> dict[str, int]:
        writes = documents.Writes()
        for name in names:
            writes.touch(DOCTYPE, name)
            self.shelf.delays()
        try:
            versions = self.shelf.change(names, rolls_back)
        except BaseException:
            self.shelf.delays()
            writes.rolled_back()
            raise
        writes.committing()
        self.shelf.delays()
        self.shelf.commit()
        self.shelf.delays()
        writes.committed()
        return versions


class DeleteOnSave(ByHand):
    """What everybody does first: keep what was read, delete it at the save and again after the commit."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    @staticmethod
    def key(name: str) -> str:
        return f"document_cache::{DOCTYPE}::{name}"

    def get(self, name: str) -> Any:
        found = cache.get_value(self.key(name))
        if found is None:
            found = self.shelf.load(DOCTYPE, name)
            cache.set_value(self.key(name), found, expires_in_sec=3600)
        return found

    def write(self, names: list[str], rolls_back: bool) -> dict[str, int]:
        keys = [self.key(name) for name in names]
        cache.delete_value(keys)
        try:
            versions = self.shelf.change(names, rolls_back)
        except BaseException:
            cache.delete_value(keys)
            raise
        self.shelf.commit()
        self.shelf.delays()
        cache.delete_value(keys)
        return versions


MODES: dict[str, type[Leases] | type[DeleteOnSave]] = {"leases": Leases, "delete-on-save": DeleteOnSave}
