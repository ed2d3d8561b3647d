"""The example with SQLAlchemy's ORM: a host's own models, as exact as the library's."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from conftest import Bench
from sqlalchemy import event, orm

from dontmanage_cache import documents

EXAMPLE = Path(__file__).parents[1] / "examples" / "sqlalchemy_orm.py"


class Shop:
    """A database with one apple, connected to the cache as the example does it."""

    def __init__(self, example: ModuleType, path: Path) -> None:
        self.Item = example.Item
        self.engine = sa.create_engine(f"sqlite:///{path}")
        example.Base.metadata.create_all(self.engine)
        self.sessions = orm.sessionmaker(self.engine)
        example.connect_to_cache(example.Base, self.sessions)
        with self.sessions.begin() as session:
            session.add(self.Item(name="apple", price=3))

    def price(self) -> Any:
        return documents.get("item", "apple").price


@pytest.fixture
def shop(bench: Bench, tmp_path: Path) -> Iterator[Shop]:
    spec = importlib.util.spec_from_file_location("sqlalchemy_orm", EXAMPLE)
    assert spec and spec.loader
    example = importlib.util.module_from_spec(spec)
    # Pickled models are found by their module's name.
    sys.modules["sqlalchemy_orm"] = example
    spec.loader.exec_module(example)
    before = dict(documents._loaders)
    made = Shop(example, tmp_path / "shop.db")
    yield made
    made.engine.dispose()
    documents._loaders.clear()
    documents._loaders.update(before)
    del sys.modules["sqlalchemy_orm"]


def test_it_shows_what_it_says(bench: Bench) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "a.test"], cwd=bench.folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [line.rpartition(" ")[2] for line in done.stdout.splitlines()] == ["3", "3", "4", "8"]


def test_a_model_is_read_from_the_cache(bench: Bench, shop: Shop, raw: redis.Redis) -> None:
    first = documents.get("item", "apple")
    assert documents.get("item", "apple") is first
    assert raw.exists(bench.full("document_cache::item::apple"))
    bench.enter()
    queries: list[str] = []
    event.listen(shop.engine, "before_cursor_execute", lambda *words: queries.append(words[2]))
    assert shop.price() == 3
    assert not queries
    assert documents.get_value("item", "apple", ["name", "price"]) == ["apple", 3]
    assert documents.get_value("item", "pear", "price") is None


def test_what_was_read_before_a_commit_is_not_stored_after_it(bench: Bench, shop: Shop) -> None:
    began, changed = threading.Event(), threading.Event()

    def change() -> None:
        bench.enter()
        with shop.sessions.begin() as session:
            session.get_one(shop.Item, "apple").price = 4
        changed.set()

    def in_between(*_: Any) -> None:
        # Not again when the writer loads it.
        if began.is_set():
            return
        began.set()
        other = threading.Thread(target=change)
        other.start()
        other.join()

    # The reader has read the old row and not stored it yet.
    event.listen(shop.sessions, "loaded_as_persistent", in_between)
    assert shop.price() == 3
    assert changed.is_set()
    bench.enter()
    assert shop.price() == 4


def test_a_transaction_sees_its_own_change_and_others_do_not(bench: Bench, shop: Shop) -> None:
    shop.price()
    with shop.sessions() as session:
        session.get_one(shop.Item, "apple").price = 4
        session.flush()
        assert shop.price() == 4
        bench.enter()
        assert shop.price() == 3
        session.rollback()
    bench.enter()
    assert shop.price() == 3


def test_a_rolled_back_savepoint_leaves_the_document_to_the_transaction(
    bench: Bench, shop: Shop, raw: redis.Redis
) -> None:
    entry = bench.full("document_cache::item::apple")
    with shop.sessions() as session:
        with pytest.raises(RuntimeError), session.begin_nested():
            session.get_one(shop.Item, "apple").price = 4
            session.flush()
            raise RuntimeError
        bench.enter()
        shop.price()
        assert not raw.exists(entry), "stored before the transaction's end"
        with session.begin_nested():
            session.get_one(shop.Item, "apple").price = 5
        bench.enter()
        shop.price()
        assert not raw.exists(entry), "a released savepoint is no commit"
        session.commit()
    bench.enter()
    assert shop.price() == 5
    assert raw.exists(entry)
    assert not raw.keys(bench.full("document_writers*"))


def test_statements_by_conditions_and_deletes_are_noticed(bench: Bench, shop: Shop) -> None:
    assert shop.price() == 3
    with shop.sessions.begin() as session:
        session.execute(sa.update(shop.Item).values(price=7))
    assert shop.price() == 7
    with shop.sessions.begin() as session:
        session.delete(session.get_one(shop.Item, "apple"))
    bench.enter()
    with pytest.raises(documents.DoesNotExistError):
        shop.price()
    with shop.sessions.begin() as session:
        session.add(shop.Item(name="apple", price=8))
    assert shop.price() == 8
