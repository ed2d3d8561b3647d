"""The clients that are measured: for each, the names that the measured calls need.

`enter()` begins a request on the calling thread, and gives the names that belong to it.

Imported late, each in a process of its own: none pays for another's modules.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import payloads

DB_NAME = "_3f1b8c2a"
KEY = "5a" * 32

Names = dict[str, Any]


def bench(socket: str, folder: str, *, signed: bool, timeout: float) -> str:
    """A bench's folder `sites`, with one site."""
    root = Path(folder) / ("signed" if signed else "unsigned")
    sites = root / "sites"
    if not sites.exists():
        for made in (sites / "one", root / "config"):
            made.mkdir(parents=True)
        if signed:
            key = root / "config/cache.key"
            key.touch(0o600)
            key.write_text(f"{KEY}\n")
        config = {"redis_cache": f"unix://{socket}", "redis_cache_timeout": timeout}
        (sites / "one/site_config.json").write_text(json.dumps({"db_name": DB_NAME + root.name}))
        (sites / "common_site_config.json").write_text(json.dumps(config))
    return os.fspath(sites)


def ours(socket: str, folder: str, *, signed: bool = True, timeout: float = 0.2) -> Names:
    import dontmanage_cache as dontmanage
    from dontmanage_cache.caching import redis_cache

    def enter() -> Names:
        dontmanage.init("one", bench(socket, folder, signed=signed, timeout=timeout))
        return {"forget": dontmanage.local.cache.clear}

    @redis_cache  # type: ignore[untyped-decorator]
    def slow_add(a: int, b: int) -> int:
        return a + b

    def connect() -> Names:
        return {"acache": dontmanage.acache}

    return values() | {"cache": dontmanage.cache, "slow_add": slow_add, "enter": enter, "connect": connect}


def wrapper(socket: str, _folder: str) -> Names:
    import wrapper

    def enter() -> Names:
        wrapper.enter(DB_NAME)
        return {"forget": wrapper.local.cache.clear}

    cache = wrapper.Wrapper.from_url(f"unix://{socket}")

    @wrapper.redis_cache(cache)  # type: ignore[untyped-decorator]
    def slow_add(a: int, b: int) -> int:
        return a + b

    return values() | {"cache": cache, "slow_add": slow_add, "enter": enter}


def redis_py(socket: str, _folder: str) -> Names:
    import redis

    return raw(redis.Redis.from_url(f"unix://{socket}"))


def redis_asyncio(socket: str, folder: str) -> Names:
    import redis.asyncio

    def connect() -> Names:
        return {"client": redis.asyncio.Redis.from_url(f"unix://{socket}")}

    # The values are stored by its twin.
    return redis_py(socket, folder) | {"connect": connect}


def valkey_py(socket: str, _folder: str) -> Names:
    import valkey

    return raw(valkey.Valkey.from_url(f"unix://{socket}"))


def raw(client: Any) -> Names:
    """A client and pickle, with nothing in between."""
    # The same keys for both: what is read was written by either.
    functions = {"dumps": pickle.dumps, "loads": pickle.loads, "enter": lambda: {"forget": int}}
    return values() | functions | {"client": client}


def alone(_socket: str, _folder: str) -> Names:
    """Python itself: what no client can be quicker than."""
    import contextvars
    import functools

    local = contextvars.ContextVar[dict[str, Any]]("local")
    local.set({"small": 42})

    @functools.lru_cache
    def slow_add(a: int, b: int) -> int:
        return a + b

    pickles = {f"{name}_pickle": pickle.dumps(value, 5) for name, value in values()["values"].items()}
    return (
        values()
        | pickles
        | {
            "local": local,
            "slow_add": slow_add,
            "dumps": pickle.dumps,
            "loads": pickle.loads,
            "enter": dict,
        }
    )


def values() -> Names:
    """The payloads, by name and together."""
    found = {"small": payloads.SMALL, "kb": payloads.KB, "big": payloads.BIG}
    return found | {"values": found}


CLIENTS: dict[str, Callable[[str, str], Names]] = {
    "signed": ours,
    "unsigned": lambda socket, folder: ours(socket, folder, signed=False),
    # Where the server may have to wait for a busy machine.
    "patient": lambda socket, folder: ours(socket, folder, timeout=10),
    "wrapper": wrapper,
    "redis-py": redis_py,
    "redis.asyncio": redis_asyncio,
    "valkey-py": valkey_py,
    "python": alone,
}
