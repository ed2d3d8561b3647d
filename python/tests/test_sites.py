"""Entering and leaving sites; what a thread and a task know."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import os
import pydoc
import threading
import weakref

import pytest
from conftest import Bench

import dontmanage_cache as dontmanage


def test_the_configuration_of_the_site_goes_over_the_benchs(redis_server, tmp_path):
    bench = Bench(tmp_path / "bench", redis_server.url, signed=False, common="c", both="c")
    (bench.sites / "a.test" / "site_config.json").write_text('{"db_name": "D", "both": "s"}')
    bench.enter()
    assert (dontmanage.conf.common, dontmanage.conf.both, dontmanage.conf.missing) == ("c", "s", None)
    assert dontmanage.conf["both"] == dontmanage.local.conf.both == "s"
    assert dontmanage.conf.get("missing", 5) == 5
    assert "common" in dontmanage.conf
    assert dontmanage.local.site == "a.test"


def test_a_site_begins_as_guest_and_connects_as_administrator(bench):
    assert dontmanage.session.user == "Guest"
    dontmanage.connect("b.test")
    assert (dontmanage.local.site, dontmanage.session.user) == ("b.test", "Administrator")
    dontmanage.set_user("ann@x.co")
    assert dontmanage.session.user == "ann@x.co"


def test_after_destroy_nothing_is_left(bench, cache):
    cache.set_value("k", 1)
    dontmanage.destroy()
    with pytest.raises(dontmanage.NoSiteError):
        cache.get_value("k")
    with pytest.raises(dontmanage.NoSiteError, match=r"dontmanage\.init"):
        _ = dontmanage.session.user
    with pytest.raises(AttributeError):
        _ = dontmanage.local.site
    assert not dontmanage.conf
    assert "no site" in repr(dontmanage.conf) + repr(dontmanage.local)
    with pytest.raises(dontmanage.NoSiteError):
        dontmanage.connect()


@pytest.mark.parametrize("site", ["c.test", "", ".", "..", "../sites/a.test", "a.test/", "apps"])
def test_an_unknown_site_is_an_error_that_names_it(bench, site):
    with pytest.raises(dontmanage.SiteNotFoundError, match=f"`{site}`"):
        dontmanage.init(site, bench.sites)
    assert dontmanage.local.site == "a.test", "the site before is still entered"


def test_broken_configuration_is_an_error_that_names_the_file(bench):
    path = bench.sites / "a.test" / "site_config.json"
    for text in ("{", "[]", '"text"', "\xff"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(dontmanage.CacheError, match=r"site_config\.json"):
            bench.enter()


def test_the_sites_path_is_found(bench, monkeypatch, tmp_path):
    inside = bench.folder / "apps" / "erp" / "deep"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    dontmanage.init("a.test")
    assert dontmanage.local.sites_path == str(bench.sites)
    monkeypatch.chdir(bench.sites)
    dontmanage.init("a.test")
    assert dontmanage.local.sites_path == str(bench.sites)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    dontmanage.destroy()
    with pytest.raises(dontmanage.SiteNotFoundError, match="SITES_PATH"):
        dontmanage.init("a.test")
    monkeypatch.setenv("BENCH_DIR", str(bench.folder))
    dontmanage.init("a.test")
    monkeypatch.delenv("BENCH_DIR")
    monkeypatch.setenv("SITES_PATH", os.path.relpath(bench.sites))
    dontmanage.init("a.test")
    assert dontmanage.local.sites_path == str(bench.sites)


def test_the_environments_url_goes_over_the_configurations(bench, cache, redis_server, monkeypatch, tmp_path):
    bench.configure(redis_cache=f"unix://{tmp_path}/wrong.sock")
    monkeypatch.setenv("DONTMANAGE_REDIS_CACHE", redis_server.url)
    bench.enter()
    cache.set_value("k", 1)
    dontmanage.local.cache.clear()
    assert cache.get_value("k") == 1


def test_a_server_of_the_benchs_own_is_reached_by_its_socket(bench, cache, redis_server, tmp_path):
    def address(url: str, conf: str) -> str:
        (bench.folder / "config" / "redis_cache.conf").write_text(conf)
        bench.configure(redis_cache=url)
        bench.enter()
        current = dontmanage._core.current()
        assert current is not None
        return current.server.url

    socket = f"unix://{redis_server.socket}"
    own = f"port 13000\nunixsocket {redis_server.socket}\n"
    for url in ("redis://127.0.0.1:13000", "redis://localhost:13000/0", "127.0.0.1:13000"):
        assert address(url, own) == socket
        cache.set_value("k", url)
        dontmanage.local.cache.clear()
        assert cache.get_value("k") == url
    for url, conf in (
        ("redis://127.0.0.1:13001", own),
        ("redis://127.0.0.1:13000/1", own),
        ("redis://:secret@127.0.0.1:13000", own),
        ("redis://cache.example:13000", own),
        ("redis://127.0.0.1:13000", "port 13000\n"),
        ("redis://127.0.0.1:13000", f"port 13000\nunixsocket {tmp_path}/gone.sock\n"),
        ("redis://127.0.0.1:13000", "\n"),
    ):
        assert not address(url, conf).startswith("unix:")


def signed_and_deadlines() -> tuple[bool, float, float]:
    from dontmanage_cache._core import current

    server = current().server
    return server.signed, server.connect_timeout, server.reply_timeout


def test_signing_and_deadlines_are_the_configurations_and_the_environment_goes_over_it(
    redis_server, tmp_path, monkeypatch
):
    bench = Bench(tmp_path / "bench", redis_server.url, signed=True)
    bench.configure(redis_cache=redis_server.url)
    bench.enter()
    assert signed_and_deadlines() == (True, 0.2, 0.2)
    bench.configure(
        redis_cache=redis_server.url,
        redis_cache_sign=False,
        redis_cache_timeout=0.75,
        redis_cache_connect_timeout=2,
    )
    bench.enter()
    assert signed_and_deadlines() == (False, 2.0, 0.75)
    monkeypatch.setenv("DONTMANAGE_REDIS_CACHE_SIGN", "1")
    monkeypatch.setenv("DONTMANAGE_REDIS_CACHE_TIMEOUT", "0.5")
    bench.enter()
    assert signed_and_deadlines() == (True, 2.0, 0.5)
    monkeypatch.setenv("DONTMANAGE_REDIS_CACHE_SIGN", "0")
    bench.enter()
    assert signed_and_deadlines()[0] is False
    bench.configure(redis_cache=redis_server.url, redis_cache_sign=None, redis_cache_timeout=None)
    monkeypatch.delenv("DONTMANAGE_REDIS_CACHE_SIGN")
    bench.enter()
    assert signed_and_deadlines() == (True, 0.2, 0.5), "null is not said"


@pytest.mark.parametrize(
    ("name", "value"),
    [("redis_cache_sign", "false"), ("redis_cache_timeout", "soon"), ("redis_cache_connect_timeout", [1])],
)
def test_a_setting_that_is_none_is_an_error_that_names_it(bench, redis_server, name, value):
    bench.configure(redis_cache=redis_server.url, **{name: value})
    with pytest.raises(dontmanage.CacheError, match=name):
        bench.enter()


def test_a_wrong_url_is_an_error_that_shows_no_password(bench):
    bench.configure(redis_cache="http://:s3cret@localhost")
    with pytest.raises(dontmanage.CacheError) as error:
        bench.enter()
    assert "s3cret" not in str(error.value)


def test_one_server_object_serves_all_sites_and_requests(bench):
    from dontmanage_cache._core import current

    server = current().server
    bench.enter("b.test")
    assert current().server is server


def test_local_takes_any_attribute(bench):
    dontmanage.local.mine = [1]
    assert dontmanage.local.mine == [1]
    assert "mine" in dir(dontmanage.local)
    del dontmanage.local.mine
    with pytest.raises(AttributeError):
        _ = dontmanage.local.mine
    with pytest.raises(AttributeError):
        del dontmanage.local.mine
    assert getattr(dontmanage.local, "mine", 5) == 5
    dontmanage.destroy()
    dontmanage.local.mine = 1
    assert dontmanage.local.mine == 1


def test_threads_know_nothing_of_each_other(bench, cache):
    seen = []

    def work() -> None:
        with pytest.raises(dontmanage.NoSiteError):
            cache.get_value("k")
        bench.enter("b.test")
        dontmanage.local.mine = 1
        seen.append(dontmanage.local.site)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["b.test"]
    assert dontmanage.local.site == "a.test"
    assert not hasattr(dontmanage.local, "mine")


def test_tasks_do_not_change_each_other(bench, cache):
    async def request(site: str, user: str) -> tuple[object, ...]:
        bench.enter(site)
        dontmanage.set_user(user)
        cache.set_value("k", user, user=True)
        await asyncio.sleep(0)
        cache.set_value("site", site)
        await asyncio.sleep(0)
        return (
            dontmanage.local.site,
            dontmanage.session.user,
            cache.get_value("k", user=True),
            cache.get_value("site"),
        )

    async def main() -> list[tuple[object, ...]]:
        return await asyncio.gather(request("a.test", "x"), request("b.test", "y"), request("a.test", "z"))

    assert asyncio.run(main()) == [
        ("a.test", "x", "x", "a.test"),
        ("b.test", "y", "y", "b.test"),
        ("a.test", "z", "z", "a.test"),
    ]
    assert dontmanage.session.user == "Guest"


def test_a_task_takes_the_site_of_its_starter(bench, cache):
    cache.set_value("k", 1)
    context = contextvars.copy_context()

    def work() -> object:
        got = cache.get_value("k")
        dontmanage.set_user("someone")
        return got, dontmanage.session.user

    assert context.run(work) == (1, "someone")
    assert dontmanage.session.user == "Guest"


def test_the_session_can_be_imported_before_a_site_is_entered(bench):
    from dontmanage_cache import conf, session

    assert session.user == "Guest"
    session.user = "ann"
    assert dontmanage.local.session.user == "ann"
    bench.enter("b.test")
    assert session.user == "Guest"
    assert conf.db_name == f"{bench.prefix}b"
    assert len(conf) == len(list(conf))
    conf["new"] = 1
    assert dontmanage.local.conf.new == 1
    del conf["new"]
    assert conf.new is None
    assert conf == dontmanage.local.conf


def test_attribute_dicts_are_updated_in_passing():
    """As the framework's are."""
    given = dontmanage.AttributeDict(a=1)
    assert given.update({"b": 2}) is given
    assert given.update([("c", 3)], d=4).update().update(e=5) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}


