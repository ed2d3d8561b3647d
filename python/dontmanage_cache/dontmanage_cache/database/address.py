"""Which database a site's configuration means."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import DatabaseError

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SQLITE, MARIADB, POSTGRES = "sqlite", "mariadb", "postgres"
KINDS = {
    "sqlite": SQLITE,
    "mariadb": MARIADB,
    "postgres": POSTGRES,
    "postgresql": POSTGRES,
}


@dataclass(frozen=True)
class Address:
    """Where a database is, and who asks; it can be shown, as the password is not part of its text.

    >>> print(address_of({"db_type": "mariadb", "db_name": "_1bd3", "db_password": "s3cret"}, "/sites/a"))
    mariadb database `_1bd3` at 127.0.0.1:3306
    """

    kind: str
    """`sqlite`, `mariadb` or `postgres`."""
    name: str
    """The database's name; of SQLite, the file."""
    host: str = ""
    port: int = 0
    socket: str = ""
    """A unix socket, which goes before host and port; of PostgreSQL, the folder that it is in."""
    user: str = ""
    password: str = ""
    busy_timeout: float = 5.0
    """For how many seconds another connection's lock is waited for."""
    connect_timeout: int = 10
    """For how many seconds the server's first answer is waited for."""

    def __str__(self) -> str:
        if self.kind == SQLITE:
            return f"sqlite database `{self.name}`"
        return f"{self.kind} database `{self.name}` at {self.socket or f'{self.host}:{self.port}'}"

    def __repr__(self) -> str:
        return f"<{self}>"


def address_of(conf: Mapping[str, Any], site_path: str) -> Address:
    """The database of the site with this configuration and this folder."""
    given = str(conf.get("db_type") or SQLITE).lower()
    kind = KINDS.get(given)
    if kind is None:
        raise DatabaseError(
            f"`db_type` of the site's config is `{given}`: it can be `sqlite`, `mariadb` or `postgres`"
        )
    if kind == SQLITE:
        path = str(conf.get("db_path") or "site.db")
        return Address(
            SQLITE,
            os.path.join(os.path.abspath(site_path), path),
            busy_timeout=number(conf, "db_busy_timeout", 5.0),
        )
    name = conf.get("db_name")
    if not name:
        raise DatabaseError(f"the site's config has `db_type` {kind} and no `db_name`: name the database")
    socket = str(conf.get("db_socket") or "")
    return Address(
        kind,
        str(name),
        host=str(conf.get("db_host") or "127.0.0.1"),
        port=int(number(conf, "db_port", 3306 if kind == MARIADB else 5432)),
        socket=socket,
        # As the framework does: each site's database has a user of its own, of the same name.
        user=str(conf.get("db_user") or name),
        password=str(conf.get("db_password") or ""),
        busy_timeout=number(conf, "db_busy_timeout", 50.0),
        connect_timeout=int(number(conf, "db_connect_timeout", 10)),
    )


def number(conf: Mapping[str, Any], key: str, default: float) -> float:
    """A number of the configuration, above nought."""
    given = conf.get(key)
    if given is None or given == "":
        return default
    try:
        found = float(given)
    except (TypeError, ValueError):
        found = 0
    if found <= 0:
        raise DatabaseError(f"`{key}` of the site's config is `{given}`: it is a number above 0")
    return found
