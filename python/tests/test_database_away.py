"""Databases that can't be reached, or not like this: what is told, and what is not done."""

from __future__ import annotations

import builtins
import os
import stat

import pytest
from databases import DatabaseServer, MariaDB, PostgreSQL, make_site, server_of, write_config
from dontmanage_cache.database import engines
from dontmanage_cache.database.engines import forget_engines
from dontmanage_cache.model.migrating import migrate

import dontmanage

# MariaDB's driver leaves a socket to the garbage collector whose server is not there.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def site(redis_server, tmp_path):
    made = make_site("sqlite", redis_server, tmp_path / "bench")
    (made.sites / "doctypes").mkdir()
    (made.sites / "doctypes" / "note.json").write_text(
        '{"name": "Note", "autoname": "prompt", "fields": [{"fieldname": "title"}]}'
    )
    yield made
    dontmanage.destroy()
    forget_engines()


def configure(bench, **config):
    dontmanage.destroy()
    write_config(bench, **config)
    bench.enter()


@pytest.mark.parametrize("kind", ["mariadb", "postgres"])
def test_a_server_that_is_not_there_is_named_without_its_password(site, tmp_path, kind):
    configure(site, db_type=kind, db_socket=str(tmp_path / "none"), db_name="shop", db_password="s3cret")
    for ask in (
        lambda: dontmanage.get_doc("Note", "n"),
        lambda: dontmanage.get_cached_doc("Note", "n"),
        lambda: dontmanage.db.count("Note"),
        migrate,
    ):
        with pytest.raises(dontmanage.DatabaseAwayError, match=rf"the {kind} database `shop`") as error:
            ask()
        assert f"{tmp_path}/none" in str(error.value)
        assert "s3cret" not in str(error.value) + repr(error.value.__cause__)
        dontmanage.db.rollback()
    assert "s3cret" not in repr(dontmanage.db)


@pytest.mark.parametrize("kind", ["mariadb", "postgres"])
def test_a_refused_login_and_a_missing_database_are_told(site, kind):
    given = server_of(kind).make_database()
    for wrong in ({"db_user": "nosuch"}, {"db_name": "nosuch", "db_user": given["db_name"]}):
        configure(site, **{"db_user": given["db_name"], **given, **wrong})
        with pytest.raises(dontmanage.DatabaseAwayError, match="nosuch"):
            dontmanage.db.count("Note")


@pytest.mark.parametrize("kind", [MariaDB, PostgreSQL])
def test_a_server_that_goes_and_comes_back(site, kind):
    server: DatabaseServer = kind()
    try:
        configure(site, **server.make_database())
        migrate()
        dontmanage.get_doc({"doctype": "Note", "name": "n", "title": "t"}).insert()
        dontmanage.db.commit()
        assert dontmanage.get_cached_doc("Note", "n").title == "t"
        server.stop()
        with pytest.raises(dontmanage.DatabaseAwayError):
            dontmanage.get_doc("Note", "n")
        dontmanage.db.rollback()
        # What is in the cache is there without it.
        site.enter()
        assert dontmanage.get_cached_doc("Note", "n").title == "t"
        server.start()
        assert dontmanage.get_doc("Note", "n").title == "t"
    finally:
        dontmanage.destroy()
        forget_engines()
        server.close()


@pytest.mark.parametrize(
    ("module", "extra"), [("sqlalchemy", "documents"), ("pymysql", "mariadb"), ("psycopg", "postgres")]
)
def test_what_is_not_installed_is_told_with_the_command_that_installs_it(site, monkeypatch, module, extra):
    import_it = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return import_it(name, *rest)

    kind = "sqlite" if extra == "documents" else extra
    address = dontmanage.db.connection.address
    address = type(address)(kind, "shop", host="127.0.0.1")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(dontmanage.DatabaseError, match=rf"env/bin/pip install 'dontmanage_cache\[{extra}\]'"):
        engines.make_engine(address)


def test_what_makes_no_sense_in_the_configuration_is_told(site):
    for wrong, told in (
        ({"db_type": "oracle"}, "`sqlite`, `mariadb` or `postgres`"),
        ({"db_type": "mariadb", "db_name": ""}, "no `db_name`"),
        ({"db_busy_timeout": "long"}, "`db_busy_timeout`"),
        ({"db_busy_timeout": -1}, "a number above 0"),
    ):
        configure(site, **{"db_type": "sqlite", "db_busy_timeout": None, **wrong})
        with pytest.raises(dontmanage.DatabaseError, match=told):
            dontmanage.db.count("Note")


def test_the_file_is_the_sites_own(site):
    umask = os.umask(0)
    try:
        migrate()
        dontmanage.get_doc({"doctype": "Note", "name": "n"}).insert()
        dontmanage.db.commit()
    finally:
        os.umask(umask)
    files = [path for path in (site.sites / "a.test").iterdir() if path.name.startswith("site.db")]
    assert {path.name for path in files} >= {"site.db", "site.db-wal"}
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640, path
    assert dontmanage.db.sql("pragma journal_mode") == (("wal",),)


def test_a_folder_that_is_not_there_is_told(site):
    configure(site, db_path="none/site.db")
    with pytest.raises(dontmanage.DatabaseAwayError, match=r"none/site\.db.*can't be opened"):
        dontmanage.db.count("Note")


def test_a_file_that_is_no_database_is_told(site):
    (site.sites / "a.test" / "site.db").write_text("no database, but long enough to be taken for one" * 50)
    with pytest.raises(dontmanage.DatabaseError, match="not a database"):
        dontmanage.db.count("Note")
