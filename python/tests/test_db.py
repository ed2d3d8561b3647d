"""`dontmanage.db`: what it reads and writes, on every database."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

import dontmanage

pytestmark = pytest.mark.usefixtures("shop")


def customer(name, **values):
    return dontmanage.get_doc({"doctype": "Customer", "name": name, **values}).insert()


@pytest.fixture
def three(shop):
    customer("ann", email="a@x", visits=1, credit="0.1", born="2000-01-01", vip=1, notes="likes 50% off")
    customer("bob", visits=2, credit="10", born="2001-01-01", notes="")
    customer("eve", email="e@x", visits=10, credit="9.5", phone="5", extra={"a": 1})


def names(*filters, **options):
    return dontmanage.db.get_all("Customer", *filters, pluck="name", **{"order_by": "name", **options})


def test_get_value_by_name_and_by_filters(three):
    db = dontmanage.db
    assert db.get_value("Customer", "ann") == "ann"
    assert db.get_value("Customer", "ann", "email") == "a@x"
    assert db.get_value("Customer", "ann", ["email", "visits"]) == ("a@x", 1)
    assert db.get_value("Customer", "ann", ["email", "credit as money"], as_dict=True) == {
        "email": "a@x",
        "money": Decimal("0.1"),
    }
    assert db.get_value("Customer", "ann", ["email"], as_dict=True).email == "a@x"
    assert db.get_value("Customer", {"visits": [">", 1]}, "name", order_by="visits desc") == "eve"
    assert db.get_value("Customer", {"visits": [">", 1]}, "name", order_by="visits") == "bob"
    assert db.get_value("Customer", "ann", "*", as_dict=True).born == datetime.date(2000, 1, 1)
    assert db.get_value("Customer", "ann", "name", for_update=True) == "ann"
    for name in ("nobody", None, "", {"email": "none"}, "a" * 1000, "\0", 5):
        assert db.get_value("Customer", name, "email") is None
        assert db.get_value("Customer", name, ["email"], as_dict=True) is None


FILTERS = [
    (None, "ann bob eve"),
    ({}, "ann bob eve"),
    ([], "ann bob eve"),
    ({"name": "bob"}, "bob"),
    ({"email": None}, "bob"),
    ({"email": ["!=", None]}, "ann eve"),
    ({"email": ["!=", "a@x"]}, "bob eve"),
    ({"visits": 2, "vip": 0}, "bob"),
    ({"vip": True}, "ann"),
    ([["visits", ">=", 2], ["visits", "<", 10]], "bob"),
    ([["Customer", "visits", "=", "10"]], "eve"),
    (["visits", "<=", 2], "ann bob"),
    ([{"visits": 1}], "ann"),
    ({"name": ["in", ["ann", "eve", "nobody"]]}, "ann eve"),
    ({"name": ["in", "ann, eve"]}, "ann eve"),
    ({"name": ["in", []]}, ""),
    ({"name": ["not in", []]}, "ann bob eve"),
    ({"email": ["in", ["a@x", None]]}, "ann bob"),
    ({"email": ["not in", ["a@x"]]}, "bob eve"),
    ({"email": ["not in", ["a@x", None]]}, "eve"),
    ({"visits": ["between", [2, 10]]}, "bob eve"),
    ({"born": ["between", ["2000-01-01", "2000-12-31"]]}, "ann"),
    ({"credit": [">", "9"]}, "bob eve"),
    ({"credit": Decimal("0.1")}, "ann"),
    ({"credit": ["between", [9, 9.5]]}, "eve"),
    ({"notes": ["like", "%50\\%%"]}, "ann"),
    ({"notes": ["like", "LIKES%"]}, "ann"),
    ({"notes": ["not like", "likes%"]}, "bob eve"),
    ({"visits": ["like", "1%"]}, "ann eve"),
    ({"notes": ["is", "set"]}, "ann"),
    ({"notes": ["is", "not set"]}, "bob eve"),
    ({"extra": ["is", "set"]}, "eve"),
    ({"visits": ["IS", "Set"]}, "ann bob eve"),
    ({"name": "x' or '1'='1"}, ""),
    ({"name": ["in", ["x') or ('1'='1"]]}, ""),
    ({"name": "ANN"}, ""),
    ({"name": "ann "}, ""),
    ({"phone": "5" * 1000}, ""),
]


def test_filters(three):
    for filters, expected in FILTERS:
        assert names(filters) == expected.split(), filters


NONSENSE = [
    ({"emial": 1}, "did you mean `email`"),
    ({"name; drop table x": 1}, "no field"),
    ({"name` = 1 or `name": 1}, "no field"),
    ({"name": ["or", 1]}, "no operator"),
    ({"name": ["= 1 or 1 =", 1]}, "no operator"),
    ({"visits": "many"}, "`visits`"),
    ({"visits": [">", None]}, "by `is`"),
    ({"visits": ["between", 1]}, "two values"),
    ({"name": ["in", 5]}, "a list of values"),
    ({"name": ["is", "empty"]}, "`set` or `not set`"),
    ({"extra": {"a": 1}}, "holds JSON"),
    ([["a", "b", "c", "d", "e"]], "no filter"),
    (5.5, "neither a name nor filters|no filters"),
    ({"name": "a\0"}, "NUL"),
]


def test_filters_that_make_no_sense_are_errors(three):
    assert dontmanage.db.exists("Customer", "name") is None
    for filters, told in NONSENSE:
        with pytest.raises(dontmanage.ValidationError, match=told):
            names(filters)
    assert dontmanage.db.count("Customer") == 3


def test_get_all_fields_orders_and_limits(three):
    db = dontmanage.db
    assert db.get_all("Customer", fields=["name", "visits as n"], order_by="visits desc", limit=2) == [
        {"name": "eve", "n": 10},
        {"name": "bob", "n": 2},
    ]
    assert names(order_by="visits desc", start=1) == ["bob", "ann"]
    assert names(order_by="visits", start=1, limit=1) == ["bob"]
    assert names(order_by="credit") == ["ann", "eve", "bob"]
    assert names(order_by="`tabCustomer`.`credit` DESC") == ["bob", "eve", "ann"]
    # What has no value comes first, and last the other way round, on every database.
    assert names(order_by="email asc") == ["bob", "ann", "eve"]
    assert names(order_by="email desc, name") == ["eve", "ann", "bob"]
    assert names(order_by="vip, visits desc") == ["eve", "bob", "ann"]
    assert dontmanage.get_all("Customer", {"name": "ann"}) == [{"name": "ann"}]
    assert len(db.get_all("Customer", fields="*")[0]) == 19
    for order in ("visits; drop table x", "(select 1)", "nonsense", "visits upwards", "visits,"):
        with pytest.raises(dontmanage.ValidationError):
            names(order_by=order)
    for field in ("count(*)", "name; --", "*, name", "items", 5, "name as x y"):
        with pytest.raises(dontmanage.ValidationError):
            db.get_all("Customer", fields=[field])
    with pytest.raises(dontmanage.ValidationError, match="ask for those"):
        db.get_all("Order", fields=["items"])
    with pytest.raises(dontmanage.ValidationError, match="get_single_value"):
        db.get_all("System Settings")


def test_texts_sort_by_their_characters(shop):
    for name in ("b", "B", "a", "ä", "z", "_", "1"):
        customer(name)
    assert names() == ["1", "B", "_", "a", "b", "z", "ä"]


def test_exists_and_count(three):
    db = dontmanage.db
    assert db.exists("Customer", "ann") == "ann"
    assert db.exists("Customer", {"email": "e@x"}) == "eve"
    assert db.exists({"doctype": "Customer", "email": "e@x"}) == "eve"
    assert db.exists("Customer", "nobody") is None
    assert db.exists("System Settings", "System Settings") == "System Settings"
    assert db.exists("System Settings", "other") is None
    assert (db.count("Customer"), db.count("Customer", {"visits": [">", 1]})) == (3, 2)


def test_set_value_by_name_and_by_filters(three):
    db = dontmanage.db
    before = db.get_value("Customer", "ann", "modified")
    db.set_value("Customer", "ann", "visits", "5")
    assert db.get_value("Customer", "ann", "visits") == 5
    assert db.get_value("Customer", "ann", "modified") > before
    db.set_value("Customer", "ann", {"visits": 6, "extra": [1]})
    assert db.get_value("Customer", "ann", ["visits", "extra"]) == (6, [1])
    before = db.get_value("Customer", "bob", "modified")
    db.set_value("Customer", {"vip": 0}, "vip", True, update_modified=False)
    assert names({"vip": 1}) == ["ann", "bob", "eve"]
    assert db.get_value("Customer", "bob", "modified") == before
    db.set_value("Customer", {"visits": ["<", 0]}, "vip", 0)
    db.set_value("Customer", "nobody", "vip", 0)
    db.set_value("Customer", None, "vip", 0)
    assert db.count("Customer", {"vip": 1}) == 3
    for values, told in (
        ({"emial": 1}, "did you mean"),
        ({"name": "x"}, "rename_doc"),
        ({"visits": "x"}, "`visits`"),
        ({"status": "Aktive"}, "did you mean `Active`"),
        ({}, "no field"),
    ):
        with pytest.raises(dontmanage.ValidationError, match=told):
            db.set_value("Customer", "ann", values)


def test_set_value_reaches_more_documents_than_a_statement_takes(shop, monkeypatch):
    from dontmanage_cache.model import storing

    monkeypatch.setattr(storing, "STEP", 3)
    for number in range(8):
        customer(f"c{number}")
    dontmanage.db.set_value("Customer", {}, "visits", 1)
    assert dontmanage.db.count("Customer", {"visits": 1}) == 8
    dontmanage.db.delete("Customer", {"name": ["!=", "c3"]})
    assert names() == ["c3"]


def test_single_values(shop):
    db = dontmanage.db
    assert db.get_single_value("System Settings", "language") == "en"
    db.set_single_value("System Settings", "language", "de")
    db.set_single_value("System Settings", {"rate": "0.5", "debug": True, "limits": {"a": None}})
    assert db.get_single_value("System Settings", "language") == "de"
    assert db.get_single_value("System Settings", "rate") == Decimal("0.5")
    assert db.get_value("System Settings", None, ["debug", "limits"]) == (1, {"a": None})
    assert db.get_value("System Settings", "System Settings", "language") == "de"
    db.set_value("System Settings", None, "language", None)
    assert db.get_single_value("System Settings", "language") is None
    with pytest.raises(dontmanage.UnknownFieldError):
        db.get_single_value("System Settings", "langage")
    with pytest.raises(dontmanage.UnknownFieldError):
        db.set_single_value("System Settings", "langage", 1)
    with pytest.raises(dontmanage.ValidationError, match="many documents"):
        db.get_single_value("Customer", "email")
    with pytest.raises(dontmanage.ValidationError, match="one document, always"):
        db.delete("System Settings", {})


def test_delete_takes_rows_along(three):
    made = dontmanage.get_doc({"doctype": "Order", "items": [{"what": "milk"}]}).insert()
    other = dontmanage.get_doc({"doctype": "Order", "items": [{"what": "tea"}]}).insert()
    db = dontmanage.db
    db.delete("Order", {"name": made.name})
    assert db.get_all("Item", pluck="what") == ["tea"]
    db.delete("Order", other.name)
    assert db.count("Item") == db.count("Order") == 0
    with pytest.raises(dontmanage.ValidationError, match="is all of it"):
        db.delete("Customer", None)
    db.delete("Customer", {"vip": 0})
    assert names() == ["ann"]
    db.delete("Customer", {})
    assert names() == []


def test_sql_binds_its_values(three, kind):
    sql = dontmanage.db.sql
    assert sql("select name, visits from `tabCustomer` where name = %s", "ann") == (("ann", 1),)
    assert sql("select name from `tabCustomer` order by name") == (
        ("ann",),
        ("bob",),
        ("eve",),
    )
    query = (
        "select name, email from `tabCustomer` where visits >= %(low)s and name in %(names)s order by name"
    )
    values = {"low": 1, "names": ["ann", "bob"]}
    assert sql(query, values, as_dict=True) == [
        {"name": "ann", "email": "a@x"},
        {"name": "bob", "email": None},
    ]
    assert sql(query, values, as_list=True) == [["ann", "a@x"], ["bob", None]]
    assert sql(query, values, pluck=True) == ["ann", "bob"]
    assert sql(query, values | {"names": ()}) == ()
    assert sql("select name from `tabCustomer` where name = %s", "x' or '1'='1") == ()
    assert sql("select name from `tabCustomer` where notes like '%%50\\%%' or notes like %s", ["%50%"]) == (
        ("ann",),
    )
    assert sql("select name from `tabCustomer` where notes like 'likes%'") == (("ann",),)
    assert sql("select '`%s`'") == (("`%s`",),)
    assert sql(
        "select name from `tabCustomer` where credit > %s order by name", Decimal("0.1"), pluck=True
    ) == [
        "bob",
        "eve",
    ]
    assert (
        sql(
            "update `tabCustomer` set visits = visits + %s where vip = %s",
            (1, True if kind == "sqlite" else 1),
        )
        == ()
    )
    assert dontmanage.db.get_value("Customer", "ann", "visits") == 2
    born = datetime.date(2000, 1, 1)
    assert sql("select name from `tabCustomer` where born = %s", born, pluck=True) == ["ann"]
    seen = dontmanage.db.get_value("Customer", "ann", "creation")
    assert "ann" in sql("select name from `tabCustomer` where creation = %s", seen, pluck=True)


WRONG_SQL = [
    ("select %s, %s", (1,), "more placeholders"),
    ("select %s", (1, 2), "2 values are given for 1"),
    ("select %(a)s", {"b": 1}, r"no value is given for `%\(a\)s`"),
    ("select %(a)s", (1,), "wants a dict"),
    ("select %s", {"a": 1}, "mixes"),
    ("select %d", (1,), "no placeholder"),
    ("select nonsense from", None, "refused"),
]


def test_sql_that_makes_no_sense_is_told(shop):
    for query, values, told in WRONG_SQL:
        with pytest.raises(dontmanage.DatabaseError, match=told):
            dontmanage.db.sql(query, values)
        dontmanage.db.rollback()
    assert dontmanage.db.count("Customer") == 0


def test_sql_that_meets_a_unique_value_is_told(three):
    dontmanage.db.commit()
    with pytest.raises(dontmanage.DuplicateEntryError):
        dontmanage.db.sql("update `tabCustomer` set email = %s", "a@x")
    dontmanage.db.rollback()
    assert dontmanage.db.get_value("Customer", "eve", "email") == "e@x"


def test_a_missing_table_names_the_command_that_makes_it(shop):
    from dontmanage.model import DocType, declare
    from dontmanage_cache.model import declared

    declare(DocType("New One"))
    try:
        with pytest.raises(dontmanage.TableMissingError, match="migrate-doctypes"):
            dontmanage.get_doc("New One", "x")
    finally:
        del declared._given["New One"]


def test_it_needs_a_site():
    dontmanage.destroy()
    with pytest.raises(dontmanage.NoSiteError, match=r"dontmanage\.init"):
        dontmanage.db.count("Customer")
    with pytest.raises(dontmanage.NoSiteError, match=r"dontmanage\.init"):
        dontmanage.get_doc("Customer", "x")
    assert not dontmanage.db
