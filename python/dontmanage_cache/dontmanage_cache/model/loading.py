"""Documents from the database."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from ..database.address import MARIADB
from ..database.connection import Connection, Snapshot
from ..database.database import current
from ..errors import DatabaseBusyError, DoesNotExistError
from . import singles
from .declared import doctype_of
from .doctype import DocType
from .document import Document
from .fields import value_of
from .naming import fits
from .queries import locking
from .tables import table_of

if TYPE_CHECKING:
    from sqlalchemy import Row

# How often a document is read again that others write all the while.
TRIES = 20


class Reader(Protocol):
    """What rows come from: the request's connection, or a snapshot."""

    kind: str

    def rows(self, statement: sa.Executable) -> list[Row[Any]]: ...


def get(doctype: str, name: Any, *, for_update: bool = False) -> Document:
    """A document as the request's transaction sees it."""
    return read(current().connection, doctype_of(doctype), name, for_update=for_update)


def fresh(doctype: str, name: str | None) -> Document:
    """A document as it is committed now: read on a connection of its own, in a snapshot that begins now.

    The request's own transaction may see an older one; what that sees must never be shared by way of the
    cache."""
    declared = doctype_of(doctype)
    with Snapshot(current().connection.address) as snapshot:
        return read(snapshot, declared, name)


def fresh_last_modified(doctype: str, *, own: bool = False) -> datetime.datetime | None:
    """When a document of the doctype was last written, as is committed now; None if there is none. `own`
    asks within the request's transaction."""
    if own:
        return last_modified(current().connection, doctype_of(doctype))
    with Snapshot(current().connection.address) as snapshot:
        return last_modified(snapshot, doctype_of(doctype))


def last_modified(reader: Reader, doctype: DocType) -> datetime.datetime | None:
    if doctype.issingle:
        found: datetime.datetime | None = singles.read(reader, doctype)["modified"]
        return found
    table = table_of(doctype, reader.kind)
    rows = reader.rows(sa.select(sa.func.max(table.c.modified)))
    return rows[0][0] if rows else None


def read(reader: Reader, doctype: DocType, name: Any, *, for_update: bool = False) -> Document:
    """A document by way of some connection."""
    if doctype.issingle:
        values = singles.read(reader, doctype)
        children = rows_of(reader, doctype, doctype.name)
        return Document._read(doctype.name, values | children)
    if not fits(name):
        raise missing(doctype, name)
    table = table_of(doctype, reader.kind)
    query = sa.select(table).where(table.c.name == name)
    if for_update and isinstance(reader, Connection):
        query = locking(reader, query)
    for _ in range(TRIES):
        values = first(reader, doctype, query, name)
        if not doctype.tables:
            return Document._read(doctype.name, values)
        children = rows_of(reader, doctype, name)
        if for_update or isinstance(reader, Snapshot) or reader.kind == MARIADB:
            return Document._read(doctype.name, values | children)
        # Each statement sees what is committed when it begins: the rows may be of a later save.
        again = reader.rows(sa.select(table.c.modified).where(table.c.name == name))
        if again and again[0][0] == values["modified"]:
            return Document._read(doctype.name, values | children)
    raise DatabaseBusyError(f"{doctype.name} `{name}` is written faster than it can be read: try again")


def first(reader: Reader, doctype: DocType, query: sa.Select[Any], name: str) -> dict[str, Any]:
    found = reader.rows(query)
    # A table that others made may take one name for another.
    if not found or found[0].name != name:
        raise missing(doctype, name)
    return values_of(doctype, found[0])


def values_of(doctype: DocType, row: Row[Any]) -> dict[str, Any]:
    mapping = row._mapping
    return {fieldname: value_of(field, mapping[fieldname]) for fieldname, field in doctype.columns.items()}


def rows_of(reader: Reader, doctype: DocType, name: str) -> dict[str, list[Document]]:
    """The rows of a document's table fields."""
    found: dict[str, list[Document]] = {}
    for field in doctype.tables:
        of = doctype_of(field.options)
        table = table_of(of, reader.kind)
        query = (
            sa.select(table)
            .where(table.c.parent == name, table.c.parenttype == doctype.name)
            .where(table.c.parentfield == field.fieldname)
            .order_by(table.c.idx, table.c.name)
        )
        found[field.fieldname] = [Document._read(of.name, values_of(of, row)) for row in reader.rows(query)]
    return found


def missing(doctype: DocType, name: Any) -> DoesNotExistError:
    return DoesNotExistError(f"{doctype.name} `{name}` does not exist")
