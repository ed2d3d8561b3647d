"""What `dontmanage.cache.stats()` tells, field by field.

>>> stats: Statistics = dontmanage.cache.stats()
>>> stats["server"]["state"]
'up'
"""

from __future__ import annotations

from typing import Literal, TypedDict

__all__ = ["FunctionTally", "ServerFacts", "Statistics", "Tally", "Times", "Total"]


class Times(TypedDict):
    """How long calls took, in microseconds. The total and the longest are exact, the percentiles an eighth
    off at most.

    >>> reads: Times = dontmanage.cache.stats()["total"]["read_times"]
    >>> reads["p50_us"] <= reads["p99_us"] <= reads["longest_us"]
    True
    """

    count: int
    total_us: float
    p50_us: float
    p99_us: float
    longest_us: float


class Tally(TypedDict):
    """What the cache did for the keys of one prefix.

    Bytes are those of the values as they are stored, signed and perhaps compressed. Times are of calls that
    asked the server, and do not include pickling. A call about several keys counts its time under the first.

    >>> dontmanage.cache.set_value("price|apple", 1.5)
    >>> price: Tally = dontmanage.cache.stats()["prefixes"]["price"]
    >>> price["writes"] >= 1
    True
    """

    hits: int
    """Reads that found a value: `local_hits` and `redis_hits` together."""
    local_hits: int
    """Reads that the request's own copy answered."""
    redis_hits: int
    """Reads that found a value in Redis."""
    misses: int
    """Reads that found none, or one that was refused."""
    errors: int
    """Calls that asked the server and failed."""
    skipped: int
    """Calls that did not ask the server because it was away a moment ago."""
    rejected: int
    """Values whose signature, place or lifetime was not right; misses too."""
    unreadable: int
    """Values that could not be unpickled; misses too."""
    writes: int
    """Values that were stored."""
    deletes: int
    """Keys and fields that were asked to be removed, by name."""
    bytes_read: int
    bytes_written: int
    read_times: Times
    write_times: Times


class Total(Tally):
    """All prefixes together; `errors` and `skipped` are of all calls, also those about no key in particular.

    >>> total: Total = dontmanage.cache.stats()["total"]
    >>> total["dropped_writes"]
    0
    """

    dropped_writes: int
    """Writes that did not reach the server."""


class FunctionTally(TypedDict):
    """What the cache did for one function under `redis_cache`. What its answers cost as keys is among the
    prefixes too, under the function's name.

    >>> from dontmanage.utils.caching import redis_cache
    >>> @redis_cache
    ... def slow_add(a, b):
    ...     return a + b
    >>> slow_add(40, 2), slow_add(40, 2)
    (42, 42)
    >>> tally: FunctionTally = dontmanage.cache.stats()["functions"][f"{slow_add.__module__}.slow_add"]
    >>> tally["hits"] >= 1
    True
    """

    hits: int
    """Calls answered with a fresh answer: `local_hits` and `redis_hits` together."""
    local_hits: int
    redis_hits: int
    stale: int
    """Calls answered with an old answer while another caller refreshed it."""
    misses: int
    """Calls that found no answer."""
    refused: int
    """Answers that were found and rejected, or could not be unpickled; misses too."""
    computed: int
    """Answers that were computed."""
    failed: int
    """Calls whose function raised."""
    outdated: int
    """Answers that were not kept, because the call was cleared meanwhile."""
    waited: int
    """Calls that waited for another caller's answer."""
    errors: int
    """Calls that could not ask the server, and answers that could not be kept."""
    bytes_read: int
    bytes_written: int
    read_times: Times
    """How long looking for an answer took."""
    compute_times: Times
    """How long the function took."""
    wait_us: float
    """How long calls waited for other callers, together."""


class ServerFacts(TypedDict):
    """What the process knows of the server, without asking it.

    >>> server: ServerFacts = dontmanage.cache.stats()["server"]
    >>> server["state"], server["away_for_s"]
    ('up', None)
    """

    url: str
    """Its password hidden."""
    state: Literal["up", "away"]
    """While it is away, calls do without it."""
    away_for_s: float | None
    retry_in_s: float | None
    """When a call looks again whether it is back."""
    outages: int
    connects: int


class Statistics(TypedDict):
    """What the cache did in this process, since its start, its fork, or `reset_stats()`.

    >>> stats: Statistics = dontmanage.cache.stats()
    >>> import os
    >>> stats["pid"] == os.getpid()
    True
    """

    pid: int
    counted_for_s: float
    server: ServerFacts
    total: Total
    refused: dict[str, int]
    """Values that were found and not taken, by reason: `unsigned`, `no_key`, `bad_signature` (changed, cut
    off, foreign, or moved from another place), `expired`, `unknown_format`, `bad_packing`, `truncated`,
    `too_deep`, `unknown_class`, `wrong_shape`, `malformed`."""
    prefixes: dict[str, Tally]
    other: Tally
    """What has no prefix of its own here any more."""
    functions: dict[str, FunctionTally]
