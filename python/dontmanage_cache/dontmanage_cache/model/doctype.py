"""What a doctype's declaration says.

>>> import dontmanage
>>> [field.fieldname for field in dontmanage.get_meta("Order").fields]
['customer', 'items']
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from ..errors import DeclarationError, UnknownFieldError
from .fields import JSON, KINDS, LAYOUT, LENGTH, LONG, SHORT, Field, nearest

__all__ = ["DocType"]

# Columns that every table has, and those of the rows of a table field.
OWN = (
    Field("name"),
    Field("owner"),
    Field("creation", "Datetime"),
    Field("modified", "Datetime"),
    Field("modified_by"),
    Field("docstatus", "Int"),
    Field("idx", "Int"),
)
OF_ROWS = (Field("parent"), Field("parenttype"), Field("parentfield"))
STANDARD = {one.fieldname: one for one in (*OWN, *OF_ROWS)}

# PostgreSQL cuts names of tables off at 63 bytes, `tab` among them.
NAME_BYTES = 60
NAME = re.compile(r"[^\W\d_][\w \-]*")
FIELDNAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True)
class DocType:
    """A kind of documents: its name and its fields.

    >>> customer = DocType("Customer", [Field("email", unique=True), Field("credit", "Currency")])
    >>> customer.field("credit").fieldtype
    'Currency'
    """

    name: str
    """Letters, digits, spaces, `-` and `_`, up to 60 bytes; the table is `tab` and this name."""
    fields: tuple[Field, ...] = ()
    issingle: bool = False
    """Whether there is only one document of it, with the doctype's name."""
    istable: bool = False
    """Whether its documents are rows of others'."""
    autoname: str = "hash"
    """What a new document is called that brings no name: `hash` is a random text, `field:email` what its
    field `email` holds, `prompt` asks for a name."""
    origin: str = field(default="", compare=False)
    """The file that declares it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))
        self._check()

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """The fields that a document has, by name.

        >>> from dontmanage.model import DocType, Field
        >>> "owner" in DocType("Customer").by_name
        True
        """
        own = {one.fieldname: one for one in (*OWN, *(OF_ROWS if self.istable else ()))}
        return own | {one.fieldname: one for one in self.fields if one.fieldtype not in LAYOUT}

    @cached_property
    def columns(self) -> dict[str, Field]:
        """The fields that have a column, by name.

        >>> from dontmanage.model import DocType, Field
        >>> "items" in DocType("Order", [Field("items", "Table", options="Item")]).columns
        False
        """
        return {name: one for name, one in self.by_name.items() if not one.is_table}

    @cached_property
    def tables(self) -> tuple[Field, ...]:
        """The fields that hold rows.

        >>> from dontmanage.model import DocType, Field
        >>> DocType("Customer").tables
        ()
        """
        return tuple(one for one in self.fields if one.is_table)

    @property
    def table(self) -> str:
        """Its table's name.

        >>> from dontmanage.model import DocType, Field
        >>> DocType("System User").table
        'tabSystem User'
        """
        return f"tab{self.name}"

    def field(self, name: str) -> Field:
        """The field of that name; an error that names the nearest, if there is none.

        >>> from dontmanage.model import DocType, Field
        >>> DocType("Customer", [Field("email")]).field("emial")
        Traceback (most recent call last):
        dontmanage_cache.errors.UnknownFieldError: Customer has no field `emial`: did you mean `email`?
        """
        found = self.by_name.get(name)
        if found is None:
            raise UnknownFieldError(f"{self.name} has no field `{name}`{nearest(name, self.by_name)}")
        return found

    def column(self, name: str) -> Field:
        """The field of that name, which has a column.

        >>> from dontmanage.model import DocType, Field
        >>> DocType("Order", [Field("items", "Table", options="Item")]).column("items")
        Traceback (most recent call last):
        dontmanage_cache.errors.UnknownFieldError: `items` of Order holds rows, …
        """
        found = self.field(name)
        if found.is_table:
            raise UnknownFieldError(
                f"`{name}` of {self.name} holds rows, which are documents of {found.options}: ask for those"
            )
        return found

    def _check(self) -> None:
        """Refuses a declaration that can't be."""
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name) or self.name != self.name.strip():
            raise DeclarationError(
                f"`{self.name}` is no name of a doctype: it begins with a letter, and has letters, digits, "
                "spaces, `-` and `_`"
            )
        if len(self.name.encode()) > NAME_BYTES:
            raise DeclarationError(f"the doctype's name `{self.name}` has more than {NAME_BYTES} bytes")
        if self.issingle and self.istable:
            raise DeclarationError(f"{self.name} is both `issingle` and `istable`: it can be one of them")
        seen: set[str] = set()
        for one in self.fields:
            if one.fieldtype in LAYOUT:
                continue
            if not FIELDNAME.fullmatch(one.fieldname):
                raise DeclarationError(
                    f"`{one.fieldname}` of {self.name} is no name of a field: it begins with a lower-case "
                    "letter, and has lower-case letters, digits and `_`, 60 at most"
                )
            if one.fieldname in STANDARD or one.fieldname == "doctype":
                raise DeclarationError(
                    f"every document has a `{one.fieldname}`: {self.name} can't declare one"
                )
            if one.fieldname in methods():
                raise DeclarationError(
                    f"`{one.fieldname}` of {self.name} has the name of a document's method: take another"
                )
            if one.fieldname in seen:
                raise DeclarationError(f"{self.name} has two fields `{one.fieldname}`")
            seen.add(one.fieldname)
            one._check()
            if self.istable and one.is_table:
                raise DeclarationError(f"`{one.fieldname}` of {self.name}: rows have no rows of their own")
        self._check_naming()

    def _check_naming(self) -> None:
        way = self.autoname
        if way in ("hash", "prompt"):
            return
        kind, _, name = way.partition(":")
        if kind != "field":
            raise DeclarationError(
                f"`autoname` of {self.name} is `{way}`: it can be `hash`, `prompt` or `field:FIELDNAME`"
            )
        found = self.columns.get(name)
        if found is None or found.holds != "short" or found.room > LENGTH:
            raise DeclarationError(
                f"`autoname` of {self.name} is `{way}`, and it has no field `{name}` of one line, with "
                f"up to {LENGTH} characters"
            )


