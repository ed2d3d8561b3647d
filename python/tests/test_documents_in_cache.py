"""Cached documents of the site's own database, on every kind of it: what is read, and when it is new."""

from __future__ import annotations

import threading

import pytest
from databases import server_of
from dontmanage_cache.database import connection

import dontmanage

pytestmark = pytest.mark.usefixtures("shop")


def customer(name="ann", **values):
    made = dontmanage.get_doc({"doctype": "Customer", "name": name, **values}).insert()
    dontmanage.db.commit()
    return made


def elsewhere(bench, work):
    """What `work` answers in another request, with a connection of its own."""
    answers = []

    def run():
        bench.enter()
        answers.append(work())
        dontmanage.destroy()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def visits(name="ann"):
    return dontmanage.get_cached_doc("Customer", name).visits


@pytest.fixture
def reads(monkeypatch):
    """Counts the snapshots that are opened to read what is committed."""
    opened = []
    enter = connection.Snapshot.__enter__

    def counted(self):
        opened.append(1)
        return enter(self)

    monkeypatch.setattr(connection.Snapshot, "__enter__", counted)
    return opened


def test_the_second_time_asks_no_database(shop, reads):
    made = customer(visits=1, extra={"a": [1]})
    assert dontmanage.get_cached_doc("Customer", "ann") == made
    assert dontmanage.get_cached_doc("Customer", "ann") is dontmanage.get_cached_doc("Customer", "ann")
    assert elsewhere(shop, lambda: dontmanage.get_cached_doc("Customer", "ann")) == made
    assert dontmanage.get_cached_value("Customer", "ann", "extra") == {"a": [1]}
    assert dontmanage.get_cached_value("Customer", "ann", ["name", "visits"]) == ["ann", 1]
    assert dontmanage.get_cached_value("Customer", "ann", ["visits"], as_dict=True) == {"visits": 1}
    assert len(reads) == 1


def test_one_document_doctypes_with_their_rows(shop, reads):
    assert dontmanage.get_cached_doc("System Settings").language == "en"
    dontmanage.db.set_single_value("System Settings", "language", "de")
    dontmanage.db.commit()
    assert elsewhere(shop, lambda: dontmanage.get_cached_doc("System Settings").language) == "de"
    settings = dontmanage.get_doc("System Settings")
    settings.append("items", {"what": "milk"})
    settings.save()
    dontmanage.db.commit()
    assert elsewhere(shop, lambda: dontmanage.get_cached_doc("System Settings").items[0].what) == "milk"
    before = len(reads)
    assert elsewhere(shop, lambda: dontmanage.get_cached_value("System Settings", None, "language")) == "de"
    assert (
        elsewhere(shop, lambda: dontmanage.get_cached_doc("System Settings", "System Settings").language)
        == "de"
    )
    assert len(reads) - before <= 1


def save(document):
    document.visits += 1
    document.save()


WRITES = {
    "save": lambda: save(dontmanage.get_doc("Customer", "ann")),
    "db_set": lambda: dontmanage.get_doc("Customer", "ann").db_set("visits", 2),
    "set_value by name": lambda: dontmanage.db.set_value("Customer", "ann", "visits", 2),
    "set_value by filters": lambda: dontmanage.db.set_value("Customer", {"visits": 1}, "visits", 2),
    "delete and insert": lambda: (
        dontmanage.delete_doc("Customer", "ann"),
        dontmanage.get_doc({"doctype": "Customer", "name": "ann", "visits": 2}).insert(),
    ),
    "db.delete and insert": lambda: (
        dontmanage.db.delete("Customer", {"visits": 1}),
        dontmanage.new_doc("Customer", name="ann", visits=2).insert(),
    ),
    "rename": lambda: (
        dontmanage.get_doc({"doctype": "Customer", "name": "new", "visits": 2}).insert(),
        dontmanage.delete_doc("Customer", "ann"),
        dontmanage.rename_doc("Customer", "new", "ann"),
    ),
    "by hand after SQL": lambda: (
        dontmanage.db.sql("update `tabCustomer` set visits = 2"),
        dontmanage.clear_document_cache("Customer", "ann"),
    ),
    "by hand after SQL, all of the doctype": lambda: (
        dontmanage.db.sql("update `tabCustomer` set visits = 2"),
        dontmanage.clear_document_cache("Customer"),
    ),
}


