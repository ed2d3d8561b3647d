"""Kinds of fields: what a document holds in them, and what column holds that.

>>> Field("born", "Date").convert("1999-12-31")
datetime.date(1999, 12, 31)
"""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from ..errors import DeclarationError, ValidationError

__all__ = ["Field"]

# What the column of a kind of field is, see `tables.py`.
SHORT, LONG, INTEGER, CHECK, REAL, DECIMAL = "short", "long", "integer", "check", "real", "decimal"
DATE, DATETIME, TIME, JSON = "date", "datetime", "time", "json"

KINDS = {
    "Data": SHORT,
    "Link": SHORT,
    "Dynamic Link": SHORT,
    "Select": SHORT,
    "Read Only": SHORT,
    "Password": SHORT,
    "Color": SHORT,
    "Barcode": LONG,
    "Phone": SHORT,
    "Autocomplete": SHORT,
    "Icon": SHORT,
    "Attach": LONG,
    "Attach Image": LONG,
    "Image": LONG,
    "Signature": LONG,
    "Text": LONG,
    "Small Text": LONG,
    "Long Text": LONG,
    "Code": LONG,
    "Text Editor": LONG,
    "HTML Editor": LONG,
    "Markdown Editor": LONG,
    "Geolocation": LONG,
    "Int": INTEGER,
    "Long Int": INTEGER,
    "Check": CHECK,
    "Float": REAL,
    "Percent": REAL,
    "Rating": REAL,
    "Duration": REAL,
    "Currency": DECIMAL,
    "Decimal": DECIMAL,
    "Date": DATE,
    "Datetime": DATETIME,
    "Time": TIME,
    "JSON": JSON,
}
# Fields of a form that hold nothing.
LAYOUT = {"Section Break", "Column Break", "Tab Break", "HTML", "Heading", "Button", "Fold"}
# Fields that hold rows, which are documents of another doctype.
TABLES = {"Table", "Table MultiSelect"}

# Characters of a field of one line, unless its declaration says otherwise; and of a name.
LENGTH = 140
# Digits of a decimal number behind the point, and in all.
PLACES, DIGITS = 9, 38
QUANTUM = Decimal(1).scaleb(-PLACES)
WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Field:
    """A field of a doctype.

    >>> Field("price", "Currency").convert("1.50")
    Decimal('1.500000000')
    """

    fieldname: str
    """Lower-case letters, digits and underscores; it is the column's name."""
    fieldtype: str = "Data"
    """What it holds, one of `KINDS`, `TABLES` or `LAYOUT`."""
    label: str = ""
    """What people call it."""
    options: str = ""
    """Of a Link, and of a table, the doctype; of a Dynamic Link, the field with the doctype; of a Select, its
    choices, a line each."""
    reqd: bool = False
    """Whether a document must have it."""
    unique: bool = False
    """Whether no two documents may have the same."""
    search_index: bool = False
    """Whether the database keeps an index of it."""
    default: Any = None
    """What a new document has in it."""
    length: int = 0
    """For how many characters there is room, if not 140."""

    @property
    def holds(self) -> str | None:
        """The kind of its column; None if it has none.

        >>> from dontmanage.model import Field
        >>> Field("notes", "Text").holds
        'long'
        """
        return KINDS.get(self.fieldtype)

    @property
    def is_table(self) -> bool:
        """Whether it holds rows, which are documents of another doctype.

        >>> from dontmanage.model import Field
        >>> Field("items", "Table", options="Item").is_table
        True
        """
        return self.fieldtype in TABLES

    @property
    def room(self) -> int:
        """Characters that fit.

        >>> from dontmanage.model import Field
        >>> Field("phone", length=20).room, Field("title").room
        (20, 140)
        """
        return self.length or LENGTH

    def convert(self, value: Any) -> Any:
        """The value as the database will give it back, whatever it was written as.

        >>> from dontmanage.model import Field
        >>> Field("vip", "Check").convert(True), Field("visits", "Int").convert("7")
        (1, 7)
        """
        if value is None:
            return 0 if self.holds == CHECK else None
        try:
            return CONVERT[self.holds or LONG](self, value)
        except (TypeError, ValueError, InvalidOperation, OverflowError) as error:
            shown = repr(value)
            shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
            why = f": {error}" if isinstance(error, Refused) else ""
            raise ValidationError(
                f"`{self.fieldname}` is of the kind {self.fieldtype}, not {shown}{why}"
            ) from error

    def _check(self) -> None:
        """Refuses a declaration that can't be."""
        if self.fieldtype not in KINDS and self.fieldtype not in TABLES and self.fieldtype not in LAYOUT:
            raise DeclarationError(
                f"`{self.fieldname}` has the unknown kind `{self.fieldtype}`"
                + nearest(self.fieldtype, [*KINDS, *TABLES, *LAYOUT])
            )
        if (self.fieldtype == "Link" or self.is_table) and not self.options:
            raise DeclarationError(
                f"`{self.fieldname}` is a {self.fieldtype}: its `options` name the doctype"
            )
        if (self.unique or self.search_index) and self.holds in (LONG, JSON, None):
            raise DeclarationError(
                f"`{self.fieldname}` is a {self.fieldtype}, which has no index: leave `unique` and "
                "`search_index` to short fields, such as Data"
            )
        if self.length and self.holds != SHORT:
            raise DeclarationError(f"`{self.fieldname}` is a {self.fieldtype}, which has no `length`")
        if not 0 <= self.length <= 700:
            raise DeclarationError(
                f"the `length` of `{self.fieldname}` is {self.length}: it goes up to 700, and Text above that"
            )


