"""Documents in the cache: what readers and writers of one process see."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from conftest import Bench, RedisServer, wait_for

import dontmanage_cache as dontmanage
from dontmanage_cache import documents


class Shelf:
    """A database of documents, as far as the cache can tell: what is committed, and how often it is read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Any] = {}
        self.reads = 0
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def load(self, doctype: str, name: str) -> Any:
        self.reads += 1
        self.before()
        try:
            row = self.rows[doctype, name]
        except KeyError:
            raise documents.DoesNotExistError(f"there is no {doctype} `{name}`") from None
        found = dict(row, doctype=doctype, name=name) if isinstance(row, dict) else row
        self.after()
        return found

    def last_modified(self, doctype: str, own: bool = False) -> Any:
        self.reads += 1
        return max((row["modified"] for (of, _), row in self.rows.items() if of == doctype), default=None)


@pytest.fixture
def shelf(bench: Bench) -> Iterator[Shelf]:
    made = Shelf()
    made.rows["Item", "apple"] = {"price": 3, "modified": "2026-01-01"}
    before = dict(documents._loaders)
    documents._loaders.clear()
    documents.register(made.load, last_modified=made.last_modified)
    yield made
    documents._loaders.clear()
    documents._loaders.update(before)


def test_a_second_request_makes_no_query(bench: Bench, shelf: Shelf) -> None:
    assert documents.get("Item", "apple")["price"] == 3
    bench.enter()
    assert documents.get("Item", "apple") == {
        "price": 3,
        "modified": "2026-01-01",
        "doctype": "Item",
        "name": "apple",
    }
    assert shelf.reads == 1


def test_a_single_is_asked_for_by_its_doctype_alone(bench: Bench, shelf: Shelf) -> None:
    shelf.rows["System Settings", "System Settings"] = {"language": "de"}
    assert documents.get("System Settings")["language"] == "de"
    bench.enter()
    assert documents.get_value("System Settings", None, "language") == "de"
    assert shelf.reads == 1


def test_a_request_gets_the_same_object_and_the_next_one_another(bench: Bench, shelf: Shelf) -> None:
    first = documents.get("Item", "apple")
    first["price"] = 4
    assert documents.get("Item", "apple") is first
    bench.enter()
    second = documents.get("Item", "apple")
    assert second["price"] == 3
    assert documents.get("Item", "apple") is second
    dontmanage.set_user("ann@example.com")
    assert documents.get("Item", "apple") is not second


def test_a_missing_document_is_not_remembered(bench: Bench, shelf: Shelf) -> None:
    with pytest.raises(documents.DoesNotExistError):
        documents.get("Item", "pear")
    assert documents.get_value("Item", "pear") is None
    shelf.rows["Item", "pear"] = {"price": 5}
    assert documents.get("Item", "pear")["price"] == 5


def test_fields_come_alone_in_a_list_or_in_a_dict(bench: Bench, shelf: Shelf) -> None:
    assert documents.get_value("Item", "apple") == "apple"
    assert documents.get_value("Item", "apple", "price") == 3
    assert documents.get_value("Item", "apple", "colour") is None
    assert documents.get_value("Item", "apple", ["price", "colour"]) == [3, None]
    assert documents.get_value("Item", "apple", ("name", "price"), as_dict=True).price == 3
    with pytest.raises(ValueError, match="as_dict"):
        documents.get_value("Item", "apple", "price", as_dict=True)


def test_the_entry_has_the_frameworks_key_and_an_hours_life(
    bench: Bench, shelf: Shelf, raw: redis.Redis
) -> None:
    documents.get("Item", "apple")
    assert 3590 < raw.ttl(bench.full("document_cache::Item::apple")) <= 3600
    assert dontmanage.cache.get_value("document_cache::Item::apple")["price"] == 3


def test_what_is_not_text_is_read_from_the_database(bench: Bench, shelf: Shelf) -> None:
    shelf.rows["Item", 7] = {"price": 7}  # type: ignore[index]
    assert documents.get("Item", 7)["price"] == 7  # type: ignore[arg-type]
    assert documents.get("Item", 7)["price"] == 7  # type: ignore[arg-type]
    assert shelf.reads == 2


