"""Threads that share one request, as `asyncio.to_thread` starts them: whoever is late, the request's copy is
empty or what Redis holds. What is late is held back between the bench and its server."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import PATIENCE, Bench, wait_for
from dontmanage.utils.caching import redis_cache
from relay import Held, Relay, relayed
from test_away import short_folder as short_folder

import dontmanage_cache as dontmanage
from dontmanage import acache
from dontmanage_cache import documents


@pytest.fixture
def relay(redis_server, short_folder) -> Iterator[Relay]:
    with relayed(short_folder, redis_server.socket) as made:
        yield made


@pytest.fixture(autouse=True, params=["signed", "bare"])
def bench(request, relay, tmp_path) -> Bench:
    made = Bench(tmp_path / "bench", relay.url, signed=request.param == "signed")
    made.enter()
    return made


@pytest.fixture
def cache(bench) -> dontmanage.Cache:
    return dontmanage.cache


class Thread:
    """Another thread of this request."""

    def __init__(self, work: Callable[[], Any], context: contextvars.Context | None = None) -> None:
        def run() -> None:
            self.answer = mine.run(work)

        mine = contextvars.copy_context() if context is None else context
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def end(self) -> Any:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.answer


def assert_known_is_true(cache: dontmanage.Cache) -> None:
    """What this request knows is what a request knows that knows nothing yet."""
    known = cache.get_value("k"), cache.hget("h", "f")
    dontmanage.local.cache.clear()
    assert known == (cache.get_value("k"), cache.hget("h", "f"))


# How a call is told from others on its way, and the call.
Ask = tuple[str, Callable[[dontmanage.Cache], Any]]
Write = tuple[str, Callable[[dontmanage.Cache, str], Any]]

VALUE_READS: dict[str, Ask] = {
    "get_value": ("GET", lambda cache: cache.get_value("k")),
    "get_values": ("MGET", lambda cache: cache.get_values(["k"]).get("k")),
    "get_value with a generator": ("GET", lambda cache: cache.get_value("k", lambda: "made")),
}
FIELD_READS: dict[str, Ask] = {
    "hget": ("HGET", lambda cache: cache.hget("h", "f")),
    "hget with a generator": ("HGET", lambda cache: cache.hget("h", "f", lambda: "made")),
}
VALUE_WRITES: dict[str, Write] = {
    "set_value": ("SET", lambda cache, new: cache.set_value("k", new)),
    "set_value for Redis alone": ("SET", lambda cache, new: cache.set_value("k", new, cache_locally=False)),
    "set_values": ("SET", lambda cache, new: cache.set_values({"k": new, "other": 1})),
    "delete_value": ("UNLINK", lambda cache, _: cache.delete_value("k")),
    "delete_values": ("UNLINK", lambda cache, _: cache.delete_values(["k", "other"])),
    "delete_keys": ("UNLINK", lambda cache, _: cache.delete_keys("k")),
    "awaited set_value": ("SET", lambda cache, new: asyncio.run(acache.set_value("k", new))),
    "awaited set_values": ("SET", lambda cache, new: asyncio.run(acache.set_values({"k": new}))),
    "awaited delete_value": ("UNLINK", lambda cache, _: asyncio.run(acache.delete_value("k"))),
}
FIELD_WRITES: dict[str, Write] = {
    "hset": ("HSET", lambda cache, new: cache.hset("h", "f", new)),
    "hset for Redis alone": ("HSET", lambda cache, new: cache.hset("h", "f", new, cache_locally=False)),
    "hdel": ("HDEL", lambda cache, _: cache.hdel("h", ["f", "g"])),
    "hdel_names": ("HDEL", lambda cache, _: cache.hdel_names(["h", "other"], "f")),
    "hdel_keys": ("HDEL", lambda cache, _: cache.hdel_keys("h", "f")),
    "delete_value of a hash": ("UNLINK", lambda cache, _: cache.delete_value("h")),
    "awaited hset": ("HSET", lambda cache, new: asyncio.run(acache.hset("h", "f", new))),
    "awaited hdel": ("HDEL", lambda cache, _: asyncio.run(acache.hdel("h", "f"))),
}
KINDS = [(VALUE_READS, VALUE_WRITES), (FIELD_READS, FIELD_WRITES)]
each_write = pytest.mark.parametrize(
    ("reads", "order", "change"),
    [
        pytest.param(reads, order, change, id=name)
        for reads, writes in KINDS
        for name, (order, change) in writes.items()
    ],
)


@pytest.fixture
def old(cache) -> Callable[[], None]:
    """Puts what is going to be old where no request knows it yet."""

    def put() -> None:
        dontmanage.local.cache.clear()
        cache.set_value("k", "old", cache_locally=False)
        cache.hset("h", "f", "old", cache_locally=False)

    return put


@each_write
def test_a_read_that_began_before_a_write_and_ends_after_it_keeps_nothing_old(
    cache, relay, old, reads, order, change
):
    for question, ask in reads.values():
        old()
        reply = relay.hold_reply(question)
        late = Thread(lambda: ask(cache))
        reply.wait()
        change(cache, "new")
        reply.let_go()
        assert late.end() == "old"
        assert_known_is_true(cache)


@each_write
def test_a_read_that_began_while_a_write_was_on_its_way_keeps_nothing_old(
    cache, relay, old, reads, order, change
):
    for question, ask in reads.values():
        old()
        request = relay.hold_request(order)
        writer = Thread(lambda: change(cache, "new"))
        request.wait()
        reply = relay.hold_reply(question)
        late = Thread(lambda: ask(cache))
        reply.wait()
        request.let_go()
        writer.end()
        reply.let_go()
        assert late.end() == "old"
        assert_known_is_true(cache)


@each_write
def test_a_read_that_ends_while_a_write_is_on_its_way_leaves_nothing_old(
    cache, relay, old, reads, order, change
):
    old()
    request = relay.hold_request(order)
    writer = Thread(lambda: change(cache, "new"))
    request.wait()
    for _, ask in reads.values():
        assert ask(cache) == "old"
    request.let_go()
    writer.end()
    assert_known_is_true(cache)


@each_write
def test_of_two_writes_at_once_the_loser_is_not_what_the_request_knows(
    cache, relay, old, reads, order, change
):
    """The server does one, does the other, and tells of the first last."""
    for _, overtake in (VALUE_WRITES if reads is VALUE_READS else FIELD_WRITES).values():
        old()
        for _, ask in reads.values():
            assert ask(cache) == "old", "it is in the copy"
        reply = relay.hold_reply(order)
        loser = Thread(lambda: change(cache, "the loser's"))
        reply.wait()
        overtake(cache, "the winner's")
        reply.let_go()
        loser.end()
        assert_known_is_true(cache)


def test_what_a_generator_made_late_is_not_what_the_request_knows(cache, relay):
    reply = relay.hold_reply("SET")
    late = Thread(lambda: cache.get_value("k", lambda: "made"))
    reply.wait()
    cache.set_value("k", "new")
    reply.let_go()
    assert late.end() == "made"
    assert cache.get_value("k") == "new"
    reply = relay.hold_reply("HSET")
    late = Thread(lambda: cache.hget("h", "f", lambda: "made"))
    reply.wait()
    cache.hset("h", "f", "new")
    reply.let_go()
    assert late.end() == "made"
    assert cache.hget("h", "f") == "new"


@pytest.mark.parametrize("name", ["k", "h"])
def test_a_lifetime_given_while_a_read_is_late_ends_what_it_found(bench, cache, relay, raw, old, name):
    old()
    reply = relay.hold_reply("GET" if name == "k" else "HGET")
    late = Thread(lambda: cache.get_value("k") if name == "k" else cache.hget("h", "f"))
    reply.wait()
    assert cache.expire_key(name, 1)
    reply.let_go()
    assert late.end() == "old"
    wait_for("it ends in Redis", lambda: not raw.exists(bench.full(name)))
    assert_known_is_true(cache)


def test_a_lifetime_that_is_told_late_does_not_lengthen_a_newer_values(bench, cache, relay, raw):
    cache.set_value("k", "old")
    reply = relay.hold_reply("EXEC" if bench.key.exists() else "PERSIST")
    late = Thread(lambda: cache.expire_key("k", None))
    reply.wait()
    cache.set_value("k", "new", expires_in_sec=1)
    reply.let_go()
    late.end()
    wait_for("it ends in Redis", lambda: not raw.exists(bench.full("k")))
    assert_known_is_true(cache)


def test_an_answer_that_was_cleared_while_it_came_is_not_known_any_more(cache, relay):
    made: list[int] = []

    @redis_cache
    def count() -> int:
        made.append(1)
        return len(made)

    for clear in (count.clear_cache, count.clear_cache_for):
        count()
        dontmanage.local.cache.clear()
        reply = relay.hold_reply("GET")
        late = Thread(count)
        reply.wait()
        assert clear()
        reply.let_go()
        old = late.end()
        assert count() == old + 1

        # The same for one that has been computed.
        clear()
        reply = relay.hold_reply("EVAL")
        late = Thread(count)
        reply.wait()
        assert clear()
        reply.let_go()
        old = late.end()
        assert count() == old + 1


def test_an_answer_that_comes_while_it_is_cleared_is_not_known_any_more(cache, relay):
    made: list[int] = []

    @redis_cache
    def count() -> int:
        made.append(1)
        return len(made)

    for clear in (count.clear_cache, count.clear_cache_for):
        old = count()
        dontmanage.local.cache.clear()
        request = relay.hold_request("UNLINK")
        clearer = Thread(clear)
        request.wait()
        reply = relay.hold_reply("GET")
        late = Thread(count)
        reply.wait()
        request.let_go()
        assert clearer.end()
        reply.let_go()
        assert late.end() == old
        assert count() == old + 1


def test_what_another_thread_changes_elsewhere_does_not_cost_a_read_its_place(cache, relay, redis_server):
    """Only the key that was changed is in doubt."""
    cache.set_value("k", "old", cache_locally=False)
    reply = relay.hold_reply("GET")
    late = Thread(lambda: cache.get_value("k"))
    reply.wait()
    cache.set_values({number: number for number in range(2000)})
    reply.let_go()
    late.end()
    before = redis_server.calls("get")
    assert cache.get_value("k") == "old"
    assert redis_server.calls("get") == before


def test_one_thread_alone_keeps_what_it_reads_and_writes(cache, redis_server):
    @redis_cache
    def add(number: int) -> int:
        return number + (add(number - 1) if number else 0)

    add(100)
    cache.get_value("k", lambda: cache.get_value("inner", lambda: cache.hget("h", "f", lambda: 1)))
    before = redis_server.calls("get"), redis_server.calls("hget")
    assert [add(number) for number in range(3)] == [0, 1, 3]
    assert add(100) == 5050
    assert cache.get_value("k") == cache.get_value("inner") == cache.hget("h", "f") == 1
    assert before == (redis_server.calls("get"), redis_server.calls("hget"))


class Prices:
    """A database, as it is committed."""

    def __init__(self) -> None:
        self.apple = 1
        self.after_reading: Callable[[], Any] = lambda: None

    def read(self, *_: object, **__: object) -> int:
        price = self.apple
        self.after_reading()
        return price


@pytest.fixture
def prices(monkeypatch) -> Prices:
    made = Prices()
    monkeypatch.setattr(documents, "_loaders", {})
    documents.register(lambda doctype, name: {"price": made.read()}, last_modified=made.read)
    return made


DOCUMENT_READS: dict[str, tuple[str, Callable[[], Any]]] = {
    "a document": ("GET", lambda: documents.get("Item", "apple")["price"]),
    "a doctype's last change": ("HGET", lambda: documents.last_modified("Item")),
}
each_document_read = pytest.mark.parametrize(
    ("question", "ask"), DOCUMENT_READS.values(), ids=DOCUMENT_READS.keys()
)
each_extent = pytest.mark.parametrize("name", ["apple", None], ids=["one", "all"])


@each_document_read
@each_extent
def test_a_late_read_of_documents_is_not_known_after_they_were_invalidated(
    relay, prices, question, ask, name
):
    assert ask() == 1
    dontmanage.local.cache.clear()
    reply = relay.hold_reply(question)
    late = Thread(ask)
    reply.wait()
    prices.apple = 2
    assert documents.invalidate("Item", name)
    reply.let_go()
    assert late.end() == 1
    assert ask() == 2


@each_document_read
@each_extent
def test_what_other_threads_read_during_a_transaction_is_not_known_to_it_nor_after_it(
    relay, prices, question, ask, name
):
    assert ask() == 1
    dontmanage.local.cache.clear()
    of_another_thread = contextvars.copy_context()
    writes = documents.Writes(lambda doctype, name: {"price": 2})
    reply = relay.hold_reply(question)
    late = Thread(ask, of_another_thread.copy())
    reply.wait()
    # What is late began before the transaction, and ends within it.
    assert writes.touch("Item", name)
    reply.let_go()
    assert late.end() == 1
    assert of_another_thread.run(ask) == 1, "what is committed"
    assert documents.get("Item", "apple") == {"price": 2}
    assert writes.committing()
    # This one begins within it, and ends after it.
    dontmanage.local.cache.clear()
    reading = Held(reply=True)
    prices.after_reading = reading.stop
    late = Thread(ask, of_another_thread.copy())
    reading.wait()
    prices.after_reading = lambda: None
    prices.apple = 2
    assert writes.committed()
    reading.let_go()
    assert late.end() == 1
    assert of_another_thread.run(ask) == ask() == 2


@each_document_read
@each_extent
def test_what_other_threads_have_read_during_a_transaction_is_gone_when_it_ends(prices, question, ask, name):
    of_another_thread = contextvars.copy_context()
    writes = documents.Writes(lambda doctype, name: {"price": 2})
    assert writes.touch("Item", name)
    assert of_another_thread.run(ask) == 1
    prices.apple = 2
    assert writes.committed()
    assert of_another_thread.run(ask) == ask() == 2
