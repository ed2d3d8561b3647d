"""Entering and leaving sites: their configuration, the server, the user.

>>> import dontmanage
>>> dontmanage.init("site1.local")
>>> dontmanage.set_user("ann@example.com")
>>> dontmanage.local.site, dontmanage.session.user
('site1.local', 'ann@example.com')
>>> dontmanage.destroy()
"""

from __future__ import annotations

import os

from . import local
from ._core import CacheError, NoSiteError, Server, enter, leave
from .attribute_dict import AttributeDict

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO, TypeVar

    Signature = tuple[int, int, int, int]
    T = TypeVar("T")

__all__ = [
    "SiteNotFoundError",
    "connect",
    "default_server",
    "destroy",
    "init",
    "set_user",
]

# Where the cache of a bench is that does not say.
DEFAULT_URL = "redis://127.0.0.1:13000"


class SiteNotFoundError(CacheError):
    """There is no such site, or no bench around."""


def init(site: str, sites_path: str | os.PathLike[str] | None = None) -> None:
    """Enter a site: its configuration is read, and its keys are those of the cache from now on.

    `sites_path` is the bench's folder `sites`; left out, it is `SITES_PATH` of the environment, else that
    of the bench around the current directory.

    >>> init("site1.local")
    >>> import dontmanage
    >>> dontmanage.cache.make_key("total")
    b'_3f1b8c2a|total'
    """
    # Whole, for what is read of it after the program has changed its directory.
    folder = os.path.abspath(sites_path) if sites_path is not None else find_sites_path()
    if folder is None:
        # That of the site before.
        folder = getattr(local, "sites_path", None)
    if folder is None:
        raise SiteNotFoundError(
            f"there is no bench around `{os.getcwd()}`: change into one, set SITES_PATH, or pass sites_path"
        )
    if not isinstance(site, str) or not site or site in (os.curdir, os.pardir) or os.sep in site:
        raise SiteNotFoundError(f"`{site}` is no name of a site")
    config = os.path.join(folder, site, "site_config.json")
    own = read_json(config)
    if own is None:
        raise SiteNotFoundError(
            f"there is no site `{site}`: `{config}` is missing; `bench new-site {site}` makes it"
        )
    common = read_json(os.path.join(folder, "common_site_config.json"))
    conf = AttributeDict(common or {})
    conf.update(own)
    attributes = {
        "site": site,
        "sites_path": folder,
        "site_path": os.path.join(folder, site),
        "conf": conf,
        "session": AttributeDict(user="Guest", data=AttributeDict()),
        "flags": AttributeDict(),
        "request_cache": {},
        "initialised": True,
    }
    enter(attributes, server(conf, folder))


def connect(site: str | None = None) -> None:
    """Enter a site, if one is named, as the user Administrator.

    >>> connect("site1.local")
    >>> import dontmanage
    >>> dontmanage.session.user
    'Administrator'
    """
    if site:
        init(site)
    elif getattr(local, "site", None) is None:
        raise NoSiteError("name the site to connect to, or call dontmanage.init(site) first")
    set_user("Administrator")


def no_site(what: str) -> NoSiteError:
    """The error of a call that needs a site."""
    return NoSiteError(
        f"{what}, and no site has been entered in this thread or task: call dontmanage.init(site) first"
    )


def destroy() -> None:
    """Leave the site.

    >>> init("site1.local")
    >>> destroy()
    >>> import dontmanage
    >>> dontmanage.local
    <dontmanage.local: no site>

    What `dontmanage.db` has changed and not committed is undone.
    """
    database = getattr(local, "db", None)
    try:
        if database is not None:
            database.close()
    finally:
        leave()


def set_user(username: str) -> None:
    """Go on as another user: nothing that the request has kept for itself is taken over.

    >>> init("site1.local")
    >>> import dontmanage
    >>> dontmanage.cache.set_value("theme", "dark", user=True)
    >>> set_user("ann@example.com")
    >>> dontmanage.cache.get_value("theme", user=True), dontmanage.cache.get_value("theme", user="Guest")
    (None, 'dark')
    """
    local.session = AttributeDict(user=username, sid=username, data=AttributeDict())
    local.request_cache = {}
    local.cache = {}


