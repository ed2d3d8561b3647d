"""Doctypes with one document: each value is a row of one table, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ..database.address import MARIADB, POSTGRES
from ..database.failures import Conflict
from .doctype import DocType
from .fields import text_of, value_of_text
from .naming import default_of
from .tables import singles_of

if TYPE_CHECKING:
    from ..database.connection import Connection
    from .loading import Reader


def read_values(reader: Reader, doctype: DocType) -> dict[str, str]:
    """What is stored, as text."""
    table = singles_of(reader.kind)
    return {
        row.field: row.value for row in reader.rows(sa.select(table).where(table.c.doctype == doctype.name))
    }


def read(reader: Reader, doctype: DocType) -> dict[str, Any]:
    """The document's values; what has never been written is its default."""
    stored = read_values(reader, doctype)
    values: dict[str, Any] = {}
    for name, field in doctype.columns.items():
        if name in stored:
            values[name] = value_of_text(field, stored[name])
        else:
            # Nobody's: a default must not depend on who reads it first.
            values[name] = field.convert(default_of(field, "Administrator"))
    return values | {"name": doctype.name, "docstatus": values["docstatus"] or 0, "idx": values["idx"] or 0}


def write(connection: Connection, doctype: DocType, values: Mapping[str, Any]) -> None:
    """Stores converted values, whatever is stored."""
    put(connection, rows_of(doctype, values))


def save(connection: Connection, doctype: DocType, values: Mapping[str, Any], before: Any) -> bool:
    """Stores converted values, with `modified` among them, if that is still what it was `before`; else
    answers False."""
    table = singles_of(connection.kind)
    rows = rows_of(doctype, values)
    # The row `modified` is everybody's gate: who changes it first holds it until the transaction's end.
    gate = next(row for row in rows if row["field"] == "modified")
    if before is None:
        try:
            with connection.atomic():
                connection.change(sa.insert(table), gate)
        except Conflict:
            return False
    else:
        was = text_of(doctype.columns["modified"], before)
        query = sa.update(table).where(
            table.c.doctype == doctype.name, table.c.field == "modified", table.c.value == was
        )
        if connection.change(query.values(value=gate["value"])) == 0:
            return False
    put(connection, [row for row in rows if row is not gate])
    return True


def rows_of(doctype: DocType, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    # In one order always: two who write the same rows then wait for each other, and never both.
    return [
        {"doctype": doctype.name, "field": name, "value": text_of(doctype.columns[name], values[name])}
        for name in sorted(values)
    ]


def put(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Rows in the place of those that are there."""
    if not rows:
        return
    table = singles_of(connection.kind)
    if connection.kind == MARIADB:
        of_mariadb = mysql.insert(table)
        connection.change(of_mariadb.on_duplicate_key_update(value=of_mariadb.inserted.value), rows)
        return
    insert = postgresql.insert(table) if connection.kind == POSTGRES else sqlite.insert(table)
    connection.change(
        insert.on_conflict_do_update(
            index_elements=[table.c.doctype, table.c.field], set_={"value": insert.excluded.value}
        ),
        rows,
    )
