"""Where the master is: what Redis' sentinels say, in a bench whose cache they watch.

The settings are the framework's: `redis_cache_sentinel_enabled`, `redis_cache_sentinels` (a list of
`host:port`), `redis_cache_master_service`, and the names and passwords `redis_cache_sentinel_username`,
`redis_cache_sentinel_password`, `redis_cache_master_username`, `redis_cache_master_password`.

Where `redis_cache` is a `rediss://` URL, master and sentinels are asked by TLS, with that URL's options.

>>> from dontmanage_cache.sentinels import login
>>> login("cache", "a secret")
'cache:a%20secret@'
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from urllib.parse import quote

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._core import Server

__all__ = ["login", "master_url"]

# An answer holds for so many seconds; for so many while the master does not answer.
FRESH = 5.0
FRESH_WHILE_AWAY = 0.5

DEFAULT_SERVICE = "mymaster"


class Watch:
    """What is known of one master."""

    def __init__(self) -> None:
        self.asked_at = -FRESH
        self.url: str | None = None
        self.is_told = False


_watches: dict[str, Watch] = {}


def master_url(conf: dict[str, Any], timeout: float, server: Server | None = None) -> str | None:
    """The URL of the master. Where no sentinel answers, the last one known; None where there is none.

    `server` is what was made of the last answer: while it is away, the sentinels are asked more often.

    >>> conf = {"redis_cache_sentinels": []}
    >>> master_url(conf, timeout=0.1) is None
    True
    """
    sentinels = [str(sentinel) for sentinel in conf.get("redis_cache_sentinels") or ()]
    service = str(conf.get("redis_cache_master_service") or DEFAULT_SERVICE)
    scheme, options = tls_options(str(conf.get("redis_cache") or ""))
    watch = _watches.setdefault(f"{scheme}://{service}@{','.join(sentinels)}?{options}", Watch())
    now = time.monotonic()
    holds = FRESH_WHILE_AWAY if server is None or server.away else FRESH
    if now - watch.asked_at < holds:
        return watch.url
    watch.asked_at = now
    errors = []
    for sentinel in sentinels:
        try:
            host, port = ask(sentinel, service, conf, timeout)
        except (OSError, ValueError) as error:
            errors.append(f"{sentinel}: {error}")
            continue
        name, password = conf.get("redis_cache_master_username"), conf.get("redis_cache_master_password")
        host = f"[{host}]" if ":" in host else host
        watch.url = f"{scheme}://{login(name, password)}{host}:{port}{options and f'?{options}'}"
        watch.is_told = False
        return watch.url
    if not watch.is_told:
        watch.is_told = True
        logging.getLogger("dontmanage_cache").warning(
            "no sentinel says where the cache's master `%s` is; check `redis_cache_sentinels`: %s",
            service,
            "; ".join(errors) or "it names none",
        )
    return watch.url


def login(name: object, password: object) -> str:
    """A name and a password as they stand in a URL.

    >>> login(None, "a/b"), login(None, None)
    (':a%2Fb@', '')
    """
    return f"{quote(str(name or ''), '')}:{quote(str(password), '')}@" if password else ""


def tls_options(url: str) -> tuple[str, str]:
    """The scheme of a URL, and what it says of TLS.

    >>> tls_options("rediss://u:pw@h:1/2?db=3&ssl_cert_reqs=none")
    ('rediss', 'ssl_cert_reqs=none')
    >>> tls_options("redis://h:1"), tls_options("h:1")
    (('redis', ''), ('redis', ''))
    """
    if not url.startswith("rediss://"):
        return "redis", ""
    query = url.partition("#")[0].partition("?")[2]
    return "rediss", "&".join(option for option in query.split("&") if option.startswith("ssl_"))


def secured(connection: socket.socket, host: str, options: str) -> socket.socket:
    """The connection by TLS, with a URL's options."""
    # Imported late: few need them.
    import ssl
    from urllib.parse import parse_qs

    said = {name: values[0] for name, values in parse_qs(options).items()}
    context = ssl.create_default_context(cafile=said.get("ssl_ca_certs"), capath=said.get("ssl_ca_path"))
    unverified = said.get("ssl_cert_reqs") == "none"
    named = said.get("ssl_check_hostname", "true").lower() not in ("false", "f", "0", "no", "n")
    context.check_hostname = named and not unverified
    if unverified:
        context.verify_mode = ssl.CERT_NONE
    if "ssl_certfile" in said:
        context.load_cert_chain(said["ssl_certfile"], said.get("ssl_keyfile"))
    return context.wrap_socket(connection, server_hostname=host)


def ask(sentinel: str, service: str, conf: dict[str, Any], timeout: float) -> tuple[str, int]:
    """The master's host and port, as a sentinel knows them."""
    host, _, port = sentinel.rpartition(":")
    host = host.strip("[]")
    scheme, options = tls_options(str(conf.get("redis_cache") or ""))
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection((host, int(port)), timeout))
        if scheme == "rediss":
            connection = stack.enter_context(secured(connection, host, options))
        talk = Talk(connection, timeout)
        password = conf.get("redis_cache_sentinel_password")
        if password:
            name = conf.get("redis_cache_sentinel_username")
            talk.say("AUTH", *([str(name)] if name else []), str(password))
        address = talk.say("SENTINEL", "get-master-addr-by-name", service)
    if not isinstance(address, list):
        raise ValueError(f"it knows no master `{service}`")
    return address[0], int(address[1])


class Talk:
    """A conversation, within a time for all of it."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self.connection = connection
        self.end = time.monotonic() + timeout
        self.read = b""

    def say(self, *words: str) -> list[str] | str | None:
        """The answer to a command, as far as sentinels give any: a text, two texts, or nothing."""
        encoded = [word.encode() for word in words]
        parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)]
        self.connection.sendall(b"".join(parts))
        line = self.line()
        if line == "*2":
            return [self.text(self.line()), self.text(self.line())]
        if line[:1] == "+":
            return line[1:]
        if line[:1] == "-":
            raise ValueError(line[1:])
        if line in ("*-1", "$-1", "_"):
            return None
        raise ValueError("it is no sentinel")

    def text(self, head: str) -> str:
        """The text whose length has just been said; it is on one line."""
        line = self.line()
        if head != f"${len(line.encode())}":
            raise ValueError("it is no sentinel")
        return line

    def line(self) -> str:
        while b"\r\n" not in self.read:
            left = self.end - time.monotonic()
            if left <= 0 or len(self.read) > 4096:
                raise TimeoutError("it did not answer in time")
            self.connection.settimeout(left)
            more = self.connection.recv(4096)
            if not more:
                raise ConnectionResetError("it closed the connection")
            self.read += more
        line, _, self.read = self.read.partition(b"\r\n")
        return line.decode("utf-8", "replace")
