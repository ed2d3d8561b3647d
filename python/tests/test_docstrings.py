"""Every public item says what it is for and shows it, and what it shows is true."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import PATIENCE
from dontmanage_cache.commands import Command
from dontmanage_cache.database.engines import forget_engines
from dontmanage_cache.model import declared

import dontmanage
from dontmanage_cache import documents

# What the awaitable calls are made of, and nobody else uses.
INNER = {"Asker", "AwaitedCall", "Pending"}
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
# The prefix that the examples show.
PREFIX = "_3f1b8c2a"
# A fence of Markdown is not what an example prints.
FENCE = re.compile(r"^\s*```.*\n?", re.MULTILINE)


def public_items() -> Iterator[tuple[str, Any]]:
    """Modules, what they name in `__all__`, and the methods of their classes."""
    seen: set[int] = set()
    for package in ("dontmanage", "dontmanage_cache"):
        root = importlib.import_module(package)
        modules = [root]
        modules += [
            importlib.import_module(found.name)
            for found in pkgutil.walk_packages(root.__path__, f"{package}.")
            if not found.name.rsplit(".")[-1].startswith("__")
            # Shown under the framework only, by the tests of `bench`.
            and not found.name.startswith("dontmanage_cache.framework")
        ]
        for module in modules:
            # What names nothing as public is the library's own business.
            if not hasattr(module, "__all__"):
                continue
            yield module.__name__, module
            for name in getattr(module, "__all__", ()):
                item = getattr(module, name)
                if (
                    name in INNER
                    or id(item) in seen
                    or not (inspect.isclass(item) or inspect.isroutine(item))
                ):
                    continue
                seen.add(id(item))
                yield f"{module.__name__}.{name}", item
                if inspect.isclass(item):
                    yield from methods(f"{module.__name__}.{name}", item)


def methods(owner: str, item: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(item).items():
        member = getattr(member, "__func__", member)
        # The commands of redis-py have its documentation.
        if isinstance(member, Command) or name.startswith("_"):
            continue
        if inspect.isroutine(member) or isinstance(member, property):
            yield f"{owner}.{name}", member


ITEMS = dict(public_items())
# Errors are raised, not called; what they are for is in the messages.
WITHOUT_EXAMPLE = {
    name for name, item in ITEMS.items() if inspect.isclass(item) and issubclass(item, Exception)
}
# For the rest of the process, all calls would be the framework's.
WITHOUT_EXAMPLE.add("dontmanage_cache._core.follow")


def text_of(item: Any) -> str:
    return FENCE.sub("", inspect.getdoc(item) or "")


@pytest.mark.parametrize("name", ITEMS)
def test_every_public_item_says_what_it_is_for(name):
    text = text_of(ITEMS[name])
    assert text.strip(), f"{name} has no docstring"
    assert name in WITHOUT_EXAMPLE or ">>>" in text, f"{name} has no example"


# The doctypes of the examples.
DOCTYPES = """
from dontmanage.model import DocType, Field

customer = DocType("Customer", [Field("email", unique=True), Field("credit", "Currency")], autoname="prompt")
order = DocType("Order", [Field("customer", "Link", options="Customer"), Field("items", "Table", "", "Item")])
item = DocType("Item", [Field("what"), Field("qty", "Int")], istable=True)
note = DocType("Note", [Field("title")])
settings = DocType("System Settings", [Field("language", default="en")], issingle=True)
"""


@pytest.fixture(scope="session")
def example_database(tmp_path_factory) -> Path:
    """A file with the tables and documents of the examples, to be copied."""
    from dontmanage_cache.model.migrating import migrate

    sites = tmp_path_factory.mktemp("examples") / "sites"
    for folder in ("doctypes", "site1.local"):
        (sites / folder).mkdir(parents=True)
    (sites / "doctypes" / "shop.py").write_text(DOCTYPES)
    (sites / "site1.local" / "site_config.json").write_text("{}")
    dontmanage.init("site1.local", sites)
    migrate()
    ann = {"doctype": "Customer", "name": "ann", "email": "ann@example.com", "credit": 10}
    dontmanage.get_doc(ann).insert()
    dontmanage.db.commit()
    dontmanage.destroy()
    # The last one to close it puts all of it into the file itself.
    forget_engines()
    return sites / "site1.local" / "site.db"


@pytest.fixture
def example_bench(redis_server, example_database, tmp_path, monkeypatch) -> Iterator[Path]:
    """The bench that the examples are shown in, as if made by hand; it is the current directory."""
    monkeypatch.setattr(documents, "_loaders", {})
    bench = tmp_path / "bench"
    for site, name in (("site1.local", PREFIX), ("site2.local", f"{PREFIX}2")):
        (bench / "sites" / site).mkdir(parents=True)
        (bench / "sites" / site / "site_config.json").write_text(json.dumps({"db_name": name}))
    (bench / "config").mkdir()
    (bench / "config" / "cache.key").touch(0o600)
    (bench / "config" / "cache.key").write_text("3f" * 32 + "\n")
    # Patient, because a busy machine makes no example untrue.
    conf = {
        "redis_cache": redis_server.url,
        "redis_cache_timeout": PATIENCE,
        "redis_cache_connect_timeout": PATIENCE,
    }
    (bench / "sites" / "common_site_config.json").write_text(json.dumps(conf))
    monkeypatch.chdir(bench)
    for site in ("site2.local", "site1.local"):
        dontmanage.init(site)
        dontmanage.cache.delete_keys("")
    (bench / "sites" / "doctypes").mkdir()
    (bench / "sites" / "doctypes" / "shop.py").write_text(DOCTYPES)
    shutil.copy(example_database, bench / "sites" / "site1.local")
    yield bench
    dontmanage.destroy()
    forget_engines()


@pytest.mark.parametrize("name", [name for name, item in ITEMS.items() if ">>>" in text_of(item)])
def test_what_is_shown_is_true(name, example_bench, redis_server, monkeypatch):
    monkeypatch.setenv("DONTMANAGE_REDIS_CACHE", redis_server.url)
    # What an example declares is declared for the example only.
    monkeypatch.setattr(declared, "_given", {})
    item = ITEMS[name]
    # An app's module: what is decorated in an example can be imported from it.
    app = ModuleType("an_app.api")
    monkeypatch.setitem(sys.modules, "an_app.api", app)
    names = vars(app)
    home = item if inspect.ismodule(item) else sys.modules.get(getattr(item, "__module__", None) or "")
    names |= {key: value for key, value in vars(home or app).items() if not key.startswith("__")}
    names |= {"dontmanage": dontmanage, "cache": dontmanage.cache}
    examples = doctest.DocTestParser().get_doctest(text_of(item), {}, name, None, 0)
    examples.globs = names
    said: list[str] = []
    failures, tried = doctest.DocTestRunner(optionflags=FLAGS).run(
        examples, out=said.append, clear_globs=False
    )
    assert tried, f"{name} has no example after all"
    assert not failures, "".join(said)