def test_only_a_document_asked_for_by_its_own_name_is_cached(bench: Bench, shelf: Shelf) -> None:
    documents.register(
        lambda doctype, name: shelf.load(doctype, name.lower()), name_of=lambda document: document["name"]
    )
    for _ in range(2):
        bench.enter()
        assert documents.get("Item", "APPLE")["price"] == 3
    assert shelf.reads == 2
    for _ in range(2):
        bench.enter()
        documents.get("Item", "apple")
    assert shelf.reads == 3


def test_what_was_read_before_a_change_is_never_stored_after_it(bench: Bench, shelf: Shelf) -> None:
    """The race that "delete on save" loses: the reader has the old row when the writer commits."""

    def change() -> None:
        shelf.after = lambda: None
        other = threading.Thread(target=write)
        other.start()
        other.join()

    def write() -> None:
        bench.enter()
        writes = documents.Writes()
        writes.touch("Item", "apple")
        shelf.rows["Item", "apple"] = {"price": 4}
        assert writes.committing()
        assert writes.committed()

    shelf.after = change
    assert documents.get("Item", "apple")["price"] == 3
    bench.enter()
    assert documents.get("Item", "apple")["price"] == 4


def test_nobody_stores_a_document_while_it_is_being_changed(
    bench: Bench, shelf: Shelf, raw: redis.Redis
) -> None:
    documents.get("Item", "apple")
    writes = documents.Writes()
    assert writes.touch("Item", "apple")
    key = bench.full("document_cache::Item::apple")
    assert not raw.exists(key)
    bench.enter()  # another request: it is not its own transaction
    documents.get("Item", "apple")
    assert not raw.exists(key)
    assert writes.rolled_back()
    bench.enter()
    documents.get("Item", "apple")
    assert raw.exists(key)
    assert not raw.keys(bench.full("document_writers*")), "a mark is left"


def test_a_transaction_reads_its_own_changes_and_no_one_elses_request_does(
    bench: Bench, shelf: Shelf, raw: redis.Redis
) -> None:
    writes = documents.Writes(reader=lambda doctype, name: {"name": name, "price": "uncommitted"})
    documents.get("Item", "apple")
    writes.touch("Item", "apple")
    assert writes
    assert writes.holds("Item", "apple") and writes.holds("Item") and not writes.holds("Item", "pear")
    assert documents.get("Item", "apple")["price"] == "uncommitted"
    dontmanage.set_user("ann@example.com")
    assert documents.get("Item", "apple")["price"] == "uncommitted"
    bench.enter()
    assert documents.get("Item", "apple")["price"] == 3
    writes.rolled_back()
    assert not writes
    assert documents.get("Item", "apple")["price"] == 3


def test_all_of_a_doctype_can_be_changed_at_once(bench: Bench, shelf: Shelf, raw: redis.Redis) -> None:
    shelf.rows |= {("Item", f"n{i}"): {"price": i} for i in range(30)}
    shelf.rows["Item group", "n1"] = {"price": 1}
    for doctype, name in list(shelf.rows):
        documents.get(doctype, name)
    writes = documents.Writes()
    assert writes.touch("Item")
    assert raw.keys(bench.full("document_cache::*")) == [bench.full("document_cache::Item group::n1")]
    bench.enter()
    documents.get("Item", "n1")
    assert not raw.exists(bench.full("document_cache::Item::n1"))
    shelf.rows["Item", "n1"] = {"price": 100}
    writes.committed()
    bench.enter()
    assert documents.get("Item", "n1")["price"] == 100
    assert raw.exists(bench.full("document_cache::Item::n1"))


def test_a_change_made_behind_the_caches_back_is_invalidated_by_hand(bench: Bench, shelf: Shelf) -> None:
    shelf.rows["Item", "pear"] = {"price": 3}
    for forget in (
        lambda: documents.invalidate("Item", "apple"),
        lambda: documents.invalidate("Item"),
        lambda: documents.invalidate(),
    ):
        documents.get("Item", "apple")
        price = object()
        shelf.rows["Item", "apple"] = {"price": str(price)}
        assert forget()
        assert documents.get("Item", "apple")["price"] == str(price), "also in the same request"
        bench.enter()
        assert documents.get("Item", "apple")["price"] == str(price)