def find_sites_path() -> str | None:
    """The folder `sites` of the environment, or of the bench around the current directory."""
    given = os.environ.get("SITES_PATH")
    if given:
        return os.path.abspath(given)
    folder = os.getcwd()
    while True:
        if is_bench(folder):
            return os.path.join(folder, "sites")
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    bench = os.environ.get("BENCH_DIR") or os.environ.get("DONTMANAGE_WORKER_LIBRARY")
    return os.path.join(bench, "sites") if bench else None


def is_bench(folder: str) -> bool:
    """Whether the folder is a bench, by the marks that the command `bench` goes by."""

    def holds(name: str) -> bool:
        return os.path.exists(os.path.join(folder, name))

    return holds("bench.toml") or (holds("sites") and (holds("config") or holds("apps")))


def read_json(path: str) -> dict[str, Any] | None:
    """The object in a file; None if there is no such file."""
    # Imported late: a process that asks for nothing pays for nothing.
    import json

    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CacheError(f"`{path}` can't be read: {error}") from error
    if not isinstance(found, dict):
        raise CacheError(f"`{path}` holds no JSON object")
    return found


def common_conf(folder: str | None) -> dict[str, Any]:
    """The configuration of all sites of a bench."""
    return (read_json(os.path.join(folder, "common_site_config.json")) if folder else None) or {}


def default_server() -> Server:
    """The server for calls that need no site: the environment's, else that of the bench around.

    >>> default_server()
    <dontmanage_cache.Server ...>
    """
    folder = find_sites_path()
    return server(common_conf(folder), folder)


def server_at(url: str) -> Server:
    """The server at an address, its values signed as those of the bench around."""
    folder = getattr(local, "sites_path", None) or find_sites_path()
    conf = getattr(local, "conf", None) or common_conf(folder)
    return server({**conf, "redis_cache": url}, folder, by_environment=False)


# One for each server and key: it is shared by all sites and threads.
_servers: dict[tuple[str, str | None, float, float, int | None], Server] = {}


# The master that the sentinels of a bench have named last.
_masters: dict[str | None, Server] = {}


def server(conf: dict[str, Any], folder: str | None, *, by_environment: bool = True) -> Server:
    """The server that a configuration means, or the environment, which goes over it."""
    said_here = by_environment and os.environ.get("DONTMANAGE_REDIS_CACHE")
    url = str(said_here or conf.get("redis_cache") or DEFAULT_URL)
    if "://" not in url:
        url = f"redis://{url}"
    if by_environment and not said_here and folder is not None:
        url = own_socket(url, folder) or url
    key = signing_key(folder) if signs(conf) else None
    connect_timeout = seconds(conf, "redis_cache_connect_timeout")
    watched = by_environment and bool(conf.get("redis_cache_sentinel_enabled"))
    if watched:
        from .sentinels import master_url

        url = master_url(conf, connect_timeout, _masters.get(folder)) or url
    reply_timeout = seconds(conf, "redis_cache_timeout")
    compress_above = threshold(conf, "redis_cache_compress_above")
    known = (url, key, connect_timeout, reply_timeout, compress_above)
    found = _servers.get(known)
    if found is None:
        made = Server(
            url,
            signing_key=key,
            connect_timeout=connect_timeout,
            reply_timeout=reply_timeout,
            compress_above=compress_above,
        )
        found = _servers.setdefault(known, made)
    if watched:
        _masters[folder] = found
    return found


def said(conf: dict[str, Any], name: str) -> Any:
    """What the environment says of a setting, else the configuration; None if neither does."""
    by_environment = os.environ.get(f"DONTMANAGE_{name.upper()}")
    return by_environment if by_environment else conf.get(name)


def signs(conf: dict[str, Any]) -> bool:
    """Whether values are signed where there is a key: unless it is said that they are not."""
    sign = said(conf, "redis_cache_sign")
    if sign in (None, True, 1, "1"):
        return True
    if sign in (False, 0, "0"):
        return False
    # A word that is misspelt must not be taken for either.
    raise CacheError(f"`redis_cache_sign` is true or false, not `{sign}`")


# How long a request waits for a cache that hangs, if nothing is said.
DEADLINE = 0.2