@pytest.mark.parametrize("write", WRITES)
def test_after_the_commit_everybody_reads_what_was_written(shop, write):
    customer(visits=1)
    assert elsewhere(shop, visits) == visits() == 1
    WRITES[write]()
    # Within the transaction it is there already; for others it is as it was.
    assert visits() == 2
    assert elsewhere(shop, visits) == 1
    dontmanage.db.commit()
    assert elsewhere(shop, visits) == visits() == 2


@pytest.mark.parametrize("write", WRITES)
def test_after_a_rollback_nobody_reads_what_was_written(shop, write):
    customer(visits=1)
    WRITES[write]()
    assert visits() == 2
    dontmanage.db.rollback()
    assert elsewhere(shop, visits) == visits() == 1


def test_a_request_that_ends_in_its_transaction_leaves_nothing_stale(shop):
    customer(visits=1)
    dontmanage.db.set_value("Customer", "ann", "visits", 2)
    assert visits() == 2
    dontmanage.destroy()
    shop.enter()
    assert elsewhere(shop, visits) == visits() == 1


def test_an_old_snapshot_of_the_request_is_never_shared(shop):
    """MariaDB's transactions see the past: what they see must not be put into the cache after a commit."""
    customer(visits=1)
    customer("bob")
    # The request's transaction begins here, with a snapshot.
    dontmanage.db.get_value("Customer", "bob")
    elsewhere(shop, lambda: (dontmanage.db.set_value("Customer", "ann", "visits", 2), dontmanage.db.commit()))
    assert visits() == 2
    assert elsewhere(shop, visits) == 2


def test_a_reader_between_write_and_commit_does_not_keep_what_was(shop, monkeypatch):
    """The race that plain deleting on save loses: read before the commit, stored after it."""
    from dontmanage_cache.model import loading

    customer(visits=1)
    dontmanage.clear_document_cache("Customer", "ann")
    has_read, go_on = threading.Event(), threading.Event()
    read = loading.read

    def slow(reader, doctype, name, **options):
        found = read(reader, doctype, name, **options)
        if isinstance(reader, connection.Snapshot) and threading.current_thread().name == "slow":
            has_read.set()
            assert go_on.wait(30)
        return found

    monkeypatch.setattr(loading, "read", slow)
    answers = []

    def run():
        shop.enter()
        answers.append(visits())
        dontmanage.destroy()

    reader = threading.Thread(target=run, name="slow")
    reader.start()
    assert has_read.wait(30)
    dontmanage.db.set_value("Customer", "ann", "visits", 2)
    dontmanage.db.commit()
    go_on.set()
    reader.join()
    assert answers == [1], "it began before the commit"
    assert elsewhere(shop, visits) == 2


def test_who_changes_a_row_changes_the_document_that_it_is_in(shop):
    made = dontmanage.get_doc({"doctype": "Order", "name": "o", "items": [{"what": "milk"}]}).insert()
    dontmanage.db.commit()
    row = made.items[0].name

    def what():
        return [item.what for item in dontmanage.get_cached_doc("Order", "o").items]

    def row_itself():
        return dontmanage.get_cached_doc("Item", row).what

    assert (elsewhere(shop, what), elsewhere(shop, row_itself)) == (["milk"], "milk")
    dontmanage.db.set_value("Item", row, "what", "tea")
    dontmanage.db.commit()
    assert (elsewhere(shop, what), elsewhere(shop, row_itself)) == (["tea"], "tea")
    dontmanage.get_doc("Item", row).db_set("what", "salt")
    dontmanage.db.commit()
    assert elsewhere(shop, what) == ["salt"]
    order = dontmanage.get_doc("Order", "o")
    order.items[0].what = "bread"
    order.save()
    dontmanage.db.commit()
    assert (elsewhere(shop, what), elsewhere(shop, row_itself)) == (["bread"], "bread")
    dontmanage.db.delete("Item", row)
    dontmanage.db.commit()
    assert elsewhere(shop, what) == []


