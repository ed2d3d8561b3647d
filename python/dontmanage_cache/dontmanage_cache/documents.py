"""Documents of a database in the cache, never older than what has been committed.

Whatever reads documents from the database registers itself, and whatever changes them says so:

>>> from dontmanage_cache import documents
>>> documents.register(lambda doctype, name: {"doctype": doctype, "name": name})
>>> documents.get("Item", "apple")
{'doctype': 'Item', 'name': 'apple'}
>>> writes = documents.Writes()           # one for each transaction of the database
>>> writes.touch("Item", "apple")         # before the statement that changes it
True
>>> writes.committing(), writes.committed()
(True, True)

How it works, why it is exact, and what is left if Redis fails is in `docs/documents.md`.
"""

from __future__ import annotations

from . import _core, cache
from ._core import Documents
from .attribute_dict import AttributeDict
from .errors import DoesNotExistError

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Load = Callable[[str, str], Any]

__all__ = [
    "DoesNotExistError",
    "Writes",
    "get",
    "get_value",
    "invalidate",
    "last_modified",
    "register",
]


class Loader:
    """What reads the documents of some doctypes."""

    __slots__ = ("last_modified", "load", "name_of")

    def __init__(
        self,
        load: Load,
        name_of: Callable[[Any], object] | None,
        last_modified: Callable[..., object] | None,
    ) -> None:
        self.load = load
        self.name_of = name_of
        self.last_modified = last_modified


# By doctype; None is for the others.
_loaders: dict[str | None, Loader] = {}


def register(
    loader: Load,
    *,
    doctypes: Iterable[str] | None = None,
    name_of: Callable[[Any], object] | None = None,
    last_modified: Callable[..., object] | None = None,
) -> None:
    """Have documents read by `loader(doctype, name)`: those of `doctypes`, or all that no other one reads.

    The loader must read in a snapshot of the database that begins when it is called, or later: on a
    connection of its own, not within the caller's transaction, which may be older than what others have
    committed meanwhile, and told everybody. It raises DoesNotExistError if there is no such document;
    then nothing is cached.

    name_of: `name_of(document)` is the document's own name. Where the database finds `apple` by `Apple`,
        only what was asked for by its own name is cached, as only that name is known to be invalidated.
    last_modified: `last_modified(doctype)` is when a doctype was last changed, None if there is nothing of
        it; read as the loader reads. Within a transaction that has changed it, it is called with
        `own=True`, and may read in that.

    >>> register(lambda doctype, name: {"doctype": doctype, "name": name}, doctypes=["Item"])
    >>> get("Item", "apple")["name"]
    'apple'
    """
    made = Loader(loader, name_of, last_modified)
    if isinstance(doctypes, str):
        raise TypeError("`doctypes` is a list of names")
    for doctype in [None] if doctypes is None else doctypes:
        _loaders[doctype] = made


def _loader(doctype: object) -> Loader:
    found = _loaders.get(doctype) if isinstance(doctype, str) else None
    found = found or _loaders.get(None)
    if found is None:
        # Nobody else reads documents: those of the site's own database are meant.
        from .model.loading import fresh, fresh_last_modified

        register(fresh, name_of=lambda document: document.name, last_modified=fresh_last_modified)
        found = _loaders[None]
    return found


def _load(doctype: str, name: str) -> tuple[Any, bool]:
    loader = _loader(doctype)
    document = loader.load(doctype, name)
    return document, loader.name_of is None or loader.name_of(document) == name


def _load_last_modified(doctype: str, own: bool) -> object:
    loader = _loader(doctype)
    if loader.last_modified is None:
        raise _core.CacheError(
            f"nothing tells when `{doctype}` was last changed: register(…, last_modified=…) what does"
        )
    time = loader.last_modified(doctype, own=True) if own else loader.last_modified(doctype)
    # That an empty table is empty is worth knowing too.
    return -1 if time is None else time


_documents = Documents(cache, _load, _load_last_modified)

get = _documents.get
invalidate = _documents.invalidate
last_modified = _documents.last_modified


def Writes(reader: Load | None = None) -> _core.Writes:
    """What one transaction of the database changes: see `_core.Writes`.

    reader: `reader(doctype, name)` reads a document within the transaction. It is called for what the
        transaction has changed itself, which others must not see yet.

    >>> writes = Writes()
    >>> writes.touch("Item", "apple"), writes.holds("Item", "apple")
    (True, True)
    >>> writes.rolled_back(), writes.holds("Item", "apple")
    (True, False)
    """
    return _core.Writes(cache, reader)


def get_value(
    doctype: str,
    name: str | None = None,
    fieldname: str | Iterable[str] = "name",
    as_dict: bool = False,
) -> Any:
    """A field of a cached document, or a list of several, or with `as_dict` a dict of them. None if there is
    no such document; and a field that it does not have is None.

    >>> register(lambda doctype, name: {"doctype": doctype, "name": name, "price": 3})
    >>> get_value("Item", "apple", "price"), get_value("Item", "apple", ["name", "price"])
    (3, ['apple', 3])
    """
    is_one = isinstance(fieldname, str)
    if is_one and as_dict:
        raise ValueError("`as_dict` takes a list of fields: the value of a single one is no dict")
    try:
        document = get(doctype, name)
    except DoesNotExistError:
        return None
    if is_one:
        return field(document, fieldname)  # type: ignore[arg-type]
    values = [(name, field(document, name)) for name in fieldname]
    return AttributeDict(values) if as_dict else [value for _, value in values]


def field(document: Any, name: str) -> Any:
    """A document's field, whatever the document is: a mapping, or an object with attributes."""
    found: Any = document.get if hasattr(type(document), "get") else None
    return found(name) if found is not None else getattr(document, name, None)
