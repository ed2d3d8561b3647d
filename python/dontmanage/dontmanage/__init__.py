"""The cache of a DontManage bench, as its documentation shows it.

>>> import dontmanage
>>> dontmanage.init("site1.local")
>>> dontmanage.cache.set_value("key", "value")
>>> dontmanage.cache.get_value("key")
'value'
>>> dontmanage.destroy()
"""

from dontmanage_cache.calls import (
    clear_document_cache,
    delete_doc,
    get_all,
    get_cached_doc,
    get_cached_value,
    get_doc,
    get_last_modified,
    get_meta,
    new_doc,
    rename_doc,
)
from dontmanage_cache.errors import (
    DatabaseAwayError,
    DatabaseBusyError,
    DatabaseError,
    DeclarationError,
    DocumentError,
    DoesNotExistError,
    DuplicateEntryError,
    TableMissingError,
    TimestampMismatchError,
    UnknownDocTypeError,
    UnknownFieldError,
    ValidationError,
)

from dontmanage_cache import AttributeDict as _dict
from dontmanage_cache import (
    CacheError,
    NoSiteError,
    SiteNotFoundError,
    cache,
    clear_cache,
    conf,
    connect,
    db,
    destroy,
    init,
    local,
    session,
    set_user,
)

# `typing` costs more to import than all of the library.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dontmanage_cache import acache


def __getattr__(name: str) -> "Any":
    """`acache` is made at its first use: most processes have no event loop."""
    if name == "acache":
        from dontmanage_cache import acache

        globals()["acache"] = acache
        return acache
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")


def __dir__() -> list[str]:
    """All names, also before their first use."""
    return sorted({*globals(), *__all__})


__version__ = "0.1.0"

__all__ = [
    "CacheError",
    "DatabaseAwayError",
    "DatabaseBusyError",
    "DatabaseError",
    "DeclarationError",
    "DocumentError",
    "DoesNotExistError",
    "DuplicateEntryError",
    "NoSiteError",
    "SiteNotFoundError",
    "TableMissingError",
    "TimestampMismatchError",
    "UnknownDocTypeError",
    "UnknownFieldError",
    "ValidationError",
    "_dict",
    "acache",
    "cache",
    "clear_cache",
    "clear_document_cache",
    "conf",
    "connect",
    "db",
    "delete_doc",
    "destroy",
    "get_all",
    "get_cached_doc",
    "get_cached_value",
    "get_doc",
    "get_last_modified",
    "get_meta",
    "init",
    "local",
    "new_doc",
    "rename_doc",
    "session",
    "set_user",
]