def test_renaming_reaches_what_links_to_it(shop):
    customer()
    dontmanage.get_doc({"doctype": "Order", "name": "o", "customer": "ann"}).insert()
    dontmanage.db.commit()

    def linked():
        return dontmanage.get_cached_value("Order", "o", "customer")

    assert elsewhere(shop, linked) == "ann"
    dontmanage.rename_doc("Customer", "ann", "anna")
    dontmanage.db.commit()
    assert elsewhere(shop, linked) == "anna"
    assert dontmanage.get_cached_value("Customer", "ann", "name") is None


def test_a_missing_document_is_asked_for_again(shop):
    with pytest.raises(dontmanage.DoesNotExistError):
        dontmanage.get_cached_doc("Customer", "ann")
    assert dontmanage.get_cached_value("Customer", "ann", "email") is None
    customer()
    assert dontmanage.get_cached_doc("Customer", "ann").name == "ann"
    dontmanage.delete_doc("Customer", "ann")
    dontmanage.db.commit()
    with pytest.raises(dontmanage.DoesNotExistError):
        dontmanage.get_cached_doc("Customer", "ann")


def test_the_time_of_the_last_change(shop):
    assert dontmanage.get_last_modified("Customer") is None
    made = customer()
    assert dontmanage.get_last_modified("Customer") == made.modified
    made.save()
    assert dontmanage.get_last_modified("Customer") == made.modified
    dontmanage.db.rollback()
    before = elsewhere(shop, lambda: dontmanage.get_last_modified("Customer"))
    assert before < made.modified
    made.reload().save()
    dontmanage.db.commit()
    assert elsewhere(shop, lambda: dontmanage.get_last_modified("Customer")) == made.modified


def test_clearing_a_doctype_or_all_reads_it_again(shop, reads):
    customer()
    for clear in (
        lambda: dontmanage.clear_cache(doctype="Customer"),
        dontmanage.clear_cache,
        lambda: dontmanage.clear_document_cache("Customer", "ann"),
        lambda: dontmanage.clear_document_cache("Customer"),
    ):
        visits()
        reads.clear()
        clear()
        elsewhere(shop, visits)
        assert len(reads) == 1


def test_without_redis_documents_come_from_the_database(shop, tmp_path):
    customer(visits=1)
    (shop.sites / "common_site_config.json").write_text(f'{{"redis_cache": "unix://{tmp_path}/none.sock"}}')
    shop.enter()
    assert visits() == 1
    dontmanage.db.set_value("Customer", "ann", "visits", 2)
    assert visits() == 2
    dontmanage.db.commit()
    shop.enter()
    assert visits() == 2


def test_after_a_commit_without_an_answer_nothing_is_kept(shop, kind, reads):
    """It may have been carried out, or be carried out any moment."""
    if kind == "sqlite":
        pytest.skip("a file always answers")
    customer(visits=1)
    dontmanage.db.set_value("Customer", "ann", "visits", 2)
    server_of(kind).end_session(dontmanage.db.sql(server_of(kind).own_session)[0][0])
    with pytest.raises(dontmanage.DatabaseAwayError):
        dontmanage.db.commit()
    dontmanage.db.rollback()
    reads.clear()
    assert [elsewhere(shop, visits) for _ in range(3)] == [1, 1, 1]
    assert len(reads) == 3
    # Here the test knows.
    dontmanage.clear_cache()