@pytest.mark.parametrize("doctype, name", [("Item", "apple"), ("Item", None), (None, None)])
def test_what_is_being_read_when_it_is_invalidated_is_not_stored(
    bench: Bench, shelf: Shelf, doctype: str | None, name: str | None
) -> None:
    def change() -> None:
        shelf.after = lambda: None
        shelf.rows["Item", "apple"] = {"price": 4}
        documents.invalidate(doctype, name)

    shelf.after = change
    assert documents.get("Item", "apple")["price"] == 3
    assert documents.get("Item", "apple")["price"] == 4, "not kept for the request either"
    bench.enter()
    assert documents.get("Item", "apple")["price"] == 4


def test_the_time_of_the_last_change_moves_with_every_write(bench: Bench, shelf: Shelf) -> None:
    assert documents.last_modified("Item") == "2026-01-01"
    assert documents.last_modified("Nothing") is None
    bench.enter()
    assert documents.last_modified("Item") == "2026-01-01"
    assert documents.last_modified("Nothing") is None
    assert shelf.reads == 2, "an empty table is remembered too"
    writes = documents.Writes()
    writes.touch("Item", "apple")
    shelf.rows["Item", "apple"] = {"modified": "2026-01-02"}
    assert documents.last_modified("Item") == "2026-01-02", "its own change"
    bench.enter()
    shelf.rows["Item", "pear"] = {"modified": "2026-01-03"}
    assert documents.last_modified("Item") == "2026-01-03", "read around, not stored"
    writes.committed()
    bench.enter()
    shelf.rows["Item", "pear"] = {"modified": "2026-01-04"}
    assert documents.last_modified("Item") == "2026-01-04"
    bench.enter()
    shelf.rows["Item", "pear"] = {"modified": "2026-01-05"}
    assert documents.last_modified("Item") == "2026-01-04", "stored"


def test_a_document_that_cannot_be_pickled_is_told_at_once(bench: Bench, shelf: Shelf) -> None:
    shelf.rows["Item", "apple"] = {"lock": threading.Lock()}
    with pytest.raises(dontmanage.CacheError, match=r"the Item `apple` can't be cached.*pickle"):
        documents.get("Item", "apple")


def test_without_a_site_it_is_an_error(bench: Bench, shelf: Shelf) -> None:
    dontmanage.destroy()
    with pytest.raises(dontmanage.NoSiteError):
        documents.get("Item", "apple")
    with pytest.raises(dontmanage.NoSiteError):
        documents.Writes().touch("Item", "apple")
    with pytest.raises(dontmanage.NoSiteError):
        documents.last_modified("Item")


def test_two_sites_do_not_share_documents(bench: Bench, shelf: Shelf) -> None:
    documents.get("Item", "apple")
    shelf.rows["Item", "apple"] = {"price": 4}
    bench.enter("b.test")
    assert documents.get("Item", "apple")["price"] == 4
    documents.invalidate()
    bench.enter("a.test")
    assert documents.get("Item", "apple")["price"] == 3


def test_without_redis_documents_come_from_the_database_within_the_deadline(
    own_server: Callable[..., RedisServer], shelf: Shelf, tmp_path: Path
) -> None:
    server = own_server()
    bench = Bench(
        tmp_path / "away", server.url, signed=True, redis_cache_timeout=0.2, redis_cache_connect_timeout=0.2
    )
    bench.enter()
    documents.get("Item", "apple")
    for leave, come_back in ((server.pause, server.resume), (server.kill, server.start)):
        leave()
        shelf.rows["Item", "apple"] = {"price": 5}
        bench.enter()
        began = time.monotonic()
        assert documents.get("Item", "apple")["price"] == 5
        writes = documents.Writes()
        assert not writes.touch("Item", "apple")
        assert writes.holds("Item", "apple")
        shelf.rows["Item", "apple"] = {"price": 6}
        assert not writes.committing()
        assert not writes.committed()
        assert not documents.invalidate("Item", "apple")
        bench.enter()
        assert documents.get("Item", "apple")["price"] == 6
        assert time.monotonic() - began < 10, "it waits for more than a few deadlines"
        come_back()
        # What could not be told is told as soon as it can be.
        entry = bench.full("document_cache::Item::apple")
        wait_for("the old entry goes", lambda: not server.raw.exists(entry) or stored_price(bench) == 6)
        bench.enter()
        assert documents.get("Item", "apple")["price"] == 6


def stored_price(bench: Bench) -> Any:
    """As another request finds it."""
    bench.enter()
    found = dontmanage.cache.get_value("document_cache::Item::apple")
    return None if found is None else found["price"]
