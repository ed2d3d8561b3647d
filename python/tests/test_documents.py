"""`get_doc`, `new_doc` and what documents do, on every database."""

from __future__ import annotations

import datetime
import pickle
from decimal import Decimal

import pytest

import dontmanage

pytestmark = pytest.mark.usefixtures("shop")


def customer(name="ann", **values):
    return dontmanage.get_doc({"doctype": "Customer", "name": name, **values}).insert()


def order(*items, **values):
    rows = [{"what": what, "qty": qty} for what, qty in items]
    return dontmanage.get_doc({"doctype": "Order", "items": rows, **values}).insert()


VALUES = {
    "email": "ann@example.com",
    "phone": "+49 30 1",
    "status": "Active",
    "notes": "Käse, 奶酪, 🧀\n\ttab \\ ' \" % %s %(x)s :y ; --",
    "visits": 2**62,
    "weight": 0.1,
    "credit": Decimal("12345678901234567.123456789"),
    "born": datetime.date(1999, 12, 31),
    "seen": datetime.datetime(2026, 2, 3, 4, 5, 6, 789012),
    "wakes": datetime.time(6, 30, 0, 5),
    "vip": 1,
    "extra": {"a": [1, 2.5, None, True], "ключ": "значение"},
}


def test_what_is_inserted_is_read_again_in_another_request(shop):
    made = customer(**VALUES)
    dontmanage.db.commit()
    shop.enter()
    found = dontmanage.get_doc("Customer", "ann")
    assert found == made
    for fieldname, value in VALUES.items():
        assert getattr(found, fieldname) == value == found.get(fieldname)
        assert type(getattr(found, fieldname)) is type(value), fieldname
    assert found.owner == found.modified_by == "Guest"
    assert found.creation == found.modified
    assert (found.docstatus, found.idx, found.is_new()) == (0, 0, False)


def test_no_value_is_none_everywhere_and_a_check_is_nought():
    customer()
    found = dontmanage.get_doc("Customer", "ann")
    assert {found.get(one) for one in VALUES if one not in ("status", "vip")} == {None}
    assert (found.status, found.vip) == ("New", 0)


def test_values_are_kept_as_their_fields_have_them():
    made = customer(visits="7", weight=3, credit=0.1, born="2001-02-03", seen="2001-02-03 04:05", vip=True)
    assert (made.visits, made.weight, made.credit) == (7, 3.0, Decimal("0.1"))
    assert (made.born, made.seen) == (datetime.date(2001, 2, 3), datetime.datetime(2001, 2, 3, 4, 5))
    assert made.vip is not True and made.vip == 1
    assert dontmanage.get_doc("Customer", "ann") == made


IMPOSSIBLE = [
    ("visits", "seven"),
    ("visits", 1.5),
    ("visits", 2**63),
    ("weight", float("nan")),
    ("credit", "1,5"),
    ("credit", Decimal("1e40")),
    ("born", "tomorrow"),
    ("seen", datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)),
    ("vip", 2),
    ("phone", "0" * 21),
    ("notes", "a\0b"),
    ("notes", "\ud800"),
    ("notes", b"bytes"),
    ("extra", {1, 2}),
    ("extra", float("inf")),
]


def test_what_a_field_cannot_hold_is_an_error_that_names_it():
    for fieldname, value in IMPOSSIBLE:
        with pytest.raises(dontmanage.ValidationError, match=f"`{fieldname}`"):
            customer(**{fieldname: value})
    assert not dontmanage.db.exists("Customer", "ann")


def test_an_unknown_field_is_an_error_that_names_the_nearest():
    with pytest.raises(dontmanage.UnknownFieldError, match="did you mean `email`"):
        customer(emial="x")
    made = customer()
    with pytest.raises(dontmanage.UnknownFieldError, match="no field `emial`"):
        made.emial = "x"
    with pytest.raises(AttributeError):
        _ = made.emial
    assert made.get("emial") is None
    assert made.get("emial", 5) == 5
    with pytest.raises(dontmanage.UnknownDocTypeError, match="did you mean `Customer`"):
        dontmanage.get_doc("Custmer", "ann")


def test_a_missing_document_is_told_whatever_its_name():
    customer("x")
    for name in ("nobody", "", None, "X", "x ", "x" * 10_000, "a\0b", "\ud800", "x' or '1'='1", 5):
        with pytest.raises(dontmanage.DoesNotExistError):
            dontmanage.get_doc("Customer", name)