def methods() -> set[str]:
    """Attributes of documents that no field may hide."""
    from .document import Document

    return {name for name in dir(Document) if not name.startswith("_")}


KNOWN = {one.name for one in fields(DocType)} - {"origin"}
KNOWN_OF_FIELDS = {one.name for one in fields(Field)}


def declared_in(given: Mapping[str, Any], origin: str) -> DocType:
    """The doctype that a JSON file declares. One that the framework exported (`"doctype": "DocType"`) may
    say much that is not for us; in one of ours, every word counts.

    >>> declared_in({"name": "Tag", "fields": [{"fieldname": "colour"}]}, "tag.json").fields[0].fieldtype
    'Data'
    """
    exported = given.get("doctype") == "DocType"
    given = {key: value for key, value in given.items() if key != "doctype"}
    if not exported:
        for key in given:
            if key not in KNOWN:
                raise DeclarationError(f"`{key}` is nothing that a doctype has{nearest(key, KNOWN)}")
    declared = given.get("fields") or []
    if not isinstance(declared, Iterable) or not all(isinstance(one, Mapping) for one in declared):
        raise DeclarationError("`fields` is a list of objects, each with a `fieldname`")
    autoname = str(given.get("autoname") or "hash")
    if exported:
        autoname = naming_of_export(autoname)
    return DocType(
        str(given.get("name") or ""),
        tuple(field_declared_in(one, exported) for one in declared),
        issingle=bool(given.get("issingle")),
        istable=bool(given.get("istable")),
        autoname=autoname,
        origin=origin,
    )


def naming_of_export(autoname: str) -> str:
    """The framework has more ways; what we can't do asks for a name."""
    way = autoname.strip()
    if way.lower() in ("hash", "random"):
        return "hash"
    return way if way.startswith("field:") else "prompt"


def field_declared_in(given: Mapping[str, Any], exported: bool) -> Field:
    kind = str(given.get("fieldtype") or "Data")
    known = {key: value for key, value in given.items() if key in KNOWN_OF_FIELDS and value is not None}
    name = str(given.get("fieldname") or "")
    if not exported:
        for key in given:
            if key not in KNOWN_OF_FIELDS:
                raise DeclarationError(
                    f"`{key}` of `{name}` is nothing that a field has{nearest(key, KNOWN_OF_FIELDS)}"
                )
    if exported and kind in KINDS_WITHOUT_INDEX:
        known.pop("unique", None)
        known.pop("search_index", None)
    for key in ("reqd", "unique", "search_index"):
        if key in known:
            known[key] = bool(known[key])
    try:
        known["length"] = int(known.get("length") or 0)
    except (TypeError, ValueError):
        raise DeclarationError(
            f"the `length` of `{name}` is `{known['length']}`, which is no number"
        ) from None
    if exported:
        known["length"] = known["length"] if kind in KINDS_WITH_LENGTH and known["length"] <= 700 else 0
    return Field(**(known | {"fieldname": name, "fieldtype": kind}))


KINDS_WITHOUT_INDEX = {kind for kind, holds in KINDS.items() if holds in (LONG, JSON)}
KINDS_WITH_LENGTH = {kind for kind, holds in KINDS.items() if holds == SHORT}
