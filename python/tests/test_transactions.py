"""Transactions: what is seen when, callbacks, savepoints, threads, forks; on every database."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import pytest
from databases import server_of, write_config
from dontmanage_cache.database.engines import engine_of

import dontmanage

pytestmark = pytest.mark.usefixtures("shop")


def customer(name="ann", **values):
    return dontmanage.get_doc({"doctype": "Customer", "name": name, **values}).insert()


def in_thread(bench, work):
    """What `work` answers in another thread, which is another request."""
    answers = []

    def run():
        bench.enter()
        try:
            answers.append(work())
        except Exception as error:
            answers.append(error)
        finally:
            dontmanage.destroy()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def names():
    return dontmanage.db.get_all("Customer", pluck="name", order_by="name")


def in_use():
    return engine_of(dontmanage.db.connection.address).pool.checkedout()


def test_others_see_it_after_the_commit_and_never_after_a_rollback(shop):
    customer("ann")
    assert in_thread(shop, names) == []
    dontmanage.db.commit()
    assert in_thread(shop, names) == ["ann"]
    customer("bob")
    assert names() == ["ann", "bob"]
    dontmanage.db.rollback()
    assert names() == in_thread(shop, names) == ["ann"]


def test_leaving_the_site_undoes_what_was_not_committed(shop):
    customer("ann")
    dontmanage.destroy()
    shop.enter()
    assert names() == []
    assert in_use() <= 1


def test_a_request_that_ends_without_a_word_gives_its_connection_back(shop):
    customer("ann")
    assert in_use() == 1
    # Another request in this thread: the one before has nobody left.
    shop.enter()
    gc.collect()
    assert in_use() == 0
    assert names() == []
    customer("ann")
    dontmanage.db.commit()
    assert in_use() == 0


def test_callbacks_are_called_once_after_what_they_wait_for(shop):
    db, said = dontmanage.db, []
    db.before_commit.add(lambda: said.append("before commit"))
    db.after_commit.add(lambda: said.append(("after commit", in_thread(shop, names))))
    db.after_rollback.add(lambda: said.append("never"))
    customer("ann")
    db.commit()
    db.commit()
    db.rollback()
    assert said == ["before commit", ("after commit", ["ann"])]
    said.clear()
    db.before_rollback.add(lambda: said.append("before rollback"))
    db.after_rollback.add(lambda: said.append(("after rollback", names())))
    db.after_commit.add(lambda: said.append("never"))
    customer("bob")
    db.rollback()
    db.rollback()
    db.commit()
    assert said == ["before rollback", ("after rollback", ["ann"])]


def test_a_callback_may_add_another_and_one_that_fails_does_not_stop_the_others(shop):
    db, said = dontmanage.db, []

    def fails():
        said.append("fails")
        raise KeyError("x")

    db.after_commit.add(fails)
    db.after_commit.add(lambda: db.after_commit.add(lambda: said.append("added")))
    customer("ann")
    with pytest.raises(KeyError):
        db.commit()
    assert said == ["fails", "added"]
    assert in_thread(shop, names) == ["ann"]
    db.before_commit.add(fails)
    customer("bob")
    with pytest.raises(KeyError):
        db.commit()
    assert in_thread(shop, names) == ["ann"]


def test_savepoints(shop):
    db = dontmanage.db
    customer("ann")
    db.savepoint("one")
    customer("bob")
    db.savepoint("two")
    customer("eve")
    db.rollback(save_point="two")
    assert names() == ["ann", "bob"]
    db.rollback(save_point="one")
    assert names() == ["ann"]
    customer("joe")
    db.release_savepoint("one")
    db.commit()
    assert in_thread(shop, names) == ["ann", "joe"]
    for name in ("", "a b", 'a"', "a`; drop table x", "1a", "a" * 64):
        with pytest.raises(dontmanage.DatabaseError, match="no name of a savepoint"):
            db.savepoint(name)


def test_one_of_two_who_save_the_same_document_is_refused(shop):
    customer("ann", visits=0)
    dontmanage.db.commit()
    together = threading.Barrier(2)

    def add_one():
        document = dontmanage.get_doc("Customer", "ann")
        together.wait(30)
        document.visits += 1
        document.save()
        dontmanage.db.commit()

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(in_thread(shop, add_one))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [answer for answer in answers if answer is not None]
    assert len(errors) == 1 and isinstance(errors[0], dontmanage.TimestampMismatchError), answers
    assert in_thread(shop, lambda: dontmanage.get_doc("Customer", "ann").visits) == 1


def test_many_threads_add_up_when_they_lock(shop):
    customer("ann", visits=0)
    dontmanage.db.commit()

    def add():
        for _ in range(10):
            document = dontmanage.get_doc("Customer", "ann", for_update=True)
            document.visits += 1
            document.save()
            dontmanage.db.commit()

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(in_thread(shop, add))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [None] * 4
    dontmanage.db.rollback()
    assert dontmanage.get_doc("Customer", "ann").visits == 40


def test_a_waiting_time_that_is_over_is_told(shop, kind):
    customer("ann")
    dontmanage.db.commit()
    write_config(shop, db_busy_timeout=1)
    dontmanage.db.set_value("Customer", "ann", "visits", 1)

    def write():
        dontmanage.db.set_value("Customer", "ann", "visits", 2)

    answer = in_thread(shop, write)
    assert isinstance(answer, dontmanage.DatabaseBusyError), answer
    assert "roll back" in str(answer)


def test_tasks_that_share_nothing_have_their_own_transactions(shop):
    customer("ann")
    dontmanage.db.commit()

    async def request(name):
        shop.enter()
        document = dontmanage.get_doc("Customer", "ann")
        await asyncio.sleep(0)
        dontmanage.db.savepoint("s")
        db = dontmanage.local.db
        await asyncio.sleep(0)
        if name == "writes":
            document.db_set("visits", 7)
        dontmanage.db.rollback()
        await asyncio.sleep(0)
        assert dontmanage.local.db is db
        dontmanage.destroy()
        return db

    async def both():
        return [await request("reads"), await request("writes")]

    first, second = asyncio.run(both())
    assert first is not second
    assert dontmanage.local.site == "a.test"


def test_a_forked_child_has_connections_of_its_own(shop):
    customer("ann")
    dontmanage.db.commit()
    customer("uncommitted")
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            # Not what the parent has not committed.
            found = ",".join(names())
            if dontmanage.db.connection.kind != "sqlite":
                # The parent holds SQLite's lock.
                customer("child")
                dontmanage.db.commit()
            os.write(writes, found.encode())
            dontmanage.destroy()
            gc.collect()
            status = 0
        finally:
            os._exit(status)
    os.close(writes)
    with open(reads) as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    assert (said, status) == ("ann", 0)
    # The parent's connection and transaction are as they were.
    assert "uncommitted" in names()
    dontmanage.db.commit()
    expected = (
        ["ann", "uncommitted"]
        if dontmanage.db.connection.kind == "sqlite"
        else ["ann", "child", "uncommitted"]
    )
    assert names() == expected


def test_a_dropped_connection_is_replaced_after_the_rollback(shop, kind):
    if kind == "sqlite":
        pytest.skip("a file has no connection that could drop")
    customer("ann")
    dontmanage.db.commit()
    customer("bob")
    server_of(kind).end_session(dontmanage.db.sql(server_of(kind).own_session)[0][0])
    with pytest.raises(dontmanage.DatabaseAwayError, match="does not answer"):
        names()
    with pytest.raises(dontmanage.DatabaseAwayError, match=r"rollback\(\)"):
        names()
    dontmanage.db.rollback()
    assert names() == ["ann"]
