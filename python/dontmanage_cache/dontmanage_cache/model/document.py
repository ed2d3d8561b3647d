"""`Document`: the values of a doctype's fields, and what can be done with them.

>>> import dontmanage
>>> dontmanage.get_doc("Customer", "ann")
<Customer: ann>
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..attribute_dict import AttributeDict
from ..errors import UnknownFieldError, ValidationError

if TYPE_CHECKING:
    from .doctype import DocType
    from .fields import Field

__all__ = ["Document"]


class Document:
    """A document, whose fields are its attributes.

    >>> import dontmanage
    >>> note = dontmanage.get_doc({"doctype": "Note", "title": "Milk"}).insert()
    >>> note.title = "Milk and honey"
    >>> note.save().title
    'Milk and honey'
    """

    if TYPE_CHECKING:
        doctype: str
        name: Any
        owner: str | None
        creation: datetime.datetime | None
        modified: datetime.datetime | None
        modified_by: str | None
        docstatus: int
        idx: int

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, values: Mapping[str, Any]) -> None:
        doctype = values.get("doctype")
        if not isinstance(doctype, str) or not doctype:
            raise ValidationError("a document needs a `doctype`: {'doctype': 'Note', …}")
        self.__dict__["doctype"] = doctype
        self.__dict__["name"] = None
        self.__dict__["_is_new"] = True
        self.update({name: value for name, value in values.items() if name != "doctype"})

    @classmethod
    def _read(cls, doctype: str, values: dict[str, Any]) -> Document:
        """A document that is in the database, with these values."""
        made = cls.__new__(cls)
        made.__dict__["doctype"] = doctype
        made.__dict__.update(values)
        return made

    # Fields

    @property
    def meta(self) -> DocType:
        """Its doctype's declaration.

        >>> dontmanage.get_doc("Customer", "ann").meta.table
        'tabCustomer'
        """
        from .declared import doctype_of

        return doctype_of(self.doctype)

    @property
    def flags(self) -> AttributeDict:
        """For the program's own marks; no part of the document.

        >>> customer = dontmanage.get_doc("Customer", "ann")
        >>> customer.flags.checked = True
        """
        found: AttributeDict = self.__dict__.setdefault("_flags", AttributeDict())
        return found

    def get(self, fieldname: str, default: Any = None) -> Any:
        """A field's value; the default if it has none, or if there is no such field.

        >>> customer = dontmanage.get_doc("Customer", "ann")
        >>> customer.get("email"), customer.get("nonsense", "?")
        ('ann@example.com', '?')
        """
        value = self.__dict__.get(fieldname) if not fieldname.startswith("_") else None
        if value is None and default is None and self._is_table_field(fieldname):
            return getattr(self, fieldname)
        return default if value is None else value

    def set(self, fieldname: str, value: Any) -> None:
        """Gives a field a value. Of a table field, the value is a list of rows.

        >>> customer = dontmanage.get_doc("Customer", "ann")
        >>> customer.set("email", "ann@example.org")
        """
        if fieldname == "doctype":
            raise ValidationError(f"a document stays of its doctype, which is {self.doctype}")
        field = self.meta.field(fieldname)
        if fieldname == "name" and not self.is_new() and value != self.name:
            raise ValidationError(
                f"{self.doctype} `{self.name}` has its name for good: call dontmanage.rename_doc for another"
            )
        if field.is_table:
            self.__dict__[fieldname] = []
            self.extend(fieldname, value or [])
        else:
            self.__dict__[fieldname] = value

    def update(self, values: Mapping[str, Any]) -> Document:
        """Gives several fields their values.

        >>> dontmanage.get_doc("Customer", "ann").update({"email": None, "credit": 5}).credit
        5
        """
        for fieldname, value in values.items():
            if fieldname != "doctype" or value != self.doctype:
                self.set(fieldname, value)
        return self

    def append(self, fieldname: str, row: Mapping[str, Any] | Document | None = None) -> Document:
        """Adds a row to a table field, and gives it.

        >>> order = dontmanage.new_doc("Order", customer="ann")
        >>> order.append("items", {"what": "Milk", "qty": 2}).idx
        1
        """
        field = self._table_field(fieldname)
        rows: list[Document] = self.__dict__.setdefault(fieldname, [])
        if isinstance(row, Document):
            if row.doctype != field.options:
                raise ValidationError(
                    f"`{fieldname}` of {self.doctype} holds {field.options}, not {row.doctype}"
                )
            made = row
        else:
            if row is not None and not isinstance(row, Mapping):
                raise ValidationError(f"a row of `{fieldname}` is a dict of its fields, not {row!r}")
            given = dict(row or {})
            made = Document(given | {"doctype": field.options})
        rows.append(made)
        made.__dict__["idx"] = len(rows)
        return made

    def extend(self, fieldname: str, rows: Iterable[Mapping[str, Any] | Document]) -> None:
        """Adds rows to a table field.

        >>> order = dontmanage.new_doc("Order", customer="ann")
        >>> order.extend("items", [{"what": "Milk"}, {"what": "Bread"}])
        >>> [row.what for row in order.items]
        ['Milk', 'Bread']
        """
        for row in rows:
            self.append(fieldname, row)

    def remove(self, row: Document) -> None:
        """Takes a row out of the table field that it is in.

        >>> order = dontmanage.new_doc("Order", items=[{"what": "Milk"}])
        >>> order.remove(order.items[0])
        >>> order.items
        []
        """
        for field in self.meta.tables:
            rows = self.__dict__.get(field.fieldname) or []
            for at, other in enumerate(rows):
                if other is row:
                    del rows[at]
                    for number, left in enumerate(rows, 1):
                        left.__dict__["idx"] = number
                    return
        raise ValidationError(f"{self.doctype} `{self.name}` has no such row")

    def _table_field(self, fieldname: str) -> Field:
        field = self.meta.field(fieldname)
        if not field.is_table:
            raise ValidationError(
                f"`{fieldname}` of {self.doctype} is a {field.fieldtype}, which has no rows"
            )
        return field

    def _is_table_field(self, fieldname: str) -> bool:
        found = self.meta.by_name.get(fieldname)
        return found is not None and found.is_table

    def is_new(self) -> bool:
        """Whether it has not been inserted.

        >>> dontmanage.new_doc("Order").is_new()
        True
        """
        return bool(self.__dict__.get("_is_new"))

    def as_dict(self, no_nulls: bool = False) -> AttributeDict:
        """Its values, and those of its rows, as dicts of their own.

        >>> dontmanage.get_doc("Customer", "ann").as_dict()["email"]
        'ann@example.com'
        """
        found = AttributeDict(doctype=self.doctype)
        for fieldname, field in self.meta.by_name.items():
            value = getattr(self, fieldname)
            if field.is_table:
                found[fieldname] = [row.as_dict(no_nulls) for row in value]
            elif value is not None or not no_nulls:
                found[fieldname] = value
        return found

    # What the database is asked for

    def insert(self, ignore_permissions: bool | None = None, ignore_if_duplicate: bool = False) -> Document:
        """Puts a new document into the database. No permissions are kept here; the argument is for callers
        that know of some.

        >>> dontmanage.new_doc("Order", customer="ann").insert().customer
        'ann'
        """
        from ..errors import DuplicateEntryError
        from . import storing

        try:
            storing.insert(self)
        except DuplicateEntryError:
            if not ignore_if_duplicate:
                raise
        return self

    def save(self, ignore_permissions: bool | None = None) -> Document:
        """Writes the document, if nobody else has written it since it was read; else it is a
        `TimestampMismatchError`. A new one is inserted.

        >>> customer = dontmanage.get_doc("Customer", "ann")
        >>> customer.email = "ann@example.org"
        >>> customer.save().email
        'ann@example.org'
        """
        from . import storing

        storing.insert(self) if self.is_new() else storing.update(self)
        return self

    def delete(self, ignore_permissions: bool | None = None, ignore_missing: bool = False) -> None:
        """Takes the document, and its rows, out of the database.

        >>> dontmanage.get_doc("Customer", "ann").delete()
        """
        from . import storing

        storing.delete(self.doctype, self.name, ignore_missing=ignore_missing)

    def db_set(
        self,
        fieldname: str | Mapping[str, Any],
        value: Any = None,
        update_modified: bool = True,
        commit: bool = False,
    ) -> None:
        """Writes one field, or a dict of them, at once, whoever else has written the document.

        >>> dontmanage.get_doc("Customer", "ann").db_set("credit", 20, commit=True)
        """
        from ..database.database import current
        from . import storing

        values = dict(fieldname) if isinstance(fieldname, Mapping) else {fieldname: value}
        self.__dict__.update(storing.set_of(self, values, update_modified=update_modified))
        if commit:
            current().commit()

    def reload(self) -> Document:
        """Takes the values of the database, and forgets its own.

        >>> customer = dontmanage.get_doc("Customer", "ann")
        >>> dontmanage.db.set_value("Customer", "ann", "credit", 20)
        >>> customer.reload().credit
        Decimal('20.000000000')
        """
        from . import loading

        fresh = loading.get(self.doctype, self.name)
        flags = self.__dict__.get("_flags")
        self.__dict__.clear()
        self.__dict__.update(fresh.__dict__)
        if flags is not None:
            self.__dict__["_flags"] = flags
        return self

    # Python's own

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Only asked for what is not in `__dict__`.
            if name.startswith("_") or "doctype" not in self.__dict__:
                raise AttributeError(name)
            field = self.meta.by_name.get(name)
            if field is None:
                raise UnknownFieldError(f"{self.doctype} has no field `{name}`")
            if field.is_table:
                return self.__dict__.setdefault(name, [])
            return 0 if field.holds == "check" else None

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            self.__dict__[name] = value
        else:
            self.set(name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __iter__(self) -> Iterator[str]:
        raise TypeError("a document is no dict: `as_dict()` makes one")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Document):
            return NotImplemented
        return self.__getstate__() == other.__getstate__()

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self.doctype}: {self.name or 'new'}>"
