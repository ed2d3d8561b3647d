"""Documents to the database.

Before each statement, the documents that it changes are named to the transaction (`Connection.touch`), so
that no process keeps them. A row of a table field is part of the document that it is in: who changes a row
changes that document."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .. import local
from ..database.address import POSTGRES
from ..database.conditions import conditions
from ..database.database import current, names_or_filters
from ..database.failures import Conflict
from ..errors import (
    DoesNotExistError,
    DuplicateEntryError,
    TimestampMismatchError,
    ValidationError,
)
from . import singles
from .declared import doctype_of
from .doctype import OF_ROWS, DocType
from .document import Document
from .fields import Field, nearest, stored
from .naming import default_of, fits, name_of, random_name
from .tables import table_of

if TYPE_CHECKING:
    from ..database.connection import Connection

# Names in one statement.
STEP = 500


def user() -> str:
    session = getattr(local, "session", None)
    return str(session.user) if session is not None and session.user else "Guest"


def later(than: datetime.datetime | None) -> datetime.datetime:
    """Now; a moment after what was, if the clock says otherwise. No two saves of a document have one time."""
    now = datetime.datetime.now()
    return now if than is None or now > than else than + datetime.timedelta(microseconds=1)


def batches(names: Iterable[str]) -> Iterator[list[str]]:
    given = list(names)
    for at in range(0, len(given), STEP):
        yield given[at : at + STEP]


# A whole document


def insert(document: Document) -> None:
    """Puts a new document into the database, and its values as they are there into the document."""
    doctype = document.meta
    connection = current().connection
    if not document.is_new():
        raise DuplicateEntryError(f"{doctype.name} `{document.name}` has been inserted: save it")
    if doctype.issingle:
        update(document)
        return
    if doctype.istable and not all(document.get(one.fieldname) for one in OF_ROWS):
        raise ValidationError(
            f"a {doctype.name} is a row of another document: append it there, or give it "
            "`parent`, `parenttype` and `parentfield`"
        )
    now = later(None)
    named = name_of(document, doctype)
    values = filled(document, doctype, new=True) | {
        "name": named,
        "owner": document.get("owner") or user(),
        "creation": now,
        "modified": now,
        "modified_by": user(),
    }
    rows = list(rows_to_store(document, doctype, named, now))
    connection.touch([(doctype.name, named), *parents_of_rows(connection, doctype, [], values)])
    try:
        with connection.atomic():
            put(connection, doctype, [values])
            store_rows(connection, doctype, named, rows)
    except Conflict as error:
        raise duplicate(connection, doctype, values, rows, new=True) from error.__cause__
    taken_over(document, values, rows)


def update(document: Document) -> None:
    """Writes a document, if it is still what was read."""
    doctype = document.meta
    connection = current().connection
    named = doctype.name if doctype.issingle else document.name
    before = document.modified
    now = later(before)
    values = filled(document, doctype, new=doctype.issingle and document.is_new())
    values |= {"name": named, "modified": now, "modified_by": user()}
    if doctype.issingle:
        values |= {"owner": document.get("owner") or user(), "creation": document.get("creation") or now}
    rows = list(rows_to_store(document, doctype, named, now))
    connection.touch([(doctype.name, named), *parents_of_rows(connection, doctype, [named], values)])
    try:
        with connection.atomic():
            if not written(connection, doctype, named, values, before):
                raise Outdated
            store_rows(connection, doctype, named, rows)
    except Outdated:
        raise outdated(connection, doctype, named) from None
    except Conflict as error:
        raise duplicate(connection, doctype, values, rows) from error.__cause__
    taken_over(document, values, rows)


class Outdated(Exception):
    """Somebody else has written it."""


def written(
    connection: Connection,
    doctype: DocType,
    named: str,
    values: dict[str, Any],
    before: datetime.datetime | None,
) -> bool:
    """Whether the document was what was read, and is now written."""
    if doctype.issingle:
        return singles.save(connection, doctype, values, before)
    table = table_of(doctype, connection.kind)
    asked = sa.update(table).where(table.c.name == named, table.c.modified == before)
    return connection.change(asked.values(stored_values(doctype, values))) > 0


def filled(document: Document, doctype: DocType, *, new: bool) -> dict[str, Any]:
    """The values of the fields with columns, as the database will give them back."""
    values: dict[str, Any] = {}
    lacking = []
    for fieldname, field in doctype.columns.items():
        value = document.__dict__.get(fieldname)
        if value is None and new and fieldname not in document.__dict__:
            value = default_of(field, user())
        values[fieldname] = value = field.convert(value)
        if field.reqd and value in (None, ""):
            lacking.append(fieldname)
        if field.fieldtype == "Select":
            choose(doctype, field, value)
    lacking += [one.fieldname for one in doctype.tables if one.reqd and not document.get(one.fieldname)]
    if lacking:
        raise ValidationError(
            f"{doctype.name} `{document.name or 'new'}` lacks {', '.join(f'`{one}`' for one in lacking)}"
        )
    values["docstatus"] = values["docstatus"] or 0
    values["idx"] = values["idx"] or 0
    return values


def choose(doctype: DocType, field: Field, value: Any) -> None:
    choices = [line.strip() for line in field.options.splitlines()]
    if value not in (None, "") and choices and value not in choices:
        raise ValidationError(
            f"`{field.fieldname}` of {doctype.name} can't be {value!r}{nearest(value, choices)}; there are "
            f"{', '.join(one for one in choices if one)}"
        )


def rows_to_store(
    document: Document, doctype: DocType, named: str, now: datetime.datetime
) -> Iterator[tuple[Field, Document, dict[str, Any]]]:
    """The rows of all table fields, with their values."""
    for field in doctype.tables:
        of = doctype_of(field.options)
        seen = set()
        for at, row in enumerate(document.get(field.fieldname), 1):
            values = filled(row, of, new=row.is_new())
            values |= {
                "name": row.name if row.name is not None else random_name(),
                "parent": named,
                "parenttype": doctype.name,
                "parentfield": field.fieldname,
                "idx": at,
                "owner": row.owner or user(),
                "creation": row.creation or now,
                "modified": now,
                "modified_by": user(),
            }
            if values["name"] in seen:
                raise ValidationError(f"`{field.fieldname}` of {doctype.name} has the row `{row.name}` twice")
            seen.add(values["name"])
            yield field, row, values


def store_rows(
    connection: Connection,
    doctype: DocType,
    named: str,
    rows: list[tuple[Field, Document, dict[str, Any]]],
) -> None:
    """Makes the rows of a document in the database those that it has."""
    for field in doctype.tables:
        of = doctype_of(field.options)
        table = table_of(of, connection.kind)
        of_it = sa.and_(
            table.c.parent == named,
            table.c.parenttype == doctype.name,
            table.c.parentfield == field.fieldname,
        )
        there = {row.name for row in connection.rows(sa.select(table.c.name).where(of_it))}
        to_have = {values["name"]: values for one, _, values in rows if one is field}
        connection.touch((of.name, name) for name in there | to_have.keys())
        for names in batches(sorted(there - to_have.keys())):
            connection.change(sa.delete(table).where(of_it, table.c.name.in_(names)))
        for name in sorted(there & to_have.keys()):
            values = stored_values(of, to_have[name])
            connection.change(sa.update(table).where(of_it, table.c.name == name).values(values))
        put(connection, of, [values for name, values in to_have.items() if name not in there])


def put(connection: Connection, doctype: DocType, rows: list[dict[str, Any]]) -> None:
    """Inserts rows; raises `Conflict` if one is there already."""
    if not rows:
        return
    table = table_of(doctype, connection.kind)
    connection.change(sa.insert(table), [stored_values(doctype, values, named=True) for values in rows])


def stored_values(doctype: DocType, values: Mapping[str, Any], *, named: bool = False) -> dict[str, Any]:
    return {
        name: stored(doctype.columns[name], value)
        for name, value in values.items()
        if named or name != "name"
    }


def taken_over(
    document: Document, values: dict[str, Any], rows: list[tuple[Field, Document, dict[str, Any]]]
) -> None:
    """After it is stored, the document has what is there."""
    for one, own in ((document, values), *((row, own) for _, row, own in rows)):
        one.__dict__.update(own)
        one.__dict__.pop("_is_new", None)


def delete(doctype: str, name: Any, *, ignore_missing: bool) -> None:
    """Deletes a document, with its rows."""
    declared = doctype_of(doctype)
    connection = current().connection
    if declared.issingle:
        raise ValidationError(f"{doctype} has one document, always: set its fields to None")
    if delete_named(connection, declared, [name] if fits(name) else []) == 0 and not ignore_missing:
        raise DoesNotExistError(f"{doctype} `{name}` does not exist")


def delete_all(connection: Connection, doctype: str, filters: Any) -> None:
    declared = doctype_of(doctype)
    if declared.issingle:
        raise ValidationError(f"{doctype} has one document, always: set its fields to None")
    if filters is None:
        raise ValidationError(f"name what of {doctype} is to be deleted; `{{}}` is all of it")
    name, asked = names_or_filters(filters)
    if asked is None:
        names = [name] if name is not None and fits(name) else []
    else:
        names = names_meeting(connection, declared, asked)
    for some in batches(names):
        delete_named(connection, declared, some)


def delete_named(connection: Connection, doctype: DocType, names: list[str]) -> int:
    if not names:
        return 0
    table = table_of(doctype, connection.kind)
    connection.touch(
        [*((doctype.name, name) for name in names), *parents_of_rows(connection, doctype, names, {})]
    )
    with connection.atomic():
        # First the document: who saves it meanwhile waits here, and then finds that it is gone.
        done = connection.change(sa.delete(table).where(table.c.name.in_(names)))
        for field in doctype.tables:
            of = doctype_of(field.options)
            rows = table_of(of, connection.kind)
            of_them = sa.and_(
                rows.c.parent.in_(names),
                rows.c.parenttype == doctype.name,
                rows.c.parentfield == field.fieldname,
            )
            connection.touch(
                (of.name, row.name) for row in connection.rows(sa.select(rows.c.name).where(of_them))
            )
            connection.change(sa.delete(rows).where(of_them))
    return done


# Single fields


def set_of(document: Document, values: dict[str, Any], *, update_modified: bool) -> dict[str, Any]:
    """Writes fields of a document that is in the database; its new values."""
    if document.is_new() and not document.meta.issingle:
        raise ValidationError(f"this {document.doctype} is not in the database: insert it first")
    return set_values(
        current().connection,
        document.doctype,
        document.name,
        values,
        update_modified=update_modified,
        before=document.modified,
    )


def set_values(
    connection: Connection,
    doctype: str,
    name: Any,
    values: dict[str, Any],
    *,
    update_modified: bool,
    before: datetime.datetime | None = None,
) -> dict[str, Any]:
    """Writes fields of the document with a name, or of all that meet filters; the values as they are
    stored."""
    declared = doctype_of(doctype)
    converted = settable(declared, values)
    if update_modified and "modified" not in converted:
        converted |= {"modified": later(before), "modified_by": user()}
    given, asked = names_or_filters(name)
    if declared.issingle:
        if asked or given not in (None, declared.name):
            return converted
        connection.touch([(declared.name, declared.name)])
        singles.write(connection, declared, converted)
        return converted
    if asked is None:
        names = [given] if given is not None and fits(given) else []
    else:
        names = names_meeting(connection, declared, asked)
    table = table_of(declared, connection.kind)
    for some in batches(names):
        connection.touch(
            [*((declared.name, one) for one in some), *parents_of_rows(connection, declared, some, converted)]
        )
        asked_for = sa.update(table).where(table.c.name.in_(some)).values(stored_values(declared, converted))
        try:
            if connection.kind == POSTGRES and any(declared.columns[one].unique for one in converted):
                # There, a statement that fails takes the transaction along.
                with connection.atomic():
                    connection.change(asked_for)
            else:
                connection.change(asked_for)
        except Conflict as error:
            raise duplicate(connection, declared, converted, []) from error.__cause__
    return converted


def settable(doctype: DocType, values: dict[str, Any]) -> dict[str, Any]:
    converted = {}
    for fieldname, value in values.items():
        field = doctype.column(fieldname)
        if fieldname == "name":
            raise ValidationError(
                f"a {doctype.name} has its name for good: call dontmanage.rename_doc for another"
            )
        converted[fieldname] = field.convert(value)
        if field.reqd and converted[fieldname] in (None, ""):
            raise ValidationError(f"a {doctype.name} must have `{fieldname}`")
        if field.fieldtype == "Select":
            choose(doctype, field, converted[fieldname])
    if not converted:
        raise ValidationError(f"no field of {doctype.name} is named to set")
    return converted


def names_meeting(connection: Connection, doctype: DocType, filters: Any) -> list[str]:
    """The names of those that meet filters now; in one order always, so that two who change the same ones
    wait for each other, and never both."""
    table = table_of(doctype, connection.kind)
    asked = conditions(doctype, table, connection.kind, filters)
    from .queries import locking

    query = locking(connection, sa.select(table.c.name).where(*asked).order_by(table.c.name))
    return [row.name for row in connection.rows(query)]


def parents_of_rows(
    connection: Connection, doctype: DocType, names: list[str], values: Mapping[str, Any]
) -> set[tuple[str, str]]:
    """The documents that rows are in, and that they are put into."""
    if not doctype.istable:
        return set()
    table = table_of(doctype, connection.kind)
    found = set()
    if names:
        query = sa.select(table.c.parenttype, table.c.parent).where(table.c.name.in_(names))
        found = {(row.parenttype, row.parent) for row in connection.rows(query)}
    found.add((str(values.get("parenttype") or ""), str(values.get("parent") or "")))
    return {(parenttype, parent) for parenttype, parent in found if parenttype and parent}


# What went wrong


def outdated(connection: Connection, doctype: DocType, name: str) -> ValidationError:
    """Why a document is not what was read."""
    if doctype.issingle:
        return TimestampMismatchError(
            f"{doctype.name} has been saved by someone else since you read it: read it again, or `reload()`"
        )
    table = table_of(doctype, connection.kind)
    query = sa.select(table.c.modified, table.c.modified_by).where(table.c.name == name)
    # As it is now, not as the transaction's snapshot has it.
    found = connection.rows(query.with_for_update(read=True))
    if not found:
        return DoesNotExistError(f"{doctype.name} `{name}` does not exist any more")
    return TimestampMismatchError(
        f"{doctype.name} `{name}` has been saved by {found[0].modified_by} at {found[0].modified}, after you "
        "read it: read it again, or `reload()`"
    )


def duplicate(
    connection: Connection,
    doctype: DocType,
    values: Mapping[str, Any],
    rows: list[tuple[Field, Document, dict[str, Any]]],
    *,
    new: bool = False,
) -> DuplicateEntryError:
    """Which value is another document's already."""
    for of, own in ((doctype, values), *((row.meta, own) for _, row, own in rows)):
        table = table_of(of, connection.kind)
        for fieldname, field in of.columns.items():
            value = own.get(fieldname)
            if value is None or not (field.unique or fieldname == "name"):
                continue
            asked = sa.select(table.c.name).where(table.c[fieldname] == value)
            if fieldname != "name":
                asked = asked.where(table.c.name != own.get("name", ""))
            found = connection.rows(asked.with_for_update(read=True).limit(1))
            if found and fieldname == "name" and of is doctype and new:
                return DuplicateEntryError(f"{of.name} `{value}` exists already")
            if found and fieldname != "name":
                return DuplicateEntryError(
                    f"{of.name} `{found[0].name}` has the `{fieldname}` {value!r} already, which is unique"
                )
    return DuplicateEntryError(
        f"{doctype.name} `{values.get('name')}` exists already, or one of its rows does"
    )
