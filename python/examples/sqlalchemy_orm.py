"""Models of SQLAlchemy's ORM as cached documents, never older than the database.

    cd my-bench && python …/sqlalchemy_orm.py site1.local

`connect_to_cache` is all that a host needs: a loader, and listeners to what its sessions change. The rest
is a small program that shows it. How it works is in `docs/documents.md`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm

import dontmanage
from dontmanage_cache import documents


class Base(orm.DeclarativeBase):
    """Models, each of which is a doctype by its table's name."""


class Item(Base):
    """What is sold."""

    __tablename__ = "item"

    name: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    price: orm.Mapped[int]


def connect_to_cache(base: type[orm.DeclarativeBase], sessions: orm.sessionmaker[orm.Session]) -> None:
    """Has the models of `base` cached: `documents.get(table, key)` finds them, and what the sessions change
    is never cached as it was before."""
    models = {mapper.local_table.description: mapper.class_ for mapper in base.registry.mappers}

    def load(doctype: str, name: str) -> Any:
        # A session of its own: its snapshot begins now. That of the caller may be older than what others
        # have committed since.
        with sessions() as session:
            return found(session, doctype, name)

    def found(session: orm.Session, doctype: str, name: str) -> Any:
        model = session.get(models[doctype], name)
        if model is None:
            raise documents.DoesNotExistError(f"there is no {doctype} `{name}`")
        return model

    # A database may find `apple` by `Apple`. Only the first is taken out of the cache when it changes.
    documents.register(load, doctypes=models, name_of=lambda model: identity(model)[1])

    def writes_of(session: orm.Session) -> Any:
        """What the session's transaction changes. It reads its own changes itself."""
        if "documents" not in session.info:
            session.info["documents"] = documents.Writes(
                reader=lambda doctype, name: found(session, doctype, name)
            )
        return session.info["documents"]

    @event.listens_for(sessions, "before_flush")
    def touch(session: orm.Session, _context: Any, _instances: Any) -> None:
        for model in changed(session):
            writes_of(session).touch(*identity(model))

    @event.listens_for(sessions, "after_flush")
    def touch_new(session: orm.Session, _context: Any) -> None:
        # The database may only now have given the key.
        for model in session.new:
            writes_of(session).touch(*identity(model))

    @event.listens_for(sessions, "do_orm_execute")
    def touch_all(state: orm.ORMExecuteState) -> None:
        # An UPDATE or DELETE by a condition: which rows it will change is known to the database alone.
        if (state.is_update or state.is_delete or state.is_insert) and state.bind_mapper is not None:
            writes_of(state.session).touch(state.bind_mapper.local_table.description)

    @event.listens_for(sessions, "before_commit")
    def committing(session: orm.Session) -> None:
        session.flush()
        if "documents" in session.info:
            session.info["documents"].committing()

    # By commit, rollback or close, and before `session.commit()` returns. (`after_commit` also comes when a
    # savepoint is released.)
    @event.listens_for(sessions, "after_transaction_end")
    def ended(session: orm.Session, transaction: orm.SessionTransaction) -> None:
        if transaction.parent is None and "documents" in session.info:
            session.info.pop("documents").committed()


def changed(session: orm.Session) -> Iterator[Any]:
    """What a flush is about to write."""
    for model in [*session.new, *session.deleted]:
        if None not in sa.inspect(model).mapper.primary_key_from_instance(model):
            yield model
    yield from (model for model in session.dirty if session.is_modified(model))


def identity(model: Any) -> tuple[str, str]:
    """A model's doctype and name."""
    mapper = sa.inspect(model).mapper
    key = mapper.primary_key_from_instance(model)
    return mapper.local_table.description, ", ".join(map(str, key))


def main(site: str) -> None:
    """Shows it."""
    dontmanage.init(site)
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{Path(folder) / 'shop.db'}")
        Base.metadata.create_all(engine)
        sessions = orm.sessionmaker(engine)
        connect_to_cache(Base, sessions)
        with sessions.begin() as session:
            session.add(Item(name="apple", price=3))
        print("from the database:", documents.get("item", "apple").price)
        dontmanage.local.cache.clear()  # the next request
        print("from the cache:", documents.get("item", "apple").price)
        with sessions.begin() as session:
            session.get_one(Item, "apple").price = 4
        print("after the commit:", documents.get("item", "apple").price)
        with sessions.begin() as session:
            session.execute(sa.update(Item).values(price=Item.price * 2))
        print("after an update of all:", documents.get("item", "apple").price)
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
