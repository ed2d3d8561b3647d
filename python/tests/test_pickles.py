"""Values are read as Python's own `pickle` reads them, whoever reads them."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import pickle
import random
from typing import Any

import pytest
from conftest import Bench

import dontmanage_cache as dontmanage


class Colour(enum.Enum):
    RED = 1


class Row(dict):
    """As the framework's rows are."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Python 3.10 asks for `__getstate__`.
            raise AttributeError(name)
        return self.get(name)


ZONE = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
MOMENT = datetime.datetime(2026, 2, 28, 23, 59, 59, 999_999)
TWICE = ["the same"]
ITSELF: list[Any] = []
ITSELF.append(ITSELF)

VALUES: list[Any] = [
    None,
    True,
    False,
    *(
        sign * (1 << bits) + more
        for bits in (0, 8, 16, 31, 32, 63, 64, 2100)
        for sign in (1, -1)
        for more in (-1, 0)
    ),
    *(0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan"), 5e-324),
    *("", "a", "ä", "日本", "💰", "a\0b", "\ud800", "x" * 255, "x" * 256, "ü" * 40_000),
    *(b"", b"\xff", b"y" * 255, b"y" * 256, b"y" * 70_000, bytearray(b"z")),
    *((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),))),
    *([], [1], list(range(3_000)), [[[[]]]]),
    *({}, {"a": 1}, {1: "a", None: 2, (1, 2): 3, 1.5: 4, b"k": 5}, {"k" * 40: 1, "ü": 2, "": 3}),
    {f"key {number}": {"key": number} for number in range(2_500)},
    *(set(), {1}, {"a", "b"}, frozenset(), frozenset({1, 2}), {frozenset({1})}),
    *(MOMENT, MOMENT.replace(tzinfo=ZONE), MOMENT.replace(fold=1), MOMENT.date(), MOMENT.time()),
    MOMENT.timetz().replace(tzinfo=ZONE),
    *(
        datetime.timedelta(-3, 7, 9),
        datetime.timezone.utc,
        ZONE,
        decimal.Decimal("-0.10"),
        decimal.Decimal("NaN"),
    ),
    {"creation": MOMENT, "modified": MOMENT, "rate": decimal.Decimal("1.25"), "on": MOMENT.date()},
    [TWICE, TWICE, {"a": TWICE}, ("t", TWICE)],
    [{"name": f"row {number}", "idx": number, "parent": "one"} for number in range(30)],
    {"itself": ITSELF},
    *(Colour.RED, [Colour.RED, Colour], Row(a=1), [1, Row(b=[Row()])], collections.OrderedDict(a=1)),
    *(collections.Counter("aab"), complex(1, 2), range(3), len, {"plain": 1, "last": Colour.RED}),
]


def shape(value: Any, seen: dict[int, int] | None = None) -> Any:
    """All that can be told of a value: types, contents, order, and which containers are one and the same."""
    seen = {} if seen is None else seen
    if not isinstance(value, list | dict | tuple | set | frozenset | bytearray):
        return type(value), repr(value)
    if id(value) in seen:
        return seen[id(value)]
    seen[id(value)] = len(seen)
    if isinstance(value, dict):
        return type(value), [(shape(key, seen), shape(item, seen)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return type(value), sorted(repr(shape(item)) for item in value)
    return type(value), [shape(item, seen) for item in value]


@pytest.fixture
def bare(redis_server, tmp_path) -> Bench:
    """A bench whose values are bare pickles."""
    bench = Bench(tmp_path / "bench", redis_server.url, signed=False)
    bench.enter()
    return bench


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_value_is_read_as_pickle_reads_it(bare, raw, protocol):
    pickles = [pickle.dumps(value, protocol) for value in VALUES]
    raw.hset(bare.full("h"), mapping={str(number): text for number, text in enumerate(pickles)})
    read = dontmanage.cache.hgetall("h")
    assert len(read) == len(VALUES)
    for number, text in enumerate(pickles):
        assert shape(read[str(number)]) == shape(pickle.loads(text)), VALUES[number]


def test_objects_that_are_made_by_hand_are_read_as_pickle_reads_them(bare, raw):
    # What no pickler writes, and a reader may stumble over: marks crossed, containers filled in steps, an
    # object filled after it was put into another, keys that come twice, more after the end.
    made = [
        b"\x80\x04]\x94(K\x01e(K\x02K\x03eK\x04a.",
        b"\x80\x04}\x94(K\x01K\x02u(K\x01K\x03uK\x01K\x04s.",
        b"\x80\x04]\x94]\x94a(h\x01K\x05e.",
        b"\x80\x04]\x94(}\x94h\x01e.",
        b"\x80\x04K\x01.K\x02.",
        b"\x80\x04(K\x01(K\x02tt.",
        b"\x80\x04\x8f\x94(K\x01K\x01\x90(K\x02\x90.",
        b"\x80\x04}\x94(\x8c\x01aK\x01\x8c\x01aK\x02u.",
        b"\x80\x04K\x01K\x02\x86\x85.",
    ]
    raw.hset(bare.full("h"), mapping={str(number): text for number, text in enumerate(made)})
    read = dontmanage.cache.hgetall("h")
    for number, text in enumerate(made):
        assert shape(read[str(number)]) == shape(pickle.loads(text)), text


@pytest.mark.parametrize("seed", range(2))
def test_a_broken_pickle_is_read_as_pickle_reads_it_or_not_at_all(bare, raw, seed):
    chance = random.Random(seed)
    plain = [
        {"name": "a row", "idx": 3, "rate": 1.5, "on": MOMENT, "tags": ["a", "b", ("c", None, True)]},
        [{"k": {1, 2}, "v": frozenset({3})}, {"k": b"bytes", "v": -70_000}, [TWICE, TWICE, 1 << 40]],
    ]
    # Not the opcode of a memo as large as memory: `pickle`, which is compared with, would take it.
    opcodes = [byte for byte in range(256) if byte != ord("r")]
    broken = []
    for _ in range(2_000):
        text = bytearray(pickle.dumps(chance.choice(plain), chance.choice([4, 5])))
        for _ in range(chance.choice([1, 1, 1, 2, 4])):
            at = chance.randrange(2, len(text))
            change = chance.randrange(4)
            if change == 0:
                del text[at]
            elif change == 1:
                text.insert(at, chance.choice(opcodes))
            elif change == 2:
                text[at] = chance.choice(b"()]}.0123KMJN\x85\x86\x87\x88\x8c\x8f\x90\x91\x93\x94Rhuesatldb")
            else:
                text[at] = chance.choice(opcodes)
        broken.append(bytes(text))
    raw.hset(bare.full("h"), mapping={str(number): text for number, text in enumerate(broken)})
    read = dontmanage.cache.hgetall("h")
    whole = 0
    for number, text in enumerate(broken):
        try:
            expected = pickle.loads(text)
        except Exception:
            assert str(number) not in read, text
            continue
        whole += 1
        assert shape(read[str(number)]) == shape(expected), text
    assert 100 < whole < 1_900


def test_equal_keys_are_one_string_and_values_are_not_kept(bench, cache):
    cache.set_value("rows", [{"a key of rows": "a text", "another": 1}])
    first, second = [], []
    for rows in (first, second):
        bench.enter()
        rows += cache.get_value("rows")
    assert all(key is other for key, other in zip(first[0], second[0], strict=True))
    assert first[0] is not second[0]
    first[0]["a key of rows"] = "changed"
    assert second[0] == {"a key of rows": "a text", "another": 1}
