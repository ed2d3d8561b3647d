"""What is not ours is never unpickled; the key stays where it is."""

from __future__ import annotations

import decimal
import os
import pickle
import resource
import subprocess
import sys
import types
from pathlib import Path

import pytest
from conftest import Bench, wait_for

import dontmanage_cache as dontmanage


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.fixture
def signed(redis_server, tmp_path) -> Bench:
    bench = Bench(tmp_path / "bench", redis_server.url, signed=True)
    bench.enter()
    return bench


@pytest.fixture
def sprung(tmp_path):
    path = tmp_path / "sprung"
    yield path
    assert not path.exists(), "it was unpickled"


def misses(key: str = "k") -> bool:
    missing = object()
    dontmanage.local.cache.clear()
    cache = dontmanage.cache
    return (
        cache.get_value(key, default=missing) is missing
        and cache.get_values([key]) == {}
        and cache.get_value(key, use_local_cache=False, default=missing) is missing
        and cache.get_all(key) == {}
    )


def test_unsigned_values_are_misses(signed, raw, sprung):
    raw.set(signed.full("k"), pickle.dumps(Trap(sprung)))
    assert misses()
    raw.delete(signed.full("k"))
    raw.hset(signed.full("h"), "f", pickle.dumps(Trap(sprung)))
    assert dontmanage.cache.hget("h", "f") is None
    assert dontmanage.cache.hgetall("h") == {}


def test_values_signed_with_another_key_are_misses(signed, raw, sprung, redis_server, tmp_path):
    other = Bench(tmp_path / "other", redis_server.url, signed=True)
    other.enter()
    dontmanage.conf.db_name = signed.prefix
    dontmanage.cache.set_value("k", Trap(sprung), cache_locally=False)
    assert raw.exists(signed.full("k"))
    signed.enter()
    assert misses()


def test_values_that_were_moved_are_misses(signed, raw):
    cache = dontmanage.cache
    cache.set_value("k", 1)
    cache.hset("h", "f", 1)
    value = raw.get(signed.full("k"))
    field = raw.hget(signed.full("h"), "f")
    for place in ("k2", "user:u:k"):
        raw.set(signed.full(place), value)
        assert misses(place)
    raw.set(f"{signed.prefix}b|k", value)
    raw.hset(signed.full("h"), "g", field)
    raw.hset(signed.full("h2"), "f", field)
    raw.hset(signed.full("h"), "v", value)
    raw.set(signed.full("was a field"), field)
    assert misses("was a field")
    dontmanage.local.cache.clear()
    assert cache.hget("h", "g") is None
    assert cache.hget("h2", "f") is None
    assert cache.hgetall("h") == {"f": 1}
    signed.enter("b.test")
    assert misses()


def test_values_cut_off_or_changed_anywhere_are_misses(signed, raw):
    dontmanage.cache.set_value("k", {"a": [1, 2]})
    whole = raw.get(signed.full("k"))
    for at in range(len(whole)):
        raw.set(signed.full("k"), whole[:at])
        assert misses(), f"cut off at {at}"
        raw.set(signed.full("k"), whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert misses(), f"changed at {at}"
    raw.set(signed.full("k"), whole + b"x")
    assert misses()


def test_a_value_brought_back_after_its_end_is_a_miss(signed, raw):
    dontmanage.cache.set_value("k", 1, expires_in_sec=1)
    value = raw.get(signed.full("k"))
    wait_for("the value ends", lambda: not raw.exists(signed.full("k")))
    raw.set(signed.full("k"), value)
    assert misses()


def test_a_value_whose_lifetime_was_shortened_cannot_be_brought_back(signed, raw):
    dontmanage.cache.set_value("k", 1)
    dontmanage.cache.expire_key("k", 1)
    value = raw.get(signed.full("k"))
    wait_for("the value ends", lambda: not raw.exists(signed.full("k")))
    raw.set(signed.full("k"), value)
    assert misses()


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b".",
        b"\x80",
        b"\x80\x05",
        b"\x80\xff.",
        b"cno.such\nclass\n.",
        b"\x80\x05]\x94(K\x01",
        b"garbage",
        b"\xdc" * 40,
    ],
    ids=repr,
)
def test_unreadable_values_are_misses_also_where_nothing_is_signed(redis_server, tmp_path, raw, junk):
    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    bench.enter()
    raw.set(bench.full("k"), junk)
    assert misses()
    assert dontmanage.cache.get_value("k", lambda: "mended") == "mended"
    bench.enter()
    assert dontmanage.cache.get_value("k") == "mended"
    raw.hset(bench.full("h"), mapping={"f": junk, "g": pickle.dumps(1)})
    assert dontmanage.cache.hget("h", "f") is None
    assert dontmanage.cache.hgetall("h") == {"g": 1}