def test_names_are_told_apart_to_the_letter():
    customer("ann")
    others = ["Ann", "änn", "ann%", "a" * 140, "a|b::c", "'; drop table x", "日本"]
    for name in others:
        customer(name, notes=name)
    for name in others:
        assert dontmanage.get_doc("Customer", name).notes == name
    assert dontmanage.get_doc("Customer", "ann").notes is None
    assert dontmanage.db.count("Customer") == 1 + len(others)


def test_what_is_no_name_is_refused():
    for name in ("", " ", "a" * 141, 5, "a\0", "ann ", " ann"):
        with pytest.raises(dontmanage.ValidationError):
            customer(name)


def test_a_name_is_given_random_or_a_fields():
    with pytest.raises(dontmanage.ValidationError, match="needs a name"):
        dontmanage.get_doc({"doctype": "Customer"}).insert()
    first, second = order(), order()
    assert first.name != second.name and len(first.name) == 16
    assert dontmanage.get_doc({"doctype": "Country", "code": "DE"}).insert().name == "DE"
    with pytest.raises(dontmanage.ValidationError, match="named by its `code`"):
        dontmanage.get_doc({"doctype": "Country"}).insert()
    with pytest.raises(dontmanage.ValidationError, match="can't be called `AT`"):
        dontmanage.get_doc({"doctype": "Country", "code": "CH", "name": "AT"}).insert()


def test_a_taken_name_and_a_taken_unique_value_are_told_and_the_transaction_goes_on():
    customer("ann", email="a@x")
    with pytest.raises(dontmanage.DuplicateEntryError, match="Customer `ann` exists already"):
        customer("ann")
    with pytest.raises(dontmanage.DuplicateEntryError, match="`ann` has the `email` 'a@x' already"):
        customer("bob", email="a@x")
    bob = customer("bob", email="b@x")
    bob.email = "a@x"
    with pytest.raises(dontmanage.DuplicateEntryError, match="`email`"):
        bob.save()
    with pytest.raises(dontmanage.DuplicateEntryError, match="`email`"):
        bob.db_set("email", "a@x")
    dontmanage.get_doc({"doctype": "Customer", "name": "ann"}).insert(ignore_if_duplicate=True)
    # Nothing is no value that two could share.
    customer("eve"), customer("joe")
    dontmanage.db.commit()
    assert dontmanage.db.get_all("Customer", pluck="name", order_by="name") == ["ann", "bob", "eve", "joe"]
    assert dontmanage.db.get_value("Customer", "bob", "email") == "b@x"


def test_what_is_required_and_what_is_a_choice():
    with pytest.raises(dontmanage.ValidationError, match="Item `new` lacks `what`"):
        order(("", 1))
    with pytest.raises(dontmanage.ValidationError, match="did you mean `Active`"):
        customer(status="Aktive")


def test_a_save_is_refused_if_someone_else_has_saved(shop):
    customer()
    mine, theirs = dontmanage.get_doc("Customer", "ann"), dontmanage.get_doc("Customer", "ann")
    theirs.visits = 1
    theirs.save()
    assert theirs.modified > mine.modified
    mine.visits = 2
    with pytest.raises(dontmanage.TimestampMismatchError, match="Customer `ann` has been saved by Guest"):
        mine.save()
    assert mine.reload().visits == 1
    mine.visits = 2
    mine.save()
    mine.visits = 3
    mine.save()
    assert dontmanage.get_doc("Customer", "ann") == mine


def test_a_save_after_the_deletion_is_told():
    made = customer()
    dontmanage.delete_doc("Customer", "ann")
    with pytest.raises(dontmanage.DoesNotExistError, match="not exist any more"):
        made.save()
    with pytest.raises(dontmanage.DoesNotExistError):
        made.delete()
    made.delete(ignore_missing=True)
    dontmanage.delete_doc("Customer", "ann")


def test_the_clock_may_go_backwards(monkeypatch):
    from dontmanage_cache.model import storing

    made = customer()
    before = made.modified

    class Backwards(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2001, 1, 1)

    monkeypatch.setattr(storing.datetime, "datetime", Backwards)
    assert made.save().modified > before


