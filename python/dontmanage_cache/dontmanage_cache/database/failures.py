"""What a driver's error means, told in the same words for every database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import DatabaseAwayError, DatabaseBusyError, DatabaseError, TableMissingError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

    from .address import Address

# MariaDB's numbers.
MARIADB_UNIQUE = {1062, 1586}
MARIADB_BUSY = {1020, 1205, 1213}
MARIADB_MISSING = {1054, 1146}
MARIADB_AWAY = {1040, 1044, 1045, 1049, 1130, 2002, 2003, 2006, 2013, 2055}
# PostgreSQL's codes.
POSTGRES_UNIQUE = {"23505"}
POSTGRES_BUSY = {"40001", "40P01", "55P03"}
POSTGRES_MISSING = {"42P01", "42703"}


class Conflict(Exception):
    """A row has that name already, or that value of a unique column. For those who know which document
    was to be written; nobody else sees it."""


@contextmanager
def told(address: Address) -> Iterator[None]:
    """Lets out only errors of ours: what happened, where, and how to mend it."""
    from sqlalchemy.exc import DBAPIError, TimeoutError

    try:
        yield
    except DBAPIError as error:
        raise meaning(error, address) from error
    except TimeoutError as error:
        raise DatabaseBusyError(
            f"all connections of this process to the {address} are in use: {first_line(error)}"
        ) from error


def meaning(error: DBAPIError, address: Address) -> Exception:
    """Our error for a driver's."""
    original = error.orig
    text = first_line(original)
    code = code_of(original)
    if is_unique(original, code):
        return Conflict(text)
    if code in MARIADB_BUSY or code in POSTGRES_BUSY or is_locked(original):
        return DatabaseBusyError(
            f"the {address} let others go first: {text}; roll back, and do the work again"
        )
    if (
        code in MARIADB_MISSING
        or code in POSTGRES_MISSING
        or text.startswith(("no such table", "no such col"))
    ):
        return TableMissingError(
            f"the {address} lacks what is asked of it: {text}; `bench --site SITE migrate-doctypes` makes "
            "the tables of doctypes"
        )
    if error.connection_invalidated or code in MARIADB_AWAY or is_away(original):
        return DatabaseAwayError(
            f"the {address} does not answer: {text}; see that it runs, and the site's `db_…` settings"
        )
    return DatabaseError(f"the {address} refused: {text}")


def code_of(original: Any) -> Any:
    """MariaDB's number or PostgreSQL's code."""
    arguments = getattr(original, "args", ())
    if arguments and isinstance(arguments[0], int):
        return arguments[0]
    return getattr(original, "sqlstate", None)


def is_unique(original: Any, code: Any) -> bool:
    if code in MARIADB_UNIQUE or code in POSTGRES_UNIQUE:
        return True
    # From Python 3.11 on, sqlite3's errors have a name.
    return "UNIQUE constraint failed" in str(original)


def is_locked(original: Any) -> bool:
    text = str(original)
    return "database is locked" in text or "database table is locked" in text


def is_away(original: Any) -> bool:
    """Of SQLite and PostgreSQL: whether there was no connection, rather than an answer."""
    if type(original).__module__.startswith("psycopg"):
        # 08: connection; 57P: the server is stopping; 28, 3D: refused at the door; no code: no server.
        state = getattr(original, "sqlstate", None)
        if state is None:
            return type(original).__name__ in ("OperationalError", "ConnectionTimeout", "InterfaceError")
        return str(state).startswith(("08", "57P", "28", "3D"))
    text = str(original)
    return "unable to open database" in text or "disk I/O error" in text


def first_line(error: Any) -> str:
    """What a driver says, on one line."""
    arguments: tuple[Any, ...] = getattr(error, "args", ())
    text = arguments[1] if len(arguments) > 1 and isinstance(arguments[0], int) else error
    return " ".join(str(text).split())