def test_a_class_that_is_gone_is_a_miss(redis_server, tmp_path, raw, monkeypatch):
    import shapes

    bench = Bench(tmp_path / "bench", redis_server.url, signed=True)
    bench.enter()
    dontmanage.cache.set_value("k", shapes.Invoice("a", 1.0))
    bench.enter()
    monkeypatch.delattr(shapes, "Invoice")
    assert misses()


def test_signed_values_are_not_read_without_the_key(signed, raw):
    dontmanage.cache.set_value("k", 1)
    signed.key.unlink()
    signed.enter()
    assert misses()


def test_a_key_file_that_cannot_be_read_is_not_taken_for_none(signed):
    def refused():
        with pytest.raises(dontmanage.CacheError, match=r"config/cache\.key.*bench setup redis") as raised:
            signed.enter()
        return str(raised.value)

    for text in ("", "00", "zz" * 32, "00" * 33, "\ufeff" + "00" * 32, "00" * 32 + "\n" + "00" * 32):
        signed.key.write_text(text)
        assert "00" * 30 not in refused()
    signed.key.unlink()
    signed.key.mkdir()
    refused()
    signed.key.rmdir()
    os.mkfifo(signed.key)
    refused()
    signed.key.unlink()
    signed.key.symlink_to(signed.key.with_name("not mounted"))
    refused()


def test_a_key_file_that_is_opened_to_others_later_is_told_too(signed, caplog):
    dontmanage.cache.set_value("k", 1)
    signed.key.chmod(0o640)
    signed.enter()
    assert "chmod 600" in caplog.text
    caplog.clear()
    signed.enter()
    assert not caplog.text, "it is told once"


def test_a_new_key_is_used_from_the_next_request_on(signed):
    dontmanage.cache.set_value("k", 1)
    old = signed.key.read_text()
    signed.key.write_text("ab" * 32 + "\n")
    signed.enter()
    assert misses()
    signed.key.write_text(old)
    signed.enter()
    assert dontmanage.cache.get_value("k") == 1


def test_a_bench_may_decide_not_to_sign(signed, raw, redis_server):
    signed.configure(redis_cache=redis_server.url, redis_cache_sign=False)
    signed.enter()
    dontmanage.cache.set_value("k", 1)
    assert pickle.loads(raw.get(signed.full("k"))) == 1


def test_a_key_file_open_to_others_is_told(signed, caplog):
    signed.key.chmod(0o644)
    signed.key.write_text("cd" * 32 + "\n")
    signed.enter()
    assert "chmod 600" in caplog.text
    assert "cdcd" not in caplog.text


def test_the_key_is_in_no_environment_argument_or_message(signed):
    key = signed.key.read_text().strip()
    program = (
        "import dontmanage_cache as dontmanage, sys\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "dontmanage.cache.set_value('k', 1)\n"
        "from dontmanage_cache._core import current\n"
        "print(dontmanage.cache, dontmanage.local, current(), current().server, vars())\n"
        "print(open('/proc/self/environ').read(), open('/proc/self/cmdline').read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, signed.sites], check=True, capture_output=True, text=True
    )
    assert "dontmanage.cache" in done.stdout
    assert key not in done.stdout + done.stderr