def seconds(conf: dict[str, Any], name: str) -> float:
    """A deadline."""
    given = said(conf, name)
    if not given:
        return DEADLINE
    try:
        return float(given)
    except (TypeError, ValueError):
        raise CacheError(f"`{name}` is a number of seconds, like 0.2, not `{given}`") from None


def threshold(conf: dict[str, Any], name: str) -> int | None:
    """A number of bytes; None if nothing is said."""
    given = said(conf, name)
    if not given:
        return None
    try:
        bytes_ = int(given)
    except (TypeError, ValueError):
        bytes_ = -1
    # What is said in a file is a number already.
    if bytes_ < 0 or isinstance(given, (bool, float)):
        raise CacheError(f"`{name}` is a number of bytes, like 4096, not `{given}`")
    return bytes_


# What `stat` would be imported for.
TYPE_OF_FILE, REGULAR, FOLDER = 0o170000, 0o100000, 0o040000

# What was read of files of the bench, each with the file's signature then.
_known: dict[str, tuple[Signature, Any]] = {}


def unless_known(path: str, encoding: str, read: Callable[[TextIO, int], T]) -> T:
    """What `read` makes of a file and its mode; it is read anew only if it has changed."""
    status = os.stat(path)
    signature = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)
    known = _known.get(path)
    if known is None or known[0] != signature:
        if status.st_mode & TYPE_OF_FILE not in (REGULAR, FOLDER):
            # To open a pipe would be to wait for its other end.
            raise OSError("it is no regular file")
        with open(path, encoding=encoding) as file:
            known = _known[path] = (signature, read(file, status.st_mode))
    found: T = known[1]
    return found


def config_file(folder: str, name: str) -> str:
    """The path of a file in the bench's `config/`, from that of its `sites/`."""
    return os.path.join(os.path.dirname(os.path.abspath(folder)), "config", name)


# What stands for itself in a URL.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")


def own_socket(url: str, folder: str) -> str | None:
    """The unix socket of the bench's own server, which is quicker, if the URL means that server: by a local
    address and the port that `config/redis_cache.conf` has, without a login or another database."""
    host, _, port = url.removeprefix("redis://").removesuffix("/0").rstrip("/").rpartition(":")
    if host not in ("127.0.0.1", "localhost"):
        return None
    try:
        own_port, socket = unless_known(config_file(folder, "redis_cache.conf"), "utf-8", read_addresses)
    except (OSError, ValueError):
        # The URL is good without.
        return None
    if own_port != port or socket is None or not PLAIN.issuperset(socket):
        return None
    # It belongs to the user whom the server runs as.
    return f"unix://{socket}" if os.access(socket, os.W_OK) else None


def read_addresses(file: TextIO, mode: int) -> tuple[str | None, str | None]:
    """The port and the socket in a `redis_cache.conf`."""
    words = [line.split(None, 1) for line in file]
    directives = {pair[0]: pair[1].strip() for pair in words if len(pair) == 2}
    return directives.get("port"), directives.get("unixsocket")


def signing_key(folder: str | None) -> str | None:
    """The text of the bench's key file; None if the bench does not sign."""
    if folder is None:
        return None
    path = config_file(folder, "cache.key")
    try:
        return unless_known(path, "ascii", read_key)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and not os.path.islink(path):
            return None
        # Not to be taken for a bench that does not sign: then anybody's values would be read.
        raise CacheError(
            f"the key that signs the cache's values, `{path}`, can't be read: {error}; put back a copy of "
            "it, or remove it and run `bench setup redis`, which makes a new one"
        ) from error


HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def read_key(file: TextIO, mode: int) -> str:
    """The text of a key file."""
    text = file.read(1000)
    digits = text.removesuffix("\n").removesuffix("\r")
    if len(digits) != 64 or not HEXADECIMAL.issuperset(digits):
        raise ValueError("a signing key is 64 hexadecimal digits and a newline")
    if mode & 0o077:
        import logging

        logging.getLogger("dontmanage_cache").warning(
            "`%s` signs the cache's values and is open to others (mode %o): run `chmod 600` on it",
            file.name,
            mode & 0o777,
        )
    return text
