"""What a new document is called, and what fields hold that nobody filled."""

from __future__ import annotations

import datetime
import secrets
from typing import Any

from ..errors import ValidationError
from .doctype import DocType
from .document import Document
from .fields import DATE, DATETIME, LENGTH, LONG, TIME, Field

NAME = Field("name")
# How often a random name may be taken: once in 10^15 is already too often.
BYTES = 8


def random_name() -> str:
    return secrets.token_hex(BYTES)


def name_of(document: Document, doctype: DocType) -> str:
    """The name that a new document gets: its own if it brings one, else by its doctype's `autoname`."""
    if doctype.issingle:
        return doctype.name
    given = document.name
    way, _, fieldname = doctype.autoname.partition(":")
    if way == "field":
        value = document.get(fieldname)
        if value in (None, ""):
            raise ValidationError(f"a {doctype.name} is named by its `{fieldname}`, and this one has none")
        named = NAME.convert(doctype.field(fieldname).convert(value))
        if given not in (None, named):
            raise ValidationError(
                f"a {doctype.name} is named by its `{fieldname}`, `{named}`: it can't be called `{given}`"
            )
        given = named
    elif given is None and way == "hash":
        return random_name()
    if given is None:
        raise ValidationError(f"a {doctype.name} needs a name: give it one by `name`")
    return checked(doctype, given)


def checked(doctype: DocType, given: Any) -> str:
    """A name that a document can have."""
    if not isinstance(given, str):
        raise ValidationError(f"the name of a {doctype.name} is text, not {given!r}")
    name: str = NAME.convert(given)
    if not name or name != name.strip():
        raise ValidationError(
            f"{given!r} is no name of a {doctype.name}: it is empty, or has space around it"
        )
    return name


def fits(name: object) -> bool:
    """Whether a document can have this name at all."""
    if not isinstance(name, str) or not name or len(name) > LENGTH or "\0" in name:
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def default_of(field: Field, user: str) -> Any:
    """What a new document has in a field. `Today`, `Now` and `__user` mean what they say."""
    given = field.default
    word = given.lower() if isinstance(given, str) else ""
    if word in ("today", "now") and field.holds in (DATE, DATETIME, TIME):
        now = datetime.datetime.now()
        if field.holds == TIME:
            return now.time()
        return now if field.holds == DATETIME and word == "now" else now.date()
    if word in ("__user", "user") and field.fieldtype == "Link":
        return user
    if given == "" and field.holds not in (LONG, "short"):
        return None
    return given