class Refused(ValueError):
    """A value, with the reason."""


def nearest(word: str, known: Any) -> str:
    """`: did you mean …?`, if there is something like it."""
    import difflib

    found = difflib.get_close_matches(str(word), [str(one) for one in known], 1)
    return f": did you mean `{found[0]}`?" if found else ""


def text(field: Field, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(
        value, (str, int, float, Decimal, datetime.date, datetime.time)
    ):
        raise TypeError
    given = str(value)
    if "\0" in given:
        raise Refused("it has a NUL character, which databases refuse")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise Refused("it has half of a character (a lone surrogate)") from error
    if field.holds == SHORT and len(given) > field.room:
        raise Refused(f"it has {len(given)} characters, and there is room for {field.room}")
    return given


def integer(field: Field, value: Any) -> int:
    if isinstance(value, str):
        value = value.strip()
    number = int(value)
    if not isinstance(value, str) and number != value:
        raise Refused("it is no whole number")
    if number not in INTEGERS:
        raise Refused("it takes more than 64 bits")
    return number


def check(field: Field, value: Any) -> int:
    number = int(value)
    if number not in (0, 1) or (not isinstance(value, str) and number != value):
        raise Refused("it is 0 or 1")
    return number


def real(field: Field, value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise Refused("it is no finite number")
    return number


def decimal(field: Field, value: Any) -> Decimal:
    # A float by its shortest text: 0.1 is meant, not what the machine has for it.
    number = value if isinstance(value, (int, Decimal)) else Decimal(str(value).strip())
    number = Decimal(number)
    if not number.is_finite():
        raise Refused("it is no finite number")
    rounded = number.quantize(QUANTUM, context=WIDE)
    if len(rounded.as_tuple().digits) > DIGITS:
        raise Refused(f"it has more than {DIGITS - PLACES} digits before the point")
    # There is one nought.
    return rounded if rounded else abs(rounded)


def date(field: Field, value: Any) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    return moment(value).date() if len(value) > 10 else datetime.date.fromisoformat(value)


def moment(value: Any) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        found = value
    elif isinstance(value, datetime.date):
        found = datetime.datetime(value.year, value.month, value.day)
    else:
        found = datetime.datetime.fromisoformat(value)
    if found.tzinfo is not None:
        raise Refused("it has a time zone: convert it to the site's, and drop it by `.replace(tzinfo=None)`")
    return found


def time(field: Field, value: Any) -> datetime.time:
    if isinstance(value, datetime.timedelta):
        # As MariaDB's driver gives it.
        return (datetime.datetime.min + value).time()
    found = value if isinstance(value, datetime.time) else datetime.time.fromisoformat(value)
    if found.tzinfo is not None:
        raise Refused("it has a time zone")
    return found


def data(field: Field, value: Any) -> Any:
    """As it comes back from its text: tuples as lists, for one."""
    return json.loads(dump(value))


def dump(value: Any) -> str:
    found = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    found.encode()
    return found


CONVERT = {
    SHORT: text,
    LONG: text,
    INTEGER: integer,
    CHECK: check,
    REAL: real,
    DECIMAL: decimal,
    DATE: date,
    DATETIME: lambda field, value: moment(value),
    TIME: time,
    JSON: data,
}


def stored(field: Field, value: Any) -> Any:
    """A converted value as its column holds it."""
    if value is None:
        return None
    return dump(value) if field.holds == JSON else value


def value_of(field: Field, value: Any) -> Any:
    """What a column holds, as the document has it."""
    if value is None:
        return 0 if field.holds == CHECK else None
    if field.holds == JSON:
        return json.loads(value)
    if field.holds == CHECK:
        return int(value)
    if field.holds == TIME and isinstance(value, datetime.timedelta):
        return time(field, value)
    return value


def text_of(field: Field, value: Any) -> str | None:
    """A converted value as text, for a doctype whose values are rows."""
    if value is None:
        return None
    if field.holds == JSON:
        return dump(value)
    return repr(value) if isinstance(value, float) else str(value)


def value_of_text(field: Field, given: str | None) -> Any:
    """The value from its text."""
    if given is None:
        return 0 if field.holds == CHECK else None
    return json.loads(given) if field.holds == JSON else field.convert(given)