def test_attribute_dicts_are_dicts():
    import copy
    import pickle

    one = dontmanage.AttributeDict(a=1)
    assert one.a == 1 == one["a"]
    assert one.b is None
    one.b = 2
    assert one == {"a": 1, "b": 2}
    del one.b
    with pytest.raises(AttributeError):
        del one.b
    for other in (one.copy(), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert other == one
        assert type(other) is dontmanage.AttributeDict


def test_the_configuration_and_the_session_are_copied_and_pickled_as_what_they_hold(bench, cache):
    """Not as what looks them up, which would be another site's or another user's elsewhere."""
    import copy
    import pickle

    dontmanage.set_user("ann@x.co")
    cache.set_values({"session": dontmanage.session, "conf": dontmanage.conf})
    copies = [copy.copy(dontmanage.session), copy.deepcopy(dontmanage.session)]
    copies.append(pickle.loads(pickle.dumps(dontmanage.session)))
    name = dontmanage.conf.db_name
    bench.enter("b.test")
    dontmanage.set_user("bob@x.co")
    assert [copied.user for copied in copies] == ["ann@x.co"] * 3
    bench.enter()
    dontmanage.set_user("bob@x.co")
    session, conf = cache.get_value("session"), cache.get_value("conf")
    bench.enter("b.test")
    assert (session.user, conf.db_name) == ("ann@x.co", name)
    assert type(session) is type(conf) is dontmanage.AttributeDict


def test_the_configuration_can_be_joined_with_a_dict(bench):
    joined = dontmanage.conf | {"db_name": "other", "more": 1}
    assert (joined["db_name"], joined["more"], joined["redis_cache"]) == (
        "other",
        1,
        dontmanage.conf.redis_cache,
    )
    assert ({"db_name": "other"} | dontmanage.conf)["db_name"] == dontmanage.conf.db_name


def test_a_name_that_local_has_not_is_told_with_what_to_do(bench):
    with pytest.raises(AttributeError, match=r"dontmanage\.local has no `nope`"):
        _ = dontmanage.local.nope
    assert getattr(dontmanage.local, "nope", 5) == 5
    dontmanage.destroy()
    for name in ("site", "cache"):
        with pytest.raises(AttributeError, match=rf"`{name}`.*no site.*dontmanage\.init\(site\)"):
            getattr(dontmanage.local, name)


def test_connecting_without_a_site_is_an_error_whatever_local_holds(bench):
    dontmanage.destroy()
    dontmanage.local.batch = 7
    dontmanage.set_user("ann@x.co")
    with pytest.raises(dontmanage.NoSiteError, match="name the site"):
        dontmanage.connect()


@pytest.mark.parametrize("site", [None, b"a.test", 5])
def test_a_site_that_is_no_text_is_told(bench, site):
    with pytest.raises(dontmanage.SiteNotFoundError, match="is no name of a site"):
        dontmanage.init(site, bench.sites)


@pytest.mark.parametrize("name", [5, b"name", ["name"]])
def test_a_prefix_that_is_no_text_is_told(bench, cache, name):
    dontmanage.conf.db_name = name
    with pytest.raises(dontmanage.CacheError, match=rf"`db_name`.*text, not {type(name).__name__}"):
        cache.make_key("k")
    with pytest.raises(dontmanage.CacheError, match="`db_name`"):
        cache.get_keys("k")


def test_every_public_name_is_listed():
    import dontmanage as face

    for module in (face, dontmanage):
        assert set(module.__all__) <= set(dir(module))


def test_a_relative_sites_path_is_that_of_where_it_was_given(bench, monkeypatch, tmp_path):
    monkeypatch.chdir(bench.folder)
    for given in ("sites", bench.sites.relative_to(bench.folder), "./sites/../sites/"):
        dontmanage.init("a.test", given)
        assert dontmanage.local.sites_path == str(bench.sites)
        assert dontmanage.local.site_path == str(bench.sites / "a.test")
    monkeypatch.chdir(tmp_path)
    dontmanage.init("b.test")
    assert dontmanage.local.site_path == str(bench.sites / "b.test")


def test_a_request_whose_objects_hold_their_own_context_leaves_nothing_behind(bench):
    class Request:
        pass

    def enter(context):
        bench.enter()
        request = Request()
        request.context = context
        for kept in (dontmanage.local, dontmanage.local.session, dontmanage.conf):
            kept.request = request
        dontmanage.local.conf = dontmanage.conf
        assert dontmanage.cache.make_key("k")
        return weakref.ref(request)

    def in_a_context():
        context = contextvars.copy_context()
        return context.run(enter, context)

    async def in_a_task():
        return enter(asyncio.current_task())

    for gone in (in_a_context(), asyncio.run(in_a_task())):
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("name", ["conf", "session", "db"])
def test_tools_may_look_at_what_is_imported_before_a_site_is_entered(name):
    """Such as `help`, doctest and pytest, which ask everything in a module what it is."""
    here = getattr(dontmanage, name)
    assert not hasattr(here, "__wrapped__")
    assert inspect.unwrap(here) is here
    assert not inspect.isroutine(here)
    assert pydoc.render_doc(here)
    assert dir(here)
    with pytest.raises(dontmanage.NoSiteError, match=r"dontmanage\.init"):
        _ = here.anything
