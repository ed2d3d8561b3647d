"""Filters, fields and orders of a query, as SQL. Names are looked up in the doctype and values are bound, so
nothing that is passed here becomes SQL by itself."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..errors import ValidationError
from ..model.doctype import DocType
from ..model.fields import JSON, LONG, SHORT, Field, nearest, stored
from ..model.tables import may_be_text, sortable
from .address import POSTGRES

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "like", "not like", "in", "not in", "between", "is")
ORDER = re.compile(
    r"\s*(?:`?tab[^`.]*`?\.)?[`\"]?([a-z][a-z0-9_]*)[`\"]?(?:\s+(asc|desc))?\s*", re.IGNORECASE
)
WANTED = re.compile(
    r"\s*[`\"]?([a-z][a-z0-9_]*)[`\"]?(?:\s+as\s+[`\"]?([a-zA-Z_][a-zA-Z0-9_]{0,62})[`\"]?)?\s*"
)


def conditions(doctype: DocType, table: sa.Table, kind: str, filters: Any) -> list[Any]:
    """What the filters ask of a row. Filters are `{field: value}`, `{field: [operator, value]}`, or a list
    of `[field, operator, value]`."""
    return [condition(doctype, table, kind, *one) for one in triples(doctype, filters)]


def triples(doctype: DocType, filters: Any) -> list[tuple[str, str, Any]]:
    if filters is None:
        return []
    if isinstance(filters, Mapping):
        return [
            (name, str(value[0]), value[1])
            if isinstance(value, (list, tuple)) and len(value) == 2
            else (name, "=", value)
            for name, value in filters.items()
        ]
    if isinstance(filters, (list, tuple)):
        # One filter, without the list around it.
        if filters and isinstance(filters[0], str):
            filters = [filters]
        found = []
        for one in filters:
            if isinstance(one, Mapping):
                found += triples(doctype, one)
                continue
            parts = list(one) if isinstance(one, (list, tuple)) else []
            if len(parts) == 4 and parts[0] == doctype.name:
                parts = parts[1:]
            if len(parts) == 2:
                parts = [parts[0], "=", parts[1]]
            if len(parts) != 3:
                raise ValidationError(f"{one!r} is no filter: write [field, operator, value]")
            found.append((str(parts[0]), str(parts[1]), parts[2]))
        return found
    raise ValidationError(f"{filters!r} are no filters: write {{field: value}} or [[field, operator, value]]")


def condition(doctype: DocType, table: sa.Table, kind: str, name: str, asked: str, value: Any) -> Any:
    field = doctype.column(name)
    column = table.c[name]
    sign = " ".join(asked.lower().split())
    if sign not in OPERATORS:
        raise ValidationError(
            f"`{asked}` is no operator{nearest(sign, OPERATORS)}; there are {', '.join(OPERATORS)}"
        )
    if sign == "is":
        return is_set(field, column, value)
    if field.holds == JSON:
        raise ValidationError(f"`{name}` of {doctype.name} holds JSON, which can only be asked by `is`")
    if sign in ("in", "not in"):
        return among(field, column, value, negated=sign == "not in")
    if sign == "between":
        low, high = pair(name, value)
        return sa.and_(compared(kind, field, column, ">=", low), compared(kind, field, column, "<=", high))
    if sign in ("like", "not like"):
        texts = column if field.holds in (SHORT, LONG) else sa.cast(column, sa.String())
        pattern = texts.ilike(str(value), escape="\\")
        return pattern if sign == "like" else sa.or_(sa.not_(pattern), column.is_(None))
    if value is None:
        if sign in ("=", "!="):
            return column.is_(None) if sign == "=" else column.is_not(None)
        raise ValidationError(f"nothing is `{sign}` None: ask `{name}` by `is`, or by `=`")
    if sign == "=":
        return column == bound_value(field, value)
    if sign == "!=":
        # What has no value differs from every value.
        return sa.or_(column != bound_value(field, value), column.is_(None))
    return compared(kind, field, column, sign, value)


def compared(kind: str, field: Field, column: Any, sign: str, value: Any) -> Any:
    """Which of the two is the greater."""
    given = bound_value(field, value)
    if given is None:
        raise ValidationError(f"nothing is `{sign}` None: ask `{field.fieldname}` by `is`, or by `=`")
    compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[sign]
    if may_be_text(kind, field):
        return compare(sortable(kind, field, column), float(given))
    return compare(column, given)


def is_set(field: Field, column: Any, value: Any) -> Any:
    asked = str(value).lower()
    if asked not in ("set", "not set"):
        raise ValidationError(f"`is` asks for `set` or `not set`, not for {value!r}")
    has = column.is_not(None)
    if field.holds in (SHORT, LONG):
        has = sa.and_(has, column != "")
    return has if asked == "set" else sa.not_(has)


def among(field: Field, column: Any, value: Any, *, negated: bool) -> Any:
    if isinstance(value, str):
        value = [one.strip() for one in value.split(",")]
    try:
        given = list(value)
    except TypeError:
        raise ValidationError(f"`in` wants a list of values, not {value!r}") from None
    has_none = None in given
    found = column.in_([bound_value(field, one) for one in given if one is not None])
    if has_none:
        found = sa.or_(found, column.is_(None))
    if not negated:
        return found
    return sa.not_(found) if has_none else sa.or_(sa.not_(found), column.is_(None))


def pair(name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValidationError(f"`between` of `{name}` wants two values, not {value!r}")
    return value[0], value[1]


def bound_value(field: Field, value: Any) -> Any:
    """A value as the column has it. A text may be longer than the column: then it is just not there."""
    if field.holds == SHORT:
        return LONGER.convert(value)
    return stored(field, field.convert(value))


LONGER = Field("value", "Long Text")


def orders(doctype: DocType, table: sa.Table, kind: str, order_by: str | None) -> list[Any]:
    """By what a query is ordered: `field`, `field desc`, several with commas. What is alike goes by name."""
    found = []
    names = set()
    for part in (order_by or "").split(",") if order_by else []:
        match = ORDER.fullmatch(part)
        if match is None:
            raise ValidationError(
                f"`{part.strip()}` is no order: write `field`, `field desc`, or several with commas"
            )
        name = match[1]
        names.add(name)
        column = sortable(kind, doctype.column(name), table.c[name])
        downwards = (match[2] or "").lower() == "desc"
        order = column.desc() if downwards else column.asc()
        if kind == POSTGRES:
            # As the others do.
            order = order.nulls_last() if downwards else order.nulls_first()
        found.append(order)
    if "name" not in names:
        found.append(table.c.name.asc())
    return found


def wanted(doctype: DocType, fields: Any) -> list[tuple[str, Field]]:
    """The fields that a query is to give, each with the name that it is given under."""
    if isinstance(fields, str):
        fields = [fields]
    found: list[tuple[str, Field]] = []
    for one in fields:
        if one == "*":
            found += doctype.columns.items()
            continue
        match = WANTED.fullmatch(one) if isinstance(one, str) else None
        if match is None:
            raise ValidationError(
                f"{one!r} is no field of {doctype.name}: write `field`, `field as name` or `*`"
            )
        found.append((match[2] or match[1], doctype.column(match[1])))
    return found
