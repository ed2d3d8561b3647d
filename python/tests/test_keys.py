"""Keys: whose value a key names."""

from __future__ import annotations

import pytest

import dontmanage_cache as dontmanage


def test_a_key_stands_behind_the_sites_prefix(bench, cache):
    assert cache.make_key("k") == bench.full("k")
    assert isinstance(cache.make_key("k"), bytes)


def test_a_users_key_names_the_user(bench, cache):
    assert cache.make_key("k", user="u") == bench.full("user:u:k")
    assert cache.make_key("k", "u") == bench.full("user:u:k")


def test_true_means_the_sessions_user_at_that_call(bench, cache):
    dontmanage.set_user("ann@x.co")
    assert cache.make_key("k", user=True) == bench.full("user:ann@x.co:k")
    dontmanage.set_user("bob@x.co")
    assert cache.make_key("k", user=True) == bench.full("user:bob@x.co:k")


@pytest.mark.parametrize("nobody", [None, False, ""])
def test_no_user_is_the_sites_key(bench, cache, nobody):
    assert cache.make_key("k", user=nobody) == bench.full("k")


def test_a_shared_key_comes_back_untouched(cache):
    assert cache.make_key("k", shared=True) == "k"
    assert cache.make_key(b"k", user="u", shared=True) == b"k"


def test_keys_are_formatted_as_text(bench, cache):
    assert cache.make_key(5) == bench.full("5")
    assert cache.make_key(None) == bench.full("None")


def test_bytes_are_the_same_key_as_their_text(cache):
    assert cache.make_key(b"k") == cache.make_key("k")
    cache.set_value(b"k", 1)
    assert cache.get_value("k") == 1


@pytest.mark.parametrize("key", ["ключ | a:b", "", " ", "a|b", "*?[x]", "\u2028", "k" * 5000, "\x00"])
def test_keys_may_hold_anything(bench, cache, raw, key):
    cache.set_value(key, [key])
    bench.enter()
    assert cache.get_value(key) == [key]
    assert raw.exists(bench.prefix.encode() + b"|" + key.encode()) == 1


def test_sites_do_not_see_each_others_keys(bench, cache):
    cache.set_value("k", "of a")
    bench.enter("b.test")
    assert cache.get_value("k") is None
    cache.set_value("k", "of b")
    bench.enter()
    assert cache.get_value("k") == "of a"
    bench.enter("b.test")
    assert cache.get_value("k") == "of b"


def test_a_site_without_a_database_is_known_by_its_name(bench, cache):
    (bench.sites / "a.test" / "site_config.json").write_text("{}")
    bench.enter()
    assert cache.make_key("k") == b"a.test|k"


def test_the_prefix_is_read_anew_at_each_call(cache):
    dontmanage.conf.db_name = "other"
    assert cache.make_key("k") == b"other|k"


@pytest.mark.parametrize("name", ["a|b", "", "a\nb"])
def test_a_prefix_that_could_reach_other_sites_is_refused(cache, name):
    dontmanage.conf.db_name = name
    with pytest.raises(dontmanage.CacheError):
        cache.make_key("k")


def test_without_a_site_only_shared_keys_can_be_used(bench, cache):
    dontmanage.destroy()
    for call in (
        lambda: cache.make_key("k"),
        lambda: cache.get_value("k"),
        lambda: cache.set_value("k", 1),
        lambda: cache.hget("h", "f"),
        lambda: cache.get_keys("k"),
    ):
        with pytest.raises(dontmanage.NoSiteError, match=r"dontmanage\.init"):
            call()


def test_shared_keys_work_without_a_site(bench, cache, monkeypatch):
    dontmanage.destroy()
    monkeypatch.setenv("SITES_PATH", str(bench.sites))
    key = f"{bench.prefix} shared"
    cache.set_value(key, 7, shared=True)
    assert cache.get_value(key, shared=True) == 7
    bench.enter("b.test")
    assert cache.get_value(key, shared=True) == 7
    cache.delete_value(key, shared=True)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind_are_the_same_key_as_their_text(bench, cache, kind):
    assert cache.make_key(kind(b"k")) == bench.full("k")
    cache.set_value(kind(b"k"), 1)
    assert cache.get_value("k") == 1
    cache.hset(kind(b"h"), kind(b"f"), 2)
    assert cache.hgetall("h") == {"f": 2}
    assert cache.hdel("h", kind(b"f")) == 1
    cache.delete_value(kind(b"k"))
    assert cache.get_value("k") is None
    cache.set_value("k", 1, user=kind(b"ann@x.co"))
    assert cache.get_value("k", user="ann@x.co") == 1
    assert cache.get_keys("k", user=kind(b"ann@x.co")) == [bench.full("user:ann@x.co:k")]
    assert cache.delete_keys(kind(b"k"), user=kind(b"ann@x.co")) == 1


def test_a_name_that_is_no_text_can_be_given_back_as_it_was_answered(bench, cache):
    """As with names of files: what is no UTF-8 is a surrogate in the text."""
    cache.hset("h", b"caf\xe9", 1)
    (field,) = cache.hgetall("h")
    bench.enter()
    assert cache.hget("h", field) == 1
    assert dontmanage.local.cache[cache.make_key("h")] == {field: 1}
    assert cache.hdel("h", field) == 1
    cache.set_values({b"p\xe9": 1, b"p\xe8": 2, b"p\xff": 3})
    found = cache.get_all("p")
    assert sorted(found.values()) == [1, 2, 3]
    bench.enter()
    assert [cache.get_value(key) for key in found] == list(found.values())
    assert cache.get_values(list(found)) == found
    assert cache.delete_values(list(found)) == 3


def test_text_that_nobody_could_have_answered_is_refused(cache):
    with pytest.raises(UnicodeEncodeError):
        cache.get_value("\ud800")
