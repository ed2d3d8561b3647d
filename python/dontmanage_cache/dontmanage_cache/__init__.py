"""The cache of a DontManage bench, for Python workers.

What programs use is the package `dontmanage`; this one holds the library, also for benches whose
`dontmanage` is the framework itself.

>>> import dontmanage_cache as dontmanage
>>> dontmanage.init("site1.local")
>>> dontmanage.cache.set_value("key", "value")
>>> dontmanage.cache.get_value("key")
'value'
"""

import os

from ._core import CacheError, Local, LocalCopy, NoSiteError, after_fork
from .attribute_dict import AttributeDict
from .commands import Cache

__all__ = [
    "AttributeDict",
    "Cache",
    "CacheError",
    "Local",
    "LocalCopy",
    "NoSiteError",
    "SiteNotFoundError",
    "acache",
    "cache",
    "clear_cache",
    "conf",
    "connect",
    "db",
    "destroy",
    "init",
    "local",
    "session",
    "set_user",
]

# What is counted in a forked child is its own.
os.register_at_fork(after_in_child=after_fork)

cache: Cache = Cache()
"""The cache of the site that this thread or task is in."""

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .awaitable import acache


def __getattr__(name: str) -> "Any":
    """`acache` is made at its first use: most processes have no event loop."""
    if name == "acache":
        from .awaitable import acache

        globals()["acache"] = acache
        return acache
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")


def __dir__() -> list[str]:
    """All names, also before their first use."""
    return sorted({*globals(), *__all__})


local: Local = Local()
"""Attributes of this thread or task."""

from .here import conf, db, session  # noqa: E402 - they read `local`
from .sites import SiteNotFoundError, connect, destroy, init, set_user  # noqa: E402


def clear_cache(user: str | None = None, doctype: str | None = None) -> None:
    """Forget what is cached for a user, for a doctype, or all that is cached for the site.

    Keys of other sites and shared ones stay, and so do those that the apps' hooks name in
    `persistent_cache_keys`.

    >>> cache.set_value("theme", "dark", user="ann@example.com")
    >>> cache.set_value("total", 42)
    >>> clear_cache(user="ann@example.com")
    >>> cache.get_value("theme", user="ann@example.com"), cache.get_value("total")
    (None, 42)
    >>> clear_cache()
    >>> cache.get_value("total")
    """
    # Imported late: few processes clear anything.
    from .clearing import clear_cache

    clear_cache(user, doctype)