def test_interrupts_are_not_swallowed_by_unpickling(redis_server, tmp_path, raw):
    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    bench.enter()
    raw.set(bench.full("k"), b"cbuiltins\nKeyboardInterrupt\n)R.")
    assert isinstance(dontmanage.cache.get_value("k"), KeyboardInterrupt)
    raw.set(bench.full("k"), b"csys\nexit\n(I3\ntR.")
    dontmanage.local.cache.clear()
    with pytest.raises(SystemExit):
        dontmanage.cache.get_value("k")


def test_nor_by_what_is_read_without_pickle(redis_server, tmp_path, monkeypatch):
    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    bench.enter()
    dontmanage.cache.set_value("price", decimal.Decimal("1.25"))
    calls = []

    def interrupted(cls, text):
        calls.append(text)
        # Once, as Ctrl-C is pressed: who asked again would not hear of it.
        if len(calls) == 1:
            raise KeyboardInterrupt
        return decimal.Decimal(text)

    patched = types.ModuleType("decimal")
    patched.Decimal = type("Decimal", (), {"__new__": interrupted})
    bench.enter()
    monkeypatch.setitem(sys.modules, "decimal", patched)
    with pytest.raises(KeyboardInterrupt):
        dontmanage.cache.get_value("price")
    assert dontmanage.cache.get_value("price") == decimal.Decimal("1.25")
    assert calls == ["1.25", "1.25"]


def test_a_value_that_asks_for_memory_is_a_miss_also_where_nothing_is_signed(redis_server, tmp_path, raw):
    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    # A few bytes, for which `pickle` would make room for 268 million objects.
    for text in (b"\x80\x04Nr\xff\xff\xff\x0f.", b"Np268435455\n.", b"\x80\x02]q\x00r\xff\xff\xff\xff."):
        bench.enter()
        raw.set(bench.full("k"), text)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert dontmanage.cache.get_value("k", default="missed") == "missed"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024, "KiB"
    old = (
        pickle.dumps([["x"], ["rp9"] * 3], 1)
        .replace(b"q\x00", b"r\x07\x00\x00\x00")
        .replace(b"h\x00", b"j\x07\x00\x00\x00")
    )
    raw.set(bench.full("k"), old)
    bench.enter()
    assert dontmanage.cache.get_value("k") == [["x"], ["rp9"] * 3]


DEEP = {
    "tuples as a key": b"\x80\x02})%sNs.",
    "tuples in a set": b"\x80\x04\x8f()%s\x90.",
    "tuples": b"\x80\x02)%s.",
}


@pytest.mark.parametrize("shape", DEEP.values(), ids=DEEP)
def test_values_that_nest_too_deep_are_misses_also_where_nothing_is_signed(
    redis_server, tmp_path, raw, shape
):
    """To hash a tuple in a tuple, a million times, is the end of a Python process."""
    bench = Bench(tmp_path / "bare", redis_server.url, signed=False)
    bench.enter()
    deep = shape % (b"\x85" * 1_000_000)
    raw.set(bench.full("k"), deep)
    assert misses()
    raw.hset(bench.full("h"), mapping={"f": deep, "g": pickle.dumps(1)})
    assert dontmanage.cache.hget("h", "f") is None
    assert dontmanage.cache.hgetall("h") == {"g": 1}
    raw.set(bench.full("k"), shape % (b"\x85" * 1000))
    dontmanage.local.cache.clear()
    assert not misses(), "not so deep is no harm"


def test_values_that_nest_too_deep_are_misses_where_values_are_signed(signed, raw):
    raw.set(signed.full("k"), DEEP["tuples as a key"] % (b"\x85" * 1_000_000))
    assert misses()


def test_a_value_as_deep_as_python_can_write_it_comes_back(redis_server, tmp_path):
    for is_signed in (True, False):
        bench = Bench(tmp_path / str(is_signed), redis_server.url, signed=is_signed)
        bench.enter()
        value: object = ()
        for _ in range(200):
            value = [{"k": value}] if isinstance(value, tuple) else (value,)
        dontmanage.cache.set_value("k", value)
        bench.enter()
        assert dontmanage.cache.get_value("k") == value
