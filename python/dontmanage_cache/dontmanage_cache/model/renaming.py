"""Another name for a document, in all that refers to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..database.database import current
from ..database.failures import Conflict
from ..errors import DoesNotExistError, DuplicateEntryError, ValidationError
from . import singles, storing
from .declared import all_doctypes, doctype_of
from .doctype import DocType
from .fields import Field
from .naming import checked, fits
from .tables import table_of

if TYPE_CHECKING:
    from ..database.connection import Connection


def rename(doctype: str, old: str, new: str) -> str:
    """Gives a document another name, in its rows and in every field that links to it. The new name."""
    declared = doctype_of(doctype)
    if declared.issingle:
        raise ValidationError(f"{doctype} has one document, which bears its name")
    named = checked(declared, new)
    if named == old:
        return named
    connection = current().connection
    table = table_of(declared, connection.kind)
    way, _, fieldname = declared.autoname.partition(":")
    values = {"name": named, "modified": storing.later(None), "modified_by": storing.user()}
    if way == "field":
        values[fieldname] = named
    if not fits(old):
        raise DoesNotExistError(f"{doctype} `{old}` does not exist")
    connection.touch(
        [
            (doctype, old),
            (doctype, named),
            *storing.parents_of_rows(connection, declared, [old], {}),
        ]
    )
    try:
        with connection.atomic():
            if connection.change(sa.update(table).where(table.c.name == old).values(values)) == 0:
                raise DoesNotExistError(f"{doctype} `{old}` does not exist")
            take_rows_along(connection, declared, old, named)
            change_links(connection, declared, old, named)
    except Conflict as error:
        raise DuplicateEntryError(f"{doctype} `{named}` exists already") from error.__cause__
    return named


def take_rows_along(connection: Connection, doctype: DocType, old: str, new: str) -> None:
    for field in doctype.tables:
        of = doctype_of(field.options)
        rows = table_of(of, connection.kind)
        of_it = sa.and_(
            rows.c.parent == old,
            rows.c.parenttype == doctype.name,
            rows.c.parentfield == field.fieldname,
        )
        connection.touch((of.name, row.name) for row in connection.rows(sa.select(rows.c.name).where(of_it)))
        connection.change(sa.update(rows).where(of_it).values(parent=new))


def change_links(connection: Connection, doctype: DocType, old: str, new: str) -> None:
    """What links to the document links to it by its new name."""
    for of, field, kind_in in links_to(doctype):
        if of.issingle:
            values = singles.read(connection, of)
            if values[field.fieldname] == old and (kind_in is None or values[kind_in] == doctype.name):
                connection.touch([(of.name, of.name)])
                singles.write(connection, of, {field.fieldname: new})
            continue
        filters = {field.fieldname: old} | ({} if kind_in is None else {kind_in: doctype.name})
        storing.set_values(connection, of.name, filters, {field.fieldname: new}, update_modified=False)


def links_to(doctype: DocType) -> Iterator[tuple[DocType, Field, str | None]]:
    """The fields that can link to a doctype; of dynamic links, with the field that says so."""
    for of in all_doctypes().values():
        for field in of.columns.values():
            if field.fieldtype == "Link" and field.options == doctype.name:
                yield of, field, None
            elif field.fieldtype == "Dynamic Link" and field.options in of.columns:
                yield of, field, field.options
