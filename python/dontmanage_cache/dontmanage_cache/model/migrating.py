"""Makes the tables of doctypes, and adds to them what they lack. Nothing is ever dropped, and no column
changes into what could lose something: that is refused, with advice."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateColumn

from ..database.address import MARIADB, POSTGRES, SQLITE
from ..database.connection import Connection
from ..database.database import current
from ..database.engines import engine_of
from ..database.failures import Conflict, told
from ..errors import DatabaseError
from .declared import all_doctypes, doctype_of
from .doctype import DocType
from .tables import ExactDecimal, singles_of, table_of


def migrate() -> list[str]:
    """Brings the site's tables up to its doctypes, and says what it did, a line each. What can't be done is
    an error, after all else has been done.

    >>> migrate()
    ['made `tabCustomer`']
    >>> migrate()
    []
    """
    declared = all_doctypes()
    for doctype in declared.values():
        for field in doctype.tables:
            of = doctype_of(field.options)
            if not of.istable:
                raise DatabaseError(
                    f"`{field.fieldname}` of {doctype.name} holds rows of {of.name}, which is not `istable`"
                )
    database = current()
    database.commit()
    connection = database.connection
    done: list[str] = []
    refused: list[str] = []
    with told(connection.address), engine_of(connection.address).connect() as open_:
        if connection.kind == SQLITE:
            # Two who migrate at once do so in turn.
            open_.exec_driver_sql("BEGIN IMMEDIATE")
        there = set(sa.inspect(open_).get_table_names())
        if any(doctype.issingle for doctype in declared.values()):
            singles = singles_of(connection.kind)
            if singles.name not in there:
                singles.create(open_)
                done.append(f"made `{singles.name}`")
        for doctype in declared.values():
            if doctype.issingle:
                continue
            table = table_of(doctype, connection.kind)
            if table.name not in there:
                table.create(open_)
                done.append(f"made `{table.name}`")
                continue
            Alteration(open_, connection, doctype, table, done, refused).carry_out()
        open_.commit()
    if refused:
        raise DatabaseError("; ".join(refused) + (f" (done before: {', '.join(done)})" if done else ""))
    return done


class Alteration:
    """Of one table that is there, in which something may be missing."""

    def __init__(
        self,
        open_: sa.Connection,
        connection: Connection,
        doctype: DocType,
        table: sa.Table,
        done: list[str],
        refused: list[str],
    ) -> None:
        self.open = open_
        self.connection = connection
        self.kind = connection.kind
        self.doctype = doctype
        self.table = table
        self.done = done
        self.refused = refused
        self.inspector = sa.inspect(open_)
        self.quote = open_.dialect.identifier_preparer.quote_identifier

    def carry_out(self) -> None:
        there = self.columns()
        for column in self.table.columns:
            found = there.get(column.name)
            if found is None:
                self.add(column)
            else:
                self.compare(column, found)
        self.add_indexes()
        for name in sorted(there.keys() - {column.name for column in self.table.columns}):
            # Said each time: it holds data that no document shows.
            self.done.append(
                f"kept `{name}` of `{self.table.name}`, which no field of {self.doctype.name} has"
            )

    def columns(self) -> dict[str, Any]:
        """The types of the columns that are there, by name."""
        found = {one["name"]: one["type"] for one in self.inspector.get_columns(self.table.name)}
        if self.kind == SQLITE:
            # SQLAlchemy takes our kind for one of its own.
            for one in self.open.exec_driver_sql(f"PRAGMA table_info({self.quote(self.table.name)})"):
                if one.type == ExactDecimal.NAME:
                    found[one.name] = ExactDecimal()
        return found

    def add(self, column: sa.Column[Any]) -> None:
        declared = CreateColumn(column).compile(dialect=self.open.dialect)
        self.run(f"ALTER TABLE {self.quote(self.table.name)} ADD COLUMN {declared}")
        self.done.append(f"added `{column.name}` to `{self.table.name}`")

    def compare(self, column: sa.Column[Any], found: Any) -> None:
        wanted = shape(column.type)
        there = shape(found)
        if wanted == there or (self.kind == SQLITE and wanted[0] == there[0]):
            # SQLite has no limits for lengths.
            return
        if wanted[0] == there[0] == "text":
            if wanted[1] > there[1]:
                self.widen(column)
            return
        self.refused.append(
            f"`{column.name}` of `{self.table.name}` holds {there[0]}, and {self.doctype.name} declares "
            f"{wanted[0]}: give the field another name, or convert the column by hand, "
            f"`ALTER TABLE {self.quote(self.table.name)} …`"
        )

    def widen(self, column: sa.Column[Any]) -> None:
        table, name = self.quote(self.table.name), self.quote(column.name)
        kind = column.type.compile(dialect=self.open.dialect)
        if self.kind == MARIADB:
            null = "NULL" if column.nullable else "NOT NULL"
            self.run(f"ALTER TABLE {table} MODIFY COLUMN {name} {kind} {null}")
        else:
            self.run(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {kind}")
        self.done.append(f"made room in `{column.name}` of `{self.table.name}`")

    def add_indexes(self) -> None:
        there = {index["name"] for index in self.inspector.get_indexes(self.table.name)}
        for index in sorted(self.table.indexes, key=lambda one: str(one.name)):
            if index.name in there:
                continue
            try:
                with told(self.connection.address), self.alone():
                    index.create(self.open)
            except Conflict as error:
                names = ", ".join(f"`{column.name}`" for column in index.columns)
                self.refused.append(
                    f"{names} of `{self.table.name}` is declared unique, and is not: {error}; mend the "
                    "documents, and migrate again"
                )
                continue
            self.done.append(f"made the index `{index.name}`")

    def alone(self) -> Any:
        """Where a statement that fails takes the transaction along: keeps it from that."""
        return self.open.begin_nested() if self.kind == POSTGRES else nullcontext()

    def run(self, statement: str) -> None:
        self.open.exec_driver_sql(statement, execution_options={"no_parameters": True})


def shape(kind: Any) -> tuple[str, int]:
    """What a column holds, and for how long texts there is room."""
    if isinstance(kind, ExactDecimal):
        return "decimal numbers", 0
    if isinstance(kind, sa.String):
        unlimited = isinstance(kind, (sa.Text, mysql.LONGTEXT)) or kind.length is None
        return "text", 2**32 if unlimited else int(kind.length or 0)
    for of, name in (
        (sa.DateTime, "dates with times"),
        (sa.Date, "dates"),
        (sa.Time, "times"),
        (sa.Float, "floating numbers"),
        (sa.Numeric, "decimal numbers"),
        (sa.Integer, "whole numbers"),
    ):
        if isinstance(kind, of):
            return name, 0
    return str(kind), 0
