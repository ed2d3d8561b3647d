"""A pool of connections for each database: shared by threads, never by processes."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from ..errors import DatabaseAwayError, DatabaseError
from .address import MARIADB, SQLITE, Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Engine

# Connections of a pool that may be in use at once, as a worker with many threads needs.
POOL_SIZE = 5
OVERFLOW = 45
# Only who reads and writes as the site's user has business with its database.
MODE = 0o640

_engines: dict[Address, Engine] = {}
_lock = threading.Lock()


def engine_of(address: Address) -> Engine:
    """The pool of connections to a database; it connects at the first use."""
    found = _engines.get(address)
    if found is None:
        with _lock:
            found = _engines.get(address)
            if found is None:
                found = _engines[address] = make_engine(address)
    return found


def forget_engines() -> None:
    """Closes every connection that is not in use. The next use connects anew."""
    with _lock:
        engines = list(_engines.values())
        _engines.clear()
    for engine in engines:
        engine.dispose()


def after_fork() -> None:
    """In the child: the parent's connections are the parent's. They are left alone, not closed, because a
    goodbye on a shared socket would end the parent's session."""
    global _lock
    _lock = threading.Lock()
    for engine in _engines.values():
        engine.dispose(close=False)


os.register_at_fork(after_in_child=after_fork)


def make_engine(address: Address) -> Engine:
    try:
        import sqlalchemy
    except ImportError as error:
        raise DatabaseError(
            f"documents need SQLAlchemy, which is not installed here ({error}): "
            "`env/bin/pip install 'dontmanage_cache[documents]'`"
        ) from error
    options: dict[str, Any] = {
        # Errors are shown to people and written to logs; what documents hold is neither's business.
        "hide_parameters": True,
        "pool_size": POOL_SIZE,
        "max_overflow": OVERFLOW,
        # A connection that the server has closed meanwhile is replaced, unseen.
        "pool_pre_ping": address.kind != SQLITE,
    }
    if address.kind == SQLITE:
        options["creator"] = sqlite_creator(address)
        return sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.QueuePool, **options)
    if address.kind == MARIADB:
        need("pymysql", "mariadb", "PyMySQL", address)
        return sqlalchemy.create_engine(
            mariadb_url(address), connect_args=mariadb_arguments(address), **options
        )
    need("psycopg", "postgres", "psycopg[binary]", address)
    return sqlalchemy.create_engine(
        postgres_url(address), connect_args={"connect_timeout": address.connect_timeout}, **options
    )


def need(module: str, extra: str, package: str, address: Address) -> None:
    """Tells of a driver that is not there how to get it."""
    try:
        __import__(module)
    except ImportError as error:
        raise DatabaseError(
            f"the {address} needs the driver {package}, which can't be imported ({error}): "
            f"`env/bin/pip install 'dontmanage_cache[{extra}]'`"
        ) from error


def mariadb_url(address: Address) -> URL:
    from sqlalchemy import URL

    query = {"charset": "utf8mb4"}
    if address.socket:
        query["unix_socket"] = address.socket
    return URL.create(
        "mariadb+pymysql",
        username=address.user,
        password=address.password or None,
        host=address.host,
        port=address.port,
        database=address.name,
        query=query,
    )


def mariadb_arguments(address: Address) -> dict[str, Any]:
    # Strict, so that a value is refused rather than cut off, and double quotes hold names as in other
    # databases' SQL only where the server says so: back-ticks always do.
    wait = max(1, int(address.busy_timeout))
    return {
        "connect_timeout": address.connect_timeout,
        "init_command": f"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
        f"SESSION innodb_lock_wait_timeout = {wait}",
    }


def postgres_url(address: Address) -> URL:
    from sqlalchemy import URL

    query = {}
    host: str | None = address.host
    port: int | None = address.port
    if address.socket:
        folder, name = os.path.split(address.socket)
        if name.startswith(".s.PGSQL."):
            port = int(name.rpartition(".")[2])
        else:
            folder = address.socket
        host, query = None, {"host": folder}
    wait = int(address.busy_timeout * 1000)
    query["options"] = f"-c lock_timeout={wait}"
    return URL.create(
        "postgresql+psycopg",
        username=address.user,
        password=address.password or None,
        host=host,
        port=port,
        database=address.name,
        query=query,
    )


def sqlite_creator(address: Address) -> Callable[[], Any]:
    """Opens the file; makes it, for its owner and group alone, if there is none."""
    import sqlite3

    def open_file() -> sqlite3.Connection:
        try:
            # Its companions, `-wal` and `-shm`, get the mode of the file.
            os.close(os.open(address.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE))
        except OSError as error:
            raise DatabaseAwayError(
                f"the {address} can't be opened: {error.strerror}; the site's folder has to be there and to "
                "be this user's"
            ) from error
        connection = sqlite3.connect(
            address.name,
            timeout=address.busy_timeout,
            # Transactions begin where we say so.
            isolation_level=None,
            # A pool hands connections from thread to thread, never to two at once.
            check_same_thread=False,
        )
        # Readers go on while another process writes.
        connection.execute("PRAGMA journal_mode = WAL").close()
        return connection

    return open_file
