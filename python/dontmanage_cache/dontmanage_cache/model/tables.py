"""The tables of doctypes: the same on every database, down to what counts as equal and what sorts before
what. Texts are compared by their characters, also capitals and trailing spaces: the cache does so too, and a
document must have one name."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from ..database.address import MARIADB, POSTGRES, SQLITE
from ..database.raw import as_number
from .doctype import DocType
from .fields import (
    CHECK,
    DATE,
    DATETIME,
    DECIMAL,
    DIGITS,
    JSON,
    LENGTH,
    LONG,
    PLACES,
    QUANTUM,
    REAL,
    SHORT,
    TIME,
    WIDE,
    Field,
)

SINGLES = "tabSingles"
COLLATIONS = {MARIADB: "utf8mb4_nopad_bin", POSTGRES: "C", SQLITE: None}


class ExactDecimal(sa.types.UserDefinedType[Decimal]):
    """A decimal number in SQLite, which has none: a number of SQLite's where that is exact, as it is up to 15
    digits, so that SQL can reckon with it; else its text."""

    # A kind of column that takes what it is given as it is.
    NAME = "DECIMALBLOB"
    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return self.NAME

    def bind_processor(self, dialect: Any) -> Any:
        return lambda value: None if value is None else as_number(value)

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        return lambda value: None if value is None else Decimal(str(value)).quantize(QUANTUM, context=WIDE)


def column_type(kind: str, field: Field) -> sa.types.TypeEngine[Any]:
    """The type of a field's column on a kind of database."""
    holds = field.holds
    collation = COLLATIONS[kind]
    if holds == SHORT:
        return sa.String(field.room, collation=collation)
    if holds in (LONG, JSON):
        return mysql.LONGTEXT(collation=collation) if kind == MARIADB else sa.Text(collation=collation)
    if holds == DECIMAL:
        return ExactDecimal() if kind == SQLITE else sa.Numeric(DIGITS, PLACES)
    if holds == DATETIME:
        return mysql.DATETIME(fsp=6) if kind == MARIADB else sa.DateTime()
    if holds == TIME:
        return mysql.TIME(fsp=6) if kind == MARIADB else sa.Time()
    if holds == CHECK:
        return sa.SmallInteger()
    if holds == REAL:
        return sa.Double()
    return sa.Date() if holds == DATE else sa.BigInteger()


def table_of(doctype: DocType, kind: str) -> sa.Table:
    """A doctype's table on a kind of database."""
    # Kept with the doctype: when that is read anew, so is this.
    made: dict[str, sa.Table] = doctype.__dict__.setdefault("_tables", {})
    found = made.get(kind)
    if found is None:
        found = made[kind] = make(doctype, kind)
    return found


def make(doctype: DocType, kind: str) -> sa.Table:
    columns = [
        sa.Column(
            name,
            column_type(kind, field),
            primary_key=name == "name",
            # A column that is added later has this in the rows that are there.
            server_default=sa.text("0") if field.holds == CHECK else None,
            quote=True,
        )
        for name, field in doctype.columns.items()
    ]
    table = sa.Table(doctype.table, sa.MetaData(), *columns, quote=True, **options(kind))
    for field in doctype.columns.values():
        if field.unique or field.search_index:
            sa.Index(
                index_name(doctype.table, field), table.c[field.fieldname], unique=field.unique, quote=True
            )
    if doctype.istable:
        sa.Index(bounded(f"{doctype.table}_parent_index"), table.c.parent, quote=True)
    else:
        sa.Index(bounded(f"{doctype.table}_modified_index"), table.c.modified, quote=True)
    return table


def options(kind: str) -> dict[str, Any]:
    return (
        {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": COLLATIONS[MARIADB]}
        if kind == MARIADB
        else {}
    )


_singles: dict[str, sa.Table] = {}


def singles_of(kind: str) -> sa.Table:
    """The table of all doctypes that have one document: a row is a value."""
    found = _singles.get(kind)
    if found is None:
        found = _singles[kind] = sa.Table(
            SINGLES,
            sa.MetaData(),
            sa.Column("doctype", sa.String(LENGTH, collation=COLLATIONS[kind]), primary_key=True, quote=True),
            sa.Column("field", sa.String(LENGTH, collation=COLLATIONS[kind]), primary_key=True, quote=True),
            sa.Column("value", column_type(kind, Field("value", "Long Text")), quote=True),
            quote=True,
            **options(kind),
        )
    return found


def index_name(table: str, field: Field) -> str:
    return bounded(f"{table}_{field.fieldname}_{'unique' if field.unique else 'index'}")


def bounded(name: str) -> str:
    """A name that PostgreSQL does not cut off."""
    encoded = name.encode()
    if len(encoded) <= 63:
        return name
    return f"{encoded[:46].decode(errors='ignore')}_{hashlib.blake2b(encoded, digest_size=8).hexdigest()}"


def sortable(kind: str, field: Field, column: Any) -> Any:
    """What a column is compared and ordered by."""
    # Of those whose text is kept, too.
    return sa.cast(column, sa.Double()) if may_be_text(kind, field) else column


def may_be_text(kind: str, field: Field) -> bool:
    """Whether the column may hold numbers as texts."""
    return kind == SQLITE and field.holds == DECIMAL