def test_db_set_writes_at_once_and_moves_modified():
    made = customer()
    other = dontmanage.get_doc("Customer", "ann")
    made.db_set("visits", "5")
    assert made.visits == 5
    made.db_set({"visits": 6, "notes": "n"})
    assert dontmanage.get_doc("Customer", "ann") == made
    with pytest.raises(dontmanage.TimestampMismatchError):
        other.save()
    before = made.modified
    made.db_set("visits", 7, update_modified=False)
    assert made.modified == before
    made.db_set("visits", 8, commit=True)
    dontmanage.db.rollback()
    assert dontmanage.get_doc("Customer", "ann").visits == 8
    with pytest.raises(dontmanage.ValidationError, match="insert it first"):
        dontmanage.new_doc("Customer").db_set("visits", 1)
    with pytest.raises(dontmanage.ValidationError, match="rename_doc"):
        made.db_set("name", "x")


def test_rows_of_a_table_field_are_kept_in_order(shop):
    made = order(("milk", 1), ("bread", 2), customer=None, gifts=[{"what": "salt"}])
    dontmanage.db.commit()
    shop.enter()
    found = dontmanage.get_doc("Order", made.name)
    assert found == made
    assert [(row.what, row.qty, row.idx) for row in found.items] == [("milk", 1, 1), ("bread", 2, 2)]
    assert (found.gifts[0].qty, found.gifts[0].parentfield) == (1, "gifts")
    assert (found.items[0].parent, found.items[0].parenttype) == (made.name, "Order")

    milk, bread = found.items
    found.remove(milk)
    bread.qty = 3
    found.append("items", {"what": "tea"})
    found.save()
    again = dontmanage.get_doc("Order", made.name)
    assert again == found
    assert [(row.what, row.qty, row.idx, row.name) for row in again.items] == [
        ("bread", 3, 1, bread.name),
        ("tea", 1, 2, found.items[1].name),
    ]
    again.items = []
    again.save()
    assert dontmanage.get_doc("Order", made.name).items == []
    assert dontmanage.db.get_all("Item", pluck="what") == ["salt"]
    again.delete()
    assert dontmanage.db.count("Item") == 0


def test_rows_may_be_given_as_documents_and_are_refused_as_anything_else():
    item = dontmanage.new_doc("Item", what="milk")
    made = dontmanage.get_doc({"doctype": "Order", "items": [item]}).insert()
    assert made.items[0] is item and item.parent == made.name
    with pytest.raises(dontmanage.ValidationError, match="holds Item, not Country"):
        made.append("items", dontmanage.new_doc("Country"))
    with pytest.raises(dontmanage.ValidationError, match="a dict of its fields"):
        made.append("items", "milk")
    with pytest.raises(dontmanage.ValidationError, match="has no rows"):
        made.append("placed")
    with pytest.raises(dontmanage.ValidationError, match="is a row of another document"):
        dontmanage.new_doc("Item", what="x").insert()
    made.append("items", item)
    with pytest.raises(dontmanage.ValidationError, match="twice"):
        made.save()


def test_a_document_that_fails_half_way_leaves_nothing():
    good = order(("milk", 1))
    taken = good.items[0].name
    bad = dontmanage.get_doc(
        {"doctype": "Order", "name": "bad", "items": [{"what": "a"}, {"what": "b", "name": taken}]}
    )
    with pytest.raises(dontmanage.DuplicateEntryError):
        bad.insert()
    assert not dontmanage.db.exists("Order", "bad")
    good.append("items", {"what": "c", "name": taken})
    other = order(("tea", 1))
    good.items[1].name = other.items[0].name
    good.placed = "2020-01-01"
    with pytest.raises(dontmanage.DuplicateEntryError):
        good.save()
    dontmanage.db.commit()
    found = dontmanage.get_doc("Order", good.name)
    assert [row.what for row in found.items] == ["milk"]
    assert found.placed == datetime.date.today()


def test_new_doc_has_defaults_and_insert_fills_what_nobody_set():
    made = dontmanage.new_doc("Order", customer="x")
    assert made.placed == datetime.date.today() and made.is_new()
    assert dontmanage.new_doc("Customer").status == "New"
    assert dontmanage.get_doc(doctype="Order").insert().placed == datetime.date.today()
    # None was set.
    assert dontmanage.get_doc({"doctype": "Order", "placed": None}).insert().placed is None


