"""`migrate-doctypes`: tables are made and altered, and nothing is lost; on every database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest
from databases import KINDS, make_site
from dontmanage_cache.database.engines import forget_engines
from dontmanage_cache.model.migrating import migrate

import dontmanage


@pytest.fixture(params=KINDS)
def site(request, redis_server, tmp_path):
    """A site with a new database, and no doctypes."""
    made = make_site(request.param, redis_server, tmp_path / "bench")
    yield made
    dontmanage.destroy()
    forget_engines()


def declare(bench, name, *fields, **more):
    folder = bench.sites / "doctypes"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"name": name, "fields": list(fields), **more}))
    # As another process, which reads it for the first time.
    dontmanage.clear_cache(doctype=name)


def field(name, kind="Data", **more):
    return {"fieldname": name, "fieldtype": kind, **more}


def test_tables_are_made_once(site):
    declare(site, "Book", field("title"), field("price", "Currency"), autoname="prompt")
    declare(site, "Shelf", field("books", "Table", options="Row"))
    declare(site, "Row", field("book", "Link", options="Book"), istable=True)
    declare(site, "Shop Settings", field("open", "Check"), issingle=1)
    assert sorted(migrate()) == ["made `tabBook`", "made `tabRow`", "made `tabShelf`", "made `tabSingles`"]
    assert migrate() == []


def test_fields_are_added_to_what_is_there(site):
    declare(site, "Book", field("title"), autoname="prompt")
    migrate()
    dontmanage.get_doc({"doctype": "Book", "name": "b", "title": "t"}).insert()
    dontmanage.db.commit()
    kinds = ("Int", "Float", "Currency", "Date", "Datetime", "Time", "Check", "JSON", "Text")
    added = [field(f"f_{kind.lower()}", kind) for kind in kinds]
    declare(
        site, "Book", field("title", unique=True), field("isbn", search_index=True), *added, autoname="prompt"
    )
    done = migrate()
    assert "added `f_check` to `tabBook`" in done
    assert "made the index `tabBook_title_unique`" in done
    assert "made the index `tabBook_isbn_index`" in done
    assert len(done) == len(kinds) + 3
    assert migrate() == []
    book = dontmanage.get_doc("Book", "b")
    assert (book.title, book.f_check, book.f_int) == ("t", 0, None)
    # Those that were there before have the nought that is asked for.
    assert dontmanage.db.get_all("Book", {"f_check": 0}, pluck="name") == ["b"]
    book.update({"f_currency": "1.5", "f_json": [1]})
    book.save()
    assert book.reload().f_currency == Decimal("1.5")
    with pytest.raises(dontmanage.DuplicateEntryError, match="`title`"):
        dontmanage.get_doc({"doctype": "Book", "name": "c", "title": "t"}).insert()


def test_a_field_that_is_gone_keeps_its_column_and_its_data(site):
    declare(site, "Book", field("title"), field("old"), autoname="prompt")
    migrate()
    dontmanage.get_doc({"doctype": "Book", "name": "b", "old": "kept"}).insert()
    dontmanage.db.commit()
    declare(site, "Book", field("title"), autoname="prompt")
    assert migrate() == ["kept `old` of `tabBook`, which no field of Book has"]
    book = dontmanage.get_doc("Book", "b")
    book.title = "new"
    book.save()
    dontmanage.db.commit()
    assert dontmanage.db.sql("select old, title from `tabBook`") == (("kept", "new"),)


def test_room_grows_and_never_shrinks(site):
    declare(site, "Book", field("title", length=10), autoname="prompt")
    migrate()
    declare(site, "Book", field("title", length=200), autoname="prompt")
    done = migrate()
    sqlite = dontmanage.db.connection.kind == "sqlite"
    assert done == ([] if sqlite else ["made room in `title` of `tabBook`"])
    dontmanage.get_doc({"doctype": "Book", "name": "b", "title": "t" * 200}).insert()
    dontmanage.db.commit()
    declare(site, "Book", field("title", "Text"), autoname="prompt")
    assert migrate() == done
    declare(site, "Book", field("title", length=5), autoname="prompt")
    assert migrate() == []
    assert dontmanage.get_doc("Book", "b").title == "t" * 200


def test_another_kind_is_refused_with_advice(site):
    declare(
        site, "Book", field("title"), field("price", "Currency"), field("pages", "Int"), autoname="prompt"
    )
    migrate()
    kinds = {"title": "Int", "price": "Float", "pages": "Date"}
    declare(
        site, "Book", *(field(name, kind) for name, kind in kinds.items()), field("more"), autoname="prompt"
    )
    with pytest.raises(dontmanage.DatabaseError) as error:
        migrate()
    for name in kinds:
        assert f"`{name}` of `tabBook` holds" in str(error.value)
    assert "give the field another name" in str(error.value)
    assert "done before: added `more` to `tabBook`" in str(error.value)
    declare(site, "Book", field("title"), field("price", "Currency"), field("pages", "Int"), field("more"))
    assert migrate() == []


def test_what_is_not_unique_cannot_be_declared_so(site):
    declare(site, "Book", field("title"), autoname="prompt")
    migrate()
    for name in "ab":
        dontmanage.get_doc({"doctype": "Book", "name": name, "title": "same"}).insert()
    dontmanage.db.commit()
    declare(site, "Book", field("title", unique=True), autoname="prompt")
    with pytest.raises(
        dontmanage.DatabaseError, match=r"`title` of `tabBook` is declared unique, and is not"
    ):
        migrate()
    dontmanage.db.set_value("Book", "a", "title", "other")
    dontmanage.db.commit()
    assert migrate() == ["made the index `tabBook_title_unique`"]


def test_names_as_long_as_they_may_be(site):
    name, fieldname = "D" * 60, "f" * 60
    declare(site, name, field(fieldname, unique=True), field("g" + "f" * 59, unique=True), autoname="prompt")
    migrate()
    assert migrate() == []
    dontmanage.get_doc({"doctype": name, "name": "x", fieldname: "v"}).insert()
    assert dontmanage.db.get_value(name, {fieldname: "v"}) == "x"


def test_rows_need_a_doctype_of_rows(site):
    declare(site, "Shelf", field("books", "Table", options="Book"))
    with pytest.raises(dontmanage.UnknownDocTypeError, match="`Book`"):
        migrate()
    declare(site, "Book")
    with pytest.raises(dontmanage.DatabaseError, match="not `istable`"):
        migrate()


def run(bench, *words):
    environment = {key: value for key, value in os.environ.items() if key != "SITES_PATH"}
    return subprocess.run(
        [sys.executable, "-m", "dontmanage_cache", "migrate-doctypes", *words],
        cwd=bench.sites,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_says_what_it_did(site):
    declare(site, "Book", field("title"))
    done = run(site, "--site", "a.test")
    assert (done.stdout, done.stderr, done.returncode) == ("a.test: made `tabBook`\n", "", 0)
    done = run(site, "--site", "a.test")
    assert (done.stdout, done.returncode) == ("a.test: the tables are what the doctypes declare\n", 0)
    done = run(site, "--site", "nosuch", "--site", "a.test")
    assert "there is no site `nosuch`" in done.stderr and "where: site `nosuch`" in done.stderr
    assert "a.test: the tables" in done.stdout and done.returncode == 1
    (site.sites / "doctypes" / "Bad.json").write_text("{")
    done = run(site, "--site", "a.test")
    assert "Bad.json`: " in done.stderr and "Traceback" not in done.stderr and done.returncode == 1
