"""What programs call for documents: `dontmanage.get_doc` and its like.

>>> import dontmanage
>>> dontmanage.get_doc("Customer", "ann").email
'ann@example.com'
"""

from __future__ import annotations

from . import local

# `typing` costs more to import than all of this package; so does the database, which is imported when it is
# first asked.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .model.doctype import DocType
    from .model.document import Document

__all__ = [
    "clear_document_cache",
    "delete_doc",
    "get_all",
    "get_cached_doc",
    "get_cached_value",
    "get_doc",
    "get_last_modified",
    "get_meta",
    "new_doc",
    "rename_doc",
]


def get_doc(doctype: Any = None, name: Any = None, /, *, for_update: bool = False, **values: Any) -> Document:
    """A document from the database; or a new one, not inserted yet, made of a dict.

    name: the document's name, or filters, of which the first document is taken that meets them. A doctype
        with one document needs none.
    for_update: nobody else can change the document before this transaction ends.

    >>> get_doc("Customer", "ann").email
    'ann@example.com'
    >>> get_doc({"doctype": "Customer", "name": "bob", "email": "bob@example.com"}).insert()
    <Customer: bob>
    """
    from .model import loading
    from .model.declared import doctype_of
    from .model.document import Document

    if isinstance(doctype, Document):
        return doctype
    if doctype is None or not isinstance(doctype, str):
        return Document({**(doctype or {}), **values})
    if values:
        return Document({"doctype": doctype, **({} if name is None else {"name": name}), **values})
    declared = doctype_of(doctype)
    if not isinstance(name, str) and name is not None and not declared.issingle:
        from .database.database import current

        name = current().get_value(doctype, name) or name
    return loading.get(doctype, name, for_update=for_update)


def new_doc(doctype: str, **values: Any) -> Document:
    """A new document with its doctype's defaults, not inserted yet.

    >>> customer = new_doc("Customer", email="eve@example.com")
    >>> customer.name = "eve"
    >>> customer.insert().email
    'eve@example.com'
    """
    from .model.declared import doctype_of
    from .model.document import Document
    from .model.naming import default_of
    from .model.storing import user

    made = Document({"doctype": doctype, **values})
    for fieldname, field in doctype_of(doctype).columns.items():
        if field.default is not None and fieldname not in values:
            made.set(fieldname, field.convert(default_of(field, user())))
    return made


def get_cached_doc(doctype: str, name: str | None = None) -> Any:
    """A document from the cache, or from the database if it is not there; then it is for everybody.

    Within a request it is the same object each time. It is what has been committed, or what this transaction
    has written itself: never an older one.

    >>> get_cached_doc("Customer", "ann").email
    'ann@example.com'
    >>> get_cached_doc("System Settings").language
    'en'
    """
    from . import documents

    return documents.get(doctype, name)


def get_cached_value(
    doctype: str, name: str | None, fieldname: str | list[str] = "name", as_dict: bool = False
) -> Any:
    """A field of a cached document, a list of several, or with `as_dict` a dict of them. None if there is no
    such document.

    >>> get_cached_value("Customer", "ann", "email")
    'ann@example.com'
    >>> get_cached_value("Customer", "nobody", "email")
    """
    from . import documents

    return documents.get_value(doctype, name, fieldname, as_dict)


def get_last_modified(doctype: str) -> Any:
    """When a document of the doctype was last written, from the cache; None if there is none.

    >>> get_last_modified("Customer")
    datetime.datetime(...)
    """
    from . import documents

    found = documents.last_modified(doctype)
    return None if found == -1 else found


def clear_document_cache(doctype: str, name: str | None = None) -> None:
    """Forget a document, or all of a doctype, in the cache: by hand, after SQL that changed it.

    Within a transaction it is forgotten now, and again at the end.

    >>> dontmanage.db.sql("update `tabCustomer` set email = %s where name = %s", ("ann@x.co", "ann"))
    ()
    >>> clear_document_cache("Customer", "ann")
    >>> dontmanage.db.commit()
    >>> get_cached_value("Customer", "ann", "email")
    'ann@x.co'
    """
    from . import documents

    database = getattr(local, "db", None)
    if database is not None and database.connection.in_transaction:
        database.connection.touch([(doctype, name)])
    else:
        documents.invalidate(doctype, name)


def delete_doc(
    doctype: str,
    name: str,
    *,
    ignore_permissions: bool | None = None,
    ignore_missing: bool = True,
) -> None:
    """Delete a document, with its rows.

    >>> delete_doc("Customer", "ann")
    >>> dontmanage.db.exists("Customer", "ann")
    """
    from .model import storing

    storing.delete(doctype, name, ignore_missing=ignore_missing)


def rename_doc(doctype: str, old: str, new: str) -> str:
    """Give a document another name, in its rows and in every field that links to it. The new name.

    >>> rename_doc("Customer", "ann", "anna")
    'anna'
    """
    from .model import renaming

    return renaming.rename(doctype, old, new)


def get_all(doctype: str, filters: Any = None, fields: Any = None, **options: Any) -> list[Any]:
    """A dict of fields for each document that meets the filters; see `dontmanage.db.get_all`.

    >>> get_all("Customer", fields=["name", "email"])
    [{'name': 'ann', 'email': 'ann@example.com'}]
    """
    from .database.database import current

    return current().get_all(doctype, filters, fields, **options)


def get_meta(doctype: str) -> DocType:
    """What a doctype's declaration says.

    >>> get_meta("Customer").field("email").fieldtype
    'Data'
    """
    from .model.declared import doctype_of

    return doctype_of(doctype)
