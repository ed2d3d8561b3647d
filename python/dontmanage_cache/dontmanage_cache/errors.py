"""What can go wrong with documents and their database.

>>> import dontmanage
>>> try:
...     dontmanage.get_doc("Customer", "nobody")
... except dontmanage.DoesNotExistError as error:
...     print(error)
Customer `nobody` does not exist
"""

from __future__ import annotations

from ._core import CacheError

__all__ = [
    "DatabaseAwayError",
    "DatabaseBusyError",
    "DatabaseError",
    "DeclarationError",
    "DocumentError",
    "DoesNotExistError",
    "DuplicateEntryError",
    "TableMissingError",
    "TimestampMismatchError",
    "UnknownDocTypeError",
    "UnknownFieldError",
    "ValidationError",
]


class DocumentError(CacheError):
    """Something is wrong with a document, a doctype or the database."""


class DeclarationError(DocumentError):
    """A doctype's declaration can't be read, or says what can't be."""


class UnknownDocTypeError(DocumentError):
    """No file declares such a doctype."""


class ValidationError(DocumentError):
    """A document can't be as it is given."""


class UnknownFieldError(ValidationError, AttributeError):
    """The doctype has no such field."""


class DoesNotExistError(ValidationError, LookupError):
    """There is no such document."""


class DuplicateEntryError(ValidationError):
    """Another document has that name already, or that value of a unique field."""


class TimestampMismatchError(ValidationError):
    """Somebody else has saved the document since it was read."""


class DatabaseError(DocumentError):
    """The database refused; `__cause__` is its own error."""


class DatabaseAwayError(DatabaseError):
    """The database can't be reached, or the connection to it broke."""


class DatabaseBusyError(DatabaseError):
    """The database let others go first, for a lock or a deadlock: roll back and try again."""


class TableMissingError(DatabaseError):
    """A table or column is missing: the site's doctypes have not been migrated."""