def test_a_doctype_with_one_document(shop):
    settings = dontmanage.get_doc("System Settings")
    assert (settings.name, settings.language, settings.debug, settings.rate) == (
        "System Settings",
        "en",
        0,
        None,
    )
    other = dontmanage.get_doc("System Settings")
    settings.update({"language": "de", "rate": "1.5", "limits": {"a": [1]}, "items": [{"what": "x"}]})
    settings.save()
    with pytest.raises(dontmanage.TimestampMismatchError, match="System Settings"):
        other.save()
    dontmanage.db.commit()
    shop.enter()
    found = dontmanage.get_doc("System Settings")
    assert found == settings
    assert (found.rate, found.limits, found.items[0].what) == (Decimal("1.5"), {"a": [1]}, "x")
    found.language = None
    found.save()
    assert found.reload().language is None
    other = dontmanage.get_doc("System Settings", "System Settings")
    found.db_set("debug", 1)
    assert dontmanage.db.get_single_value("System Settings", "debug") == 1
    with pytest.raises(dontmanage.TimestampMismatchError):
        other.save()
    with pytest.raises(dontmanage.ValidationError, match="has one document"):
        found.delete()


def test_renaming_takes_rows_and_links_along(shop):
    customer("ann")
    made = order(("milk", 1), customer="ann", party_type="Customer", party="ann")
    other = order(party_type="Country", party="ann")
    dontmanage.db.set_single_value("System Settings", "customer", "ann")
    assert dontmanage.rename_doc("Customer", "ann", "anna") == "anna"
    assert not dontmanage.db.exists("Customer", "ann")
    found = dontmanage.get_doc("Order", made.name)
    assert (found.customer, found.party) == ("anna", "anna")
    assert dontmanage.get_doc("Order", other.name).party == "ann"
    assert dontmanage.db.get_single_value("System Settings", "customer") == "anna"

    dontmanage.rename_doc("Order", made.name, "first")
    assert dontmanage.get_doc("Order", "first").items[0].parent == "first"
    dontmanage.get_doc({"doctype": "Country", "code": "DE"}).insert()
    dontmanage.rename_doc("Country", "DE", "AT")
    assert dontmanage.get_doc("Country", "AT").code == "AT"

    customer("bob")
    with pytest.raises(dontmanage.DuplicateEntryError, match="`bob` exists already"):
        dontmanage.rename_doc("Customer", "anna", "bob")
    with pytest.raises(dontmanage.DoesNotExistError):
        dontmanage.rename_doc("Customer", "nobody", "somebody")
    with pytest.raises(dontmanage.ValidationError):
        dontmanage.rename_doc("Customer", "bob", "")
    dontmanage.db.commit()
    assert dontmanage.db.get_all("Customer", pluck="name", order_by="name") == ["anna", "bob"]


def test_a_document_is_a_dict_and_a_pickle_if_asked(shop):
    made = order(("milk", 1), customer="c")
    given = made.as_dict()
    assert given["items"][0].what == given["items"][0]["what"] == "milk"
    assert given.customer == "c"
    assert "party" in given and "party" not in made.as_dict(no_nulls=True)
    copy = pickle.loads(pickle.dumps(made))
    assert copy == made and not copy.is_new()
    copy.customer = "d"
    copy.save()
    made.flags.mine = 1
    assert pickle.loads(pickle.dumps(made)).flags.mine is None
    assert made.reload().flags.mine == 1
    # It can be made again from what it gives.
    del given["name"]
    for row in given["items"]:
        del row["name"]
    assert dontmanage.get_doc(given).insert().items[0].what == "milk"
    assert repr(made) == f"<Order: {made.name}>"


def test_a_document_is_found_by_filters_and_locked_for_update():
    customer("ann", email="a@x")
    assert dontmanage.get_doc("Customer", {"email": "a@x"}).name == "ann"
    with pytest.raises(dontmanage.DoesNotExistError):
        dontmanage.get_doc("Customer", {"email": "b@x"})
    assert dontmanage.get_doc("Customer", "ann", for_update=True).email == "a@x"
    made = dontmanage.get_doc("Customer", "ann")
    assert dontmanage.get_doc(made) is made
    with pytest.raises(dontmanage.ValidationError, match="rename_doc"):
        made.name = "x"
    with pytest.raises(dontmanage.DuplicateEntryError, match="has been inserted"):
        made.insert()
    with pytest.raises(dontmanage.ValidationError, match="needs a `doctype`"):
        dontmanage.get_doc({"name": "x"})


def test_the_sessions_user_is_written_down():
    dontmanage.set_user("ann@example.com")
    made = customer()
    dontmanage.set_user("bob@example.com")
    made.save()
    found = dontmanage.get_doc("Customer", "ann")
    assert (found.owner, found.modified_by) == ("ann@example.com", "bob@example.com")
