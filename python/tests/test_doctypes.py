"""Declarations: where they are found, and what is wrong with them."""

from __future__ import annotations

import json

import pytest
from databases import make_site
from dontmanage.model import DocType, Field, declare
from dontmanage_cache.model.declared import all_doctypes
from dontmanage_cache.model.doctype import declared_in

import dontmanage


@pytest.fixture
def site(redis_server, tmp_path):
    return make_site("sqlite", redis_server, tmp_path / "bench")


def put(path, **given):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(given))


def test_they_are_found_in_apps_and_in_sites(site, tmp_path):
    (site.sites / "apps.txt").write_text("shop\nmissing\n")
    apps = site.folder / "apps"
    put(site.sites / "doctypes" / "one.json", name="One")
    put(site.sites / "a.test" / "doctypes" / "two.json", name="Two")
    put(site.sites / "b.test" / "doctypes" / "other.json", name="Other Site")
    put(apps / "shop" / "doctypes" / "three.json", name="Three")
    put(apps / "shop" / "shop" / "doctypes" / "four.json", name="Four")
    put(apps / "shop" / "shop" / "stock" / "doctype" / "five" / "five.json", name="Five", doctype="DocType")
    put(apps / "shop" / "shop" / "stock" / "doctype" / "five" / "test_records.json", nonsense=1)
    put(apps / "not_installed" / "doctypes" / "six.json", name="Six")
    (apps / "shop" / "shop" / "doctypes" / "more.py").write_text(
        "from dontmanage.model import DocType, Field\n"
        "seven, eight = (DocType(name, [Field('a')]) for name in ('Seven', 'Eight'))\n"
    )
    assert sorted(all_doctypes()) == ["Eight", "Five", "Four", "One", "Seven", "Three", "Two"]
    site.enter("b.test")
    assert "Other Site" in all_doctypes() and "Two" not in all_doctypes()


def test_a_program_may_declare_its_own(site):
    from dontmanage_cache.model import declared

    declare(DocType("Own"))
    try:
        assert dontmanage.get_meta("Own").table == "tabOwn"
    finally:
        del declared._given["Own"]


def test_clear_cache_reads_them_anew(site):
    put(site.sites / "doctypes" / "one.json", name="One")
    assert not dontmanage.get_meta("One").fields
    put(site.sites / "doctypes" / "one.json", name="One", fields=[{"fieldname": "a"}])
    assert not dontmanage.get_meta("One").fields
    dontmanage.clear_cache(doctype="One")
    assert [one.fieldname for one in dontmanage.get_meta("One").fields] == ["a"]
    put(site.sites / "doctypes" / "one.json", name="One")
    dontmanage.clear_cache()
    assert not dontmanage.get_meta("One").fields


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "Expecting"),
        ("[]", "no JSON object"),
        ('{"fields": []}', "no name of a doctype"),
        ('{"name": "a`b"}', "no name of a doctype"),
        ('{"name": "a; drop table x"}', "no name of a doctype"),
        ('{"name": " a"}', "no name of a doctype"),
        (json.dumps({"name": "ä" * 31}), "more than 60 bytes"),
        ('{"name": "A", "feilds": []}', "did you mean `fields`"),
        ('{"name": "A", "fields": [1]}', "a list of objects"),
        ('{"name": "A", "fields": [{"fieldname": "a", "optoins": "x"}]}', "did you mean `options`"),
        ('{"name": "A", "fields": [{"fieldname": "a", "fieldtype": "Dta"}]}', "did you mean `Data`"),
        ('{"name": "A", "fields": [{"fieldname": "a\\" b"}]}', "no name of a field"),
        ('{"name": "A", "fields": [{"fieldname": "Upper"}]}', "lower-case"),
        ('{"name": "A", "fields": [{"fieldname": "save"}]}', "name of a document's method"),
        ('{"name": "A", "fields": [{"fieldname": "modified"}]}', "every document has"),
        ('{"name": "A", "fields": [{"fieldname": "parent"}]}', "every document has"),
        ('{"name": "A", "fields": [{"fieldname": "a"}, {"fieldname": "a"}]}', "two fields"),
        ('{"name": "A", "fields": [{"fieldname": "a", "fieldtype": "Table"}]}', "`options` name the doctype"),
        ('{"name": "A", "fields": [{"fieldname": "a", "fieldtype": "Text", "unique": 1}]}', "no index"),
        ('{"name": "A", "fields": [{"fieldname": "a", "length": 701}]}', "up to 700"),
        ('{"name": "A", "fields": [{"fieldname": "a", "length": "x"}]}', "no number"),
        ('{"name": "A", "fields": [{"fieldname": "a", "fieldtype": "Int", "length": 5}]}', "no `length`"),
        ('{"name": "A", "autoname": "field:b"}', "no field `b`"),
        ('{"name": "A", "autoname": "naming_series:"}', "it can be `hash`"),
        ('{"name": "A", "issingle": 1, "istable": 1}', "one of them"),
    ],
)
def test_mistakes_are_errors_that_name_the_file(site, text, told):
    path = site.sites / "doctypes" / "x.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(dontmanage.DeclarationError, match=told) as error:
        all_doctypes()
    assert str(error.value).startswith(f"`{path}`: ")


def test_two_files_with_one_doctype_are_an_error_that_names_both(site):
    put(site.sites / "doctypes" / "a.json", name="One")
    put(site.sites / "doctypes" / "b.json", name="ONE")
    with pytest.raises(dontmanage.DeclarationError, match=r"b\.json.*a\.json"):
        all_doctypes()


def test_a_broken_python_file_is_an_error_that_names_it(site):
    path = site.sites / "doctypes" / "x.py"
    path.parent.mkdir()
    path.write_text("def")
    with pytest.raises(dontmanage.DeclarationError, match=r"x\.py"):
        all_doctypes()


def test_what_the_framework_exports_is_read():
    exported = {
        "doctype": "DocType",
        "name": "ToDo",
        "autoname": "naming_series:",
        "engine": "InnoDB",
        "permissions": [{"role": "All"}],
        "fields": [
            {"fieldname": "section_break_1", "fieldtype": "Section Break"},
            {
                "fieldname": "status",
                "fieldtype": "Select",
                "options": "Open\nClosed",
                "default": "Open",
                "in_list_view": 1,
            },
            {"fieldname": "count", "fieldtype": "Int", "length": 6, "search_index": 1},
            {"fieldname": "text", "fieldtype": "Text Editor", "search_index": 1},
        ],
    }
    found = declared_in(exported, "todo.json")
    assert (found.autoname, list(found.columns)[-3:]) == ("prompt", ["status", "count", "text"])
    assert declared_in({"doctype": "DocType", "name": "A", "autoname": "Random"}, "").autoname == "hash"


def test_declarations_can_be_compared():
    assert DocType("A", [Field("a")]) == DocType("A", [Field("a")], origin="elsewhere")
