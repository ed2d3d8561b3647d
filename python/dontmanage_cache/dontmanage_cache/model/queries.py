"""What `dontmanage.db` reads: fields of documents, without making documents of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..attribute_dict import AttributeDict
from ..database.address import SQLITE
from ..database.conditions import conditions, orders, wanted
from ..database.database import names_or_filters
from ..errors import ValidationError
from . import singles
from .declared import doctype_of
from .doctype import DocType
from .fields import Field, value_of
from .naming import fits
from .tables import table_of

if TYPE_CHECKING:
    from ..database.connection import Connection


def get_value(
    connection: Connection,
    doctype: str,
    filters: Any,
    fieldname: Any,
    *,
    as_dict: bool,
    order_by: str | None,
    for_update: bool,
) -> Any:
    declared = doctype_of(doctype)
    fields = wanted(declared, fieldname)
    many = not isinstance(fieldname, str) or fieldname == "*"
    if declared.issingle:
        name, asked = names_or_filters(filters)
        if asked or name not in (None, declared.name):
            return None
        values = singles.read(connection, declared)
        found = [values[field.fieldname] for _, field in fields]
    else:
        name, asked = names_or_filters(filters)
        if asked is None and not fits(name):
            return None
        table = table_of(declared, connection.kind)
        query = sa.select(*(table.c[field.fieldname] for _, field in fields))
        if asked is None:
            query = query.where(table.c.name == name)
        else:
            query = query.where(*conditions(declared, table, connection.kind, asked))
            query = query.order_by(*orders(declared, table, connection.kind, order_by)).limit(1)
        if for_update:
            query = locking(connection, query)
        rows = connection.rows(query)
        if not rows:
            return None
        found = converted(fields, rows[0])
    if as_dict:
        return AttributeDict((name, value) for (name, _), value in zip(fields, found, strict=True))
    return tuple(found) if many else found[0]


def get_single_value(connection: Connection, doctype: str, fieldname: str) -> Any:
    declared = doctype_of(doctype)
    if not declared.issingle:
        raise ValidationError(f"{doctype} has many documents: name one, and ask dontmanage.db.get_value")
    field = declared.column(fieldname)
    return singles.read(connection, declared)[field.fieldname]


def get_all(
    connection: Connection,
    doctype: str,
    filters: Any,
    fields: Any,
    order_by: str | None,
    limit: int | None,
    *,
    start: int,
    pluck: str | None,
) -> list[Any]:
    declared = many_of(doctype)
    asked = wanted(declared, pluck if pluck is not None else fields or ["name"])
    table = table_of(declared, connection.kind)
    query = sa.select(*(table.c[field.fieldname] for _, field in asked))
    query = query.where(*conditions(declared, table, connection.kind, filters))
    query = query.order_by(*orders(declared, table, connection.kind, order_by))
    if limit:
        query = query.limit(int(limit))
    if start:
        # SQLite and MariaDB have no offset without a limit.
        query = query.limit(int(limit or 2**62)).offset(int(start))
    found = [converted(asked, row) for row in connection.rows(query)]
    if pluck is not None:
        return [row[0] for row in found]
    names = [name for name, _ in asked]
    return [AttributeDict(zip(names, row, strict=True)) for row in found]


def exists(connection: Connection, doctype: str | Mapping[str, Any], name: Any) -> str | None:
    if isinstance(doctype, Mapping):
        name = {key: value for key, value in doctype.items() if key != "doctype"}
        doctype = str(doctype.get("doctype"))
    found = get_value(connection, doctype, name, "name", as_dict=False, order_by=None, for_update=False)
    return None if found is None else str(found)


def count(connection: Connection, doctype: str, filters: Any) -> int:
    declared = many_of(doctype)
    table = table_of(declared, connection.kind)
    asked = conditions(declared, table, connection.kind, filters)
    return int(connection.rows(sa.select(sa.func.count()).select_from(table).where(*asked))[0][0])


def many_of(doctype: str) -> DocType:
    """The doctype, which has a table of its own."""
    declared = doctype_of(doctype)
    if declared.issingle:
        raise ValidationError(f"{doctype} has one document: ask dontmanage.db.get_single_value")
    return declared


def locking(connection: Connection, query: sa.Select[Any]) -> sa.Select[Any]:
    """The query, for rows that are to be changed."""
    if connection.kind == SQLITE:
        connection.begin_writing()
        return query
    return query.with_for_update()


def converted(fields: list[tuple[str, Field]], row: Any) -> list[Any]:
    return [value_of(field, value) for (_, field), value in zip(fields, row, strict=True)]
