"""`clear_cache`: of a site, a user, a doctype."""

from __future__ import annotations

import sys

import pytest
import shapes
from dontmanage_cache.caching import redis_cache, request_cache, site_cache

import dontmanage_cache as dontmanage


@pytest.fixture
def app(bench, tmp_path, monkeypatch):
    """An app of the bench, whose hooks a test writes."""
    folder = tmp_path / "apps" / "shop_app"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (bench.sites / "apps.txt").write_text("shop_app\nmissing_app\n\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    yield folder
    for name in [name for name in sys.modules if name.startswith("shop_app")]:
        del sys.modules[name]


def test_it_clears_the_site_and_nothing_else(bench, cache, raw):
    shared = f"{bench.prefix} shared"
    cache.set_value(shared, 1, shared=True)
    cache.set_values({"a": 1, "b": 2})
    cache.set_value("c", 3, user="u")
    cache.hset("h", "f", 1)
    bench.enter("b.test")
    cache.set_value("a", "of b")
    bench.enter()
    dontmanage.clear_cache()
    assert cache.get_values(["a", "b"]) == {}
    assert cache.get_value("c", user="u") is None
    assert cache.hgetall("h") == {}
    assert cache.get_value(shared, shared=True) == 1
    bench.enter("b.test")
    assert cache.get_value("a") == "of b"
    raw.delete(shared)


def test_it_empties_what_the_request_has_kept(bench, cache):
    calls = []

    @request_cache
    def in_request():
        calls.append(1)

    @redis_cache
    def in_redis():
        calls.append(1)

    in_request(), in_redis()
    dontmanage.clear_cache()
    in_request(), in_redis()
    assert len(calls) == 4


@pytest.mark.parametrize("what", [{}, {"user": "ann@x.co"}, {"doctype": "User"}, {"doctype": "DocType"}])
def test_the_requests_own_copy_is_empty_after_any_clearing(bench, cache, what):
    cache.set_values({"a": 1, "b": [2]})
    cache.hset("h", "f", 1)
    dontmanage.clear_cache(**what)
    assert list(dontmanage.local.cache) == []
    assert dontmanage.local.request_cache == {}


def test_a_user_is_cleared_and_none_whose_name_begins_alike(bench, cache):
    for user in ("ann@x.co", "ann@x.com"):
        cache.set_value("k", user, user=user)
        cache.hset("roles", user, ["Guest"])
    cache.set_value("k", "the site's")
    dontmanage.clear_cache(user="ann@x.co")
    assert cache.get_value("k", user="ann@x.co") is None
    assert cache.hget("roles", "ann@x.co") is None
    assert cache.get_value("k", user="ann@x.com") == "ann@x.com"
    assert cache.hget("roles", "ann@x.com") == ["Guest"]
    assert cache.get_value("k") == "the site's"


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["roles", "bootinfo", "user_perm_can_read", "has_role:Page", "has_role:Report", "contacts"], "user"),
        (["meta", "form_meta", "table_columns", "data_import_column_header_map"], "doctype"),
    ],
)
def test_what_the_framework_keeps_for_a_user_and_for_a_doctype_goes_with_them(bench, cache, names, what):
    for name in names:
        cache.hset(name, "cleared", 1)
        cache.hset(name, "another", 1)
    dontmanage.clear_cache(**{what: "cleared"})
    bench.enter()
    assert all(cache.hgetall(name) == {"another": 1} for name in names)


def test_a_doctype_is_cleared_and_no_other(bench, cache):
    for doctype in ("User", "User Permission"):
        cache.hset("meta", doctype, {"name": doctype})
    dontmanage.clear_cache(doctype="User")
    assert cache.hget("meta", "User") is None
    assert cache.hget("meta", "User Permission") == {"name": "User Permission"}


def test_the_parents_of_a_doctype_are_cleared_with_it(bench, cache):
    def meta(name, *tables):
        fields = [{"fieldtype": "Data", "fieldname": "title", "options": "Invoice Item"}]
        fields += [{"fieldtype": kind, "fieldname": "items", "options": table} for kind, table in tables]
        return {"name": name, "fields": fields}

    cache.hset("meta", "Invoice", meta("Invoice", ("Table", "Invoice Item")))
    cache.hset("meta", "Order", meta("Order", ("Table MultiSelect", "Invoice Item"), ("Table", "Tax")))
    cache.hset("doctype_meta", "Quotation", shapes.Meta("Quotation", "Invoice Item"))
    cache.hset("meta", "Other", meta("Other", ("Table", "Invoice Item 2")))
    cache.hset("meta", "Invoice Item", meta("Invoice Item"))
    cache.hset("table_columns", "Invoice", ["title"])
    dontmanage.clear_cache(doctype="Invoice Item")
    assert cache.hgetall("meta").keys() == {"Other"}
    assert cache.hgetall("doctype_meta") == {}
    assert cache.hget("table_columns", "Invoice") is None


def test_a_doctypes_clearing_is_a_new_version_of_what_browsers_have(bench, cache):
    dontmanage.clear_cache(doctype="User")
    first = cache.get_value("metadata_version")
    dontmanage.clear_cache(doctype="User")
    assert first
    assert cache.get_value("metadata_version") not in (None, first)


def test_site_cache_goes_with_the_doctype_of_doctypes_only(bench):
    calls = []

    @site_cache
    def modules():
        calls.append(1)

    for doctype in (None, "User", "DocType"):
        dontmanage.clear_cache(user=None, doctype=doctype)
        modules(), modules()
    dontmanage.clear_cache(user="ann@x.co")
    modules()
    assert len(calls) == 2


def test_a_site_whose_hooks_spare_keys_is_cleared_in_steps(bench, cache, app, redis_server):
    (app / "hooks.py").write_text('persistent_cache_keys = "keep"\n')
    cache.set_values({"keep": 1} | {number: number for number in range(3000)})
    before = redis_server.calls("unlink")
    dontmanage.clear_cache()
    assert redis_server.calls("unlink") - before >= 6
    assert cache.get_values(["keep", 0, 2999]) == {"keep": 1}


def test_hooks_spare_keys_and_are_run(bench, cache, app):
    (app / "hooks.py").write_text(
        'persistent_cache_keys = ["changelog", "sessions*end"]\nclear_cache = "shop_app.tasks.forget"\n'
    )
    (app / "tasks.py").write_text("calls = []\ndef forget():\n    calls.append(1)\n")
    cache.set_values({"changelog-1": 1, "sessions of the end": 2, "other": 3})
    dontmanage.clear_cache()
    assert cache.get_values(["changelog-1", "sessions of the end", "other"]) == {
        "changelog-1": 1,
        "sessions of the end": 2,
    }
    assert sys.modules["shop_app.tasks"].calls == [1]
    dontmanage.clear_cache(user="u")
    assert sys.modules["shop_app.tasks"].calls == [1]


def test_broken_hooks_are_not_passed_over(bench, app):
    (app / "hooks.py").write_text("import no_such_module_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        dontmanage.clear_cache()


def test_it_needs_a_site():
    with pytest.raises(dontmanage.NoSiteError, match=r"dontmanage\.init"):
        dontmanage.clear_cache()


def test_it_does_without_redis(tmp_path):
    from conftest import Bench

    Bench(tmp_path / "bench", f"unix://{tmp_path}/none", signed=False).enter()
    dontmanage.clear_cache()
    dontmanage.clear_cache(user="u")
    dontmanage.clear_cache(doctype="User")
