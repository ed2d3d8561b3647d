"""A request's own connection to its site's database.

Transactions begin by themselves and end with `commit` or `rollback`. MariaDB's are as the server is
configured (REPEATABLE READ, if nobody changed it), PostgreSQL's are READ COMMITTED. On SQLite each read is
of what is committed until the first write, which takes the file's one lock for writing: so a transaction
never finds at its first write that what it has read is out of date, and what waits for the lock waits its
time and gets it.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import DatabaseAwayError, DatabaseError
from .address import MARIADB, POSTGRES, SQLITE, Address
from .callbacks import Callbacks
from .engines import engine_of
from .failures import Conflict, told
from .raw import bound, is_read, quoted_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy
    from sqlalchemy import Executable, Row

    from .._core import Writes

SAVEPOINT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")

# What a forked child must not close: its parent goes on with it.
_parents: list[Any] = []
# What commits have changed whose answer never came. Forgotten, they would count as ended.
_undecided: list[Writes | None] = []


class Connection:
    """The connection of one request, opened at its first use, and its transaction."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.kind: str = address.kind
        self.before_commit: Callbacks = Callbacks()
        self.after_commit: Callbacks = Callbacks()
        self.before_rollback: Callbacks = Callbacks()
        self.after_rollback: Callbacks = Callbacks()
        self._open: sqlalchemy.Connection | None = None
        self._writes: Writes | None = None
        # Of SQLite: whether its lock is held.
        self._locked = False
        self._pid = os.getpid()
        # Threads that a request starts with a copy of its context share its connection.
        self._turn = threading.RLock()

    # Statements

    def rows(self, statement: Executable) -> list[Row[Any]]:
        """What a reading statement finds."""
        with self._turn, told(self.address):
            return list(self._connection().execute(statement))

    def change(self, statement: Executable, values: Any = None) -> int:
        """Carries out a writing statement, for each member of `values` if given, and says how many rows it
        concerned. Raises [`Conflict`] where a unique value is there already."""
        with self._turn, told(self.address):
            self.begin_writing()
            result = self._connection().execute(statement, values)
            return int(result.rowcount)

    def raw(self, query: str, values: Any = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Carries out SQL as it is written; the columns and rows that it gives."""
        statement = quoted_for(self.kind, query)
        given: tuple[Any, ...] = ()
        if values is not None and values != () and values != {} and values != []:
            statement, given = bound(self.kind, statement, values)
        with self._turn:
            try:
                with told(self.address):
                    if not is_read(query):
                        self.begin_writing()
                    connection = self._connection()
                    options = {} if given else {"no_parameters": True}
                    result = connection.exec_driver_sql(statement, given or None, execution_options=options)
                    if not result.returns_rows:
                        result.close()
                        return [], []
                    return list(result.keys()), [tuple(row) for row in result]
            except Conflict as error:
                from ..errors import DuplicateEntryError

                raise DuplicateEntryError(f"the {self.address} refused: {error}") from error.__cause__

    # What documents are changed

    @property
    def writes(self) -> Writes:
        """What this transaction has changed so far."""
        if self._pid != os.getpid():
            self._leave_to_the_parent()
        if self._writes is None:
            from .. import documents
            from ..model import loading

            self._writes = documents.Writes(loading.get)
        return self._writes

    def touch(self, documents: Iterable[tuple[str, str | None]]) -> None:
        """To be called before a statement that changes these documents; without a name, any of a doctype."""
        writes = self.writes
        for doctype, name in documents:
            writes.touch(doctype, name)

    def holds(self, doctype: str, name: str) -> bool:
        """Whether this transaction has changed the document itself."""
        return self._writes is not None and self._pid == os.getpid() and self._writes.holds(doctype, name)

    # Transactions

    @property
    def in_transaction(self) -> bool:
        """Whether something has been asked or changed since the last commit or rollback."""
        return self._open is not None and self._pid == os.getpid()

    def commit(self) -> None:
        """Makes what was changed everybody's. Then runs what waits in `after_commit`."""
        with self._turn:
            self.before_rollback.reset()
            self.after_rollback.reset()
            self.before_commit.run()
            connection = self._open if self._pid == os.getpid() else None
            if connection is not None:
                if self._writes is not None:
                    self._writes.committing()
                try:
                    with told(self.address):
                        connection.commit()
                except DatabaseAwayError:
                    # Nobody knows whether the database has done it, or is doing it now. So nobody is told
                    # that he may keep what he reads: that comes with time.
                    _undecided.append(self._writes)
                    self._writes = None
                    raise
            self._end()
            if self._writes is not None:
                writes, self._writes = self._writes, None
                writes.committed()
            self.after_commit.run()

    def rollback(self, save_point: str | None = None) -> None:
        """Undoes what was changed since the last commit, or since the savepoint of that name. Then runs what
        waits in `after_rollback`."""
        if save_point is not None:
            self._savepoint("ROLLBACK TO SAVEPOINT", save_point)
            return
        with self._turn:
            self.before_commit.reset()
            self.after_commit.reset()
            self.before_rollback.run()
            self._undo()
            self.after_rollback.run()

    def savepoint(self, save_point: str) -> None:
        """Marks a point of the transaction, to which `rollback(save_point=…)` comes back."""
        self._savepoint("SAVEPOINT", save_point)

    def release_savepoint(self, save_point: str) -> None:
        """Forgets a savepoint; what was changed since stays."""
        self._savepoint("RELEASE SAVEPOINT", save_point)

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All of the statements within, or none."""
        name = f"own_{secrets.token_hex(4)}"
        self.savepoint(name)
        try:
            yield
        except BaseException:
            # After a deadlock the whole transaction is undone, and after a broken connection even more so:
            # then there is no such savepoint, and the error that tells of it is the first one.
            with suppress(DatabaseError):
                self.rollback(name)
            raise
        self.release_savepoint(name)

    def close(self) -> None:
        """Undoes what was not committed, and gives the connection back. The next use opens another."""
        with self._turn:
            for waiting in (self.before_commit, self.after_commit, self.before_rollback, self.after_rollback):
                waiting.reset()
            self._undo()

    def __del__(self) -> None:
        # A request that has ended without a word.
        if sys.is_finalizing() or (self._open is None and self._writes is None):
            return
        try:
            self.close()
        except Exception:
            import logging

            logging.getLogger("dontmanage_cache").warning(
                "the connection to the %s could not be given back", self.address, exc_info=True
            )

    # Inside

    def _connection(self) -> sqlalchemy.Connection:
        if self._pid != os.getpid():
            self._leave_to_the_parent()
        if self._open is None:
            self._open = engine_of(self.address).connect()
        elif self._open.invalidated:
            raise DatabaseAwayError(
                f"the connection to the {self.address} broke, and with it the transaction: call "
                "dontmanage.db.rollback(), and do the work again"
            )
        return self._open

    def begin_writing(self) -> None:
        """Takes the lock of a database that has only one."""
        if self.kind != SQLITE:
            return
        connection = self._connection()
        if not self._locked:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._locked = True

    def _savepoint(self, verb: str, name: str) -> None:
        if not SAVEPOINT.fullmatch(name):
            raise DatabaseError(
                f"`{name}` is no name of a savepoint: take letters, digits and underscores, 63 at most"
            )
        with self._turn, told(self.address):
            self.begin_writing()
            quote = '"' if self.kind != MARIADB else "`"
            self._connection().exec_driver_sql(f"{verb} {quote}{name}{quote}")

    def _undo(self) -> None:
        connection = self._open if self._pid == os.getpid() else None
        try:
            if connection is not None:
                with told(self.address):
                    connection.rollback()
        finally:
            # A connection that broke has undone it, too.
            self._end()
            if self._writes is not None:
                writes, self._writes = self._writes, None
                if self._pid == os.getpid():
                    writes.rolled_back()

    def _end(self) -> None:
        """Gives the connection back."""
        connection, self._open, self._locked = self._open, None, False
        if connection is None:
            return
        if self._pid != os.getpid():
            _parents.append(connection)
        else:
            connection.close()

    def _leave_to_the_parent(self) -> None:
        """In a forked child: the connection, its transaction and what it has changed are the parent's."""
        if self._open is not None:
            _parents.append(self._open)
        if self._writes is not None:
            _parents.append(self._writes)
        self._open, self._writes, self._locked = None, None, False
        self._pid = os.getpid()
        self._turn = threading.RLock()
        for waiting in (self.before_commit, self.after_commit, self.before_rollback, self.after_rollback):
            waiting.reset()


class Snapshot:
    """A connection of its own for reading: all that it reads within is as of one moment, after its begin.

    >>> with Snapshot(address) as read:
    ...     rows = read.rows(statement)
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.kind: str = address.kind

    def __enter__(self) -> Snapshot:
        with told(self.address):
            engine = engine_of(self.address)
            self._open = engine.connect()
            try:
                if self.kind == SQLITE:
                    self._open.exec_driver_sql("BEGIN")
                elif self.kind == MARIADB:
                    self._open.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    self._open.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                elif self.kind == POSTGRES:
                    self._open.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            except BaseException:
                self._open.close()
                raise
        return self

    def rows(self, statement: Executable) -> list[Row[Any]]:
        """What a reading statement finds."""
        with told(self.address):
            return list(self._open.execute(statement))

    def __exit__(self, *error: object) -> None:
        # The pool rolls back what it gets back.
        self._open.close()
