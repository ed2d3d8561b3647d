"""The cache of a DontManage bench, as its documentation shows it.

>>> import dontmanage
>>> dontmanage.init("site1.local")
>>> dontmanage.cache.set_value("key", "value")
>>> dontmanage.cache.get_value("key")
'value'
>>> dontmanage.destroy()
"""

from dontmanage_cache import AttributeDict as _dict
from dontmanage_cache import (
    CacheError,
    NoSiteError,
    SiteNotFoundError,
    cache,
    clear_cache,
    conf,
    connect,
    destroy,
    init,
    local,
    session,
    set_user,
)

__version__ = "0.1.0"

__all__ = [
    "CacheError",
    "NoSiteError",
    "SiteNotFoundError",
    "_dict",
    "cache",
    "clear_cache",
    "conf",
    "connect",
    "destroy",
    "init",
    "local",
    "session",
    "set_user",
]
