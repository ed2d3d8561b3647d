"""SQL as it is written, with its values bound.

Placeholders are those of the framework, on every database: `%s` in order or `%(name)s` by name, and
`%%` for a percent sign. A list stands for as many values in parentheses. Without values, nothing in the
text is looked at.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ..errors import DatabaseError
from ..model.fields import QUANTUM, WIDE
from .address import POSTGRES, SQLITE

PLACEHOLDER = re.compile(r"%(?:\((?P<name>[^)]*)\)s|(?P<next>s)|(?P<sign>%)|(?P<other>.?))", re.DOTALL)
# What may begin a statement: space and comments.
LEAD = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*", re.DOTALL)
READS = ("select", "explain", "values", "show", "describe", "pragma table_", "pragma index_")
# A name in back-ticks, or what must not be taken for one: texts and names in quotes, and comments.
TICKED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|`((?:[^`]|``)*)`", re.DOTALL)


def is_read(query: str) -> bool:
    """Whether a statement only reads, for sure.

    >>> is_read("/* all */ SELECT 1"), is_read("with x as (select 1) delete from x")
    (True, False)
    """
    lead = LEAD.match(query)
    text = query[lead.end() if lead else 0 :][:20].lower()
    return text.startswith(READS) and " for update" not in query.lower()


def quoted_for(kind: str, query: str) -> str:
    """The framework's back-ticks around names, as the database wants them.

    >>> quoted_for("postgres", "select '`' from `tabUser`")
    'select \\'`\\' from "tabUser"'
    """
    if kind != POSTGRES or "`" not in query:
        return query

    def quoted(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0]
        return '"' + name.replace("``", "`").replace('"', '""') + '"'

    return TICKED.sub(quoted, query)


def bound(kind: str, query: str, values: Any) -> tuple[str, tuple[Any, ...]]:
    """The statement with its driver's placeholders, and the values for them.

    >>> bound("sqlite", "select %s where a in %(names)s", {"names": [1, 2]})
    Traceback (most recent call last):
    dontmanage_cache.errors.DatabaseError: the statement mixes `%s` and `%(name)s`: use one of them
    >>> bound("sqlite", "select 1 where a in %(names)s", {"names": [1, 2]})
    ('select 1 where a in (?, ?)', (1, 2))
    """
    mark = "?" if kind == SQLITE else "%s"
    sign = "%" if kind == SQLITE else "%%"
    by_name = isinstance(values, Mapping)
    if not by_name:
        values = list(values) if isinstance(values, (list, tuple)) else [values]
    given: list[Any] = []
    used = 0

    def put(value: Any) -> str:
        if isinstance(value, (list, tuple, set, frozenset)):
            members = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else list(value)
            given.extend(driven(kind, member) for member in members)
            # No value is in an empty list; `()` is no SQL.
            return f"({', '.join([mark] * len(members)) or 'NULL'})"
        given.append(driven(kind, value))
        return mark

    def replaced(found: re.Match[str]) -> str:
        nonlocal used
        if found["sign"]:
            return sign
        if found["other"] is not None:
            raise DatabaseError(
                f"`%{found['other']}` is no placeholder: use `%s` or `%(name)s`, and `%%` for a percent sign"
            )
        if by_name != (found["name"] is not None):
            raise DatabaseError(
                "the statement mixes `%s` and `%(name)s`: use one of them"
                if by_name
                else f"`%({found['name']})s` wants a dict of values"
            )
        if by_name:
            if found["name"] not in values:
                raise DatabaseError(f"no value is given for `%({found['name']})s`")
            return put(values[found["name"]])
        if used == len(values):
            raise DatabaseError(f"the statement has more placeholders than the {len(values)} values given")
        used += 1
        return put(values[used - 1])

    statement = PLACEHOLDER.sub(replaced, query)
    if not by_name and used < len(values):
        raise DatabaseError(f"{len(values)} values are given for {used} placeholders")
    return statement, tuple(given)


def driven(kind: str, value: Any) -> Any:
    """A value as the driver takes it, and as columns of doctypes hold it."""
    if kind != SQLITE:
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return as_number(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return value.isoformat("microseconds")
    return value


def as_number(value: Decimal) -> int | float | str:
    """A decimal number as SQLite has it: a number where that is exact, else its text.

    >>> as_number(Decimal("1.50")), as_number(Decimal("12345678901234567.1"))
    (1.5, '12345678901234567.100000000')
    """
    if value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value.quantize(QUANTUM, context=WIDE))
