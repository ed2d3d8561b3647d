"""`redis_cache`: which calls have one answer, and which never do."""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
import enum
import itertools
import pickle
import subprocess
import sys
import threading
import uuid

import pytest
from computed import calls, one, slow_add
from computed import no_calls as no_calls
from dontmanage_cache.caching import redis_cache
from shapes import Invoice, Slotted

import dontmanage_cache as dontmanage


def test_a_call_is_the_same_however_its_arguments_are_given(bench):
    @redis_cache
    def function(a, b=2, *more, c, d=4, **rest):
        calls.append(1)
        return a, b, more, c, d, rest

    keys = {
        function.cache_key(1, c=3),
        function.cache_key(1, 2, c=3),
        function.cache_key(a=1, c=3),
        function.cache_key(c=3, b=2, a=1),
        function.cache_key(1, d=4, c=3),
    }
    assert len(keys) == 1
    assert function(1, c=3) == function(a=1, b=2, c=3, d=4) == (1, 2, (), 3, 4, {})
    assert len(calls) == 1
    assert function(1, c=3, x=1, y=2) == function(1, c=3, y=2, x=1)
    assert len(calls) == 2


@redis_cache
def all_kinds(a, /, b, c=3, *d, e, f=6, **g):
    return None


DISTINCT_CALLS = [
    ((1,), {"b": 2, "e": 5}),
    ((1,), {"b": 2, "e": 5, "c": 4}),
    ((1,), {"b": 2, "e": 5, "f": 7}),
    ((1,), {"b": 2, "e": 5, "x": 7}),
    ((1,), {"b": 2, "e": 5, "a": 7}),
    ((1,), {"b": 2, "e": 5, "d": 7}),
    ((1, 2, 3, 4), {"e": 5}),
    ((1, 2, 3, (4,)), {"e": 5}),
    ((1, 2, 3, 4, 5), {"e": 5}),
    ((1, 2, 3), {"e": 5, "x": 1, "y": 2}),
    ((1, 2, 3), {"e": 5, "x": 2, "y": 1}),
    ((1, 2, 3), {"e": 5, "xy": 1}),
    ((2,), {"b": 1, "e": 5}),
    ((1, 5), {"e": 2}),
]


def test_distinct_calls_have_distinct_keys(bench):
    keys = [all_kinds.cache_key(*args, **kwargs) for args, kwargs in DISTINCT_CALLS]
    assert len(set(keys)) == len(keys)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Number(int):
    pass


class Other(int):
    pass


Point = collections.namedtuple("Point", "x y")


# No two of these are one argument.
ARGUMENTS = [
    None,
    True,
    False,
    0,
    1,
    -1,
    -2,
    2**61 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    10**40,
    0.0,
    -0.0,
    1.0,
    float("inf"),
    1j,
    0j,
    "",
    "1",
    "a",
    "\ud800",
    "None",
    b"",
    b"1",
    b"a",
    bytearray(b"a"),
    (),
    (1,),
    (1, 2),
    ((1,), 2),
    (1, (2,)),
    [],
    [1],
    [1, 2],
    ["12"],
    ["1", "2"],
    {},
    {"a": 1},
    {"a": "1"},
    {1: "a"},
    {"a": {"b": 1}},
    {"a": 1, "b": 2},
    {"a": 2, "b": 1},
    set(),
    {1},
    {1, 2},
    {"1"},
    frozenset(),
    frozenset({1}),
    {(1, 2)},
    int,
    float,
    Invoice,
    len,
    slow_add,
    Colour.RED,
    Colour.BLUE,
    Number(1),
    Other(1),
    Point(1, 2),
    Point(2, 1),
    datetime.date(2026, 1, 1),
    datetime.datetime(2026, 1, 1),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    datetime.timedelta(1),
    datetime.time(1),
    decimal.Decimal("1"),
    decimal.Decimal("1.0"),
    uuid.UUID(int=1),
    range(3),
    range(4),
    slice(1, 2),
    Invoice("a", 1.0),
    Invoice("a", 1),
    Invoice("b", 1.0),
    Slotted(1, 2),
    Slotted(2, 1),
    collections.OrderedDict(a=1, b=2),
    collections.OrderedDict(b=2, a=1),
    collections.defaultdict(int, a=1),
    collections.Counter("aab"),
    collections.deque([1, 2]),
    dontmanage.AttributeDict(a=1),
]


def test_distinct_arguments_never_share_an_answer(bench):
    keys = [one.cache_key(argument) for argument in ARGUMENTS]
    for (a, key_a), (b, key_b) in itertools.combinations(zip(ARGUMENTS, keys, strict=True), 2):
        assert key_a != key_b, (a, b)
    for argument in ARGUMENTS:
        assert one([argument]) == repr([argument]), argument


def test_equal_arguments_share_one(bench):
    def key(argument):
        return one.cache_key(argument)

    for argument in ARGUMENTS:
        assert key(argument) == key(copy.deepcopy(argument)), argument
        assert key([argument]) != key(argument)
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1})
    assert key({3, 1, 2}) == key({2, 3, 1})
    assert key(frozenset("abc")) == key(frozenset("cba"))
    assert key(dontmanage.AttributeDict(a=1, b=2)) == key(dontmanage.AttributeDict(b=2, a=1))
    text = "".join(["a", "b"])
    assert key([text, text]) == key(["ab", "".join(["a", "b"])]), "who is the same object does not matter"


def test_keys_are_the_same_in_every_process(bench):
    program = (
        "import sys, pickle; sys.path[:0] = sys.argv[1:3]\n"
        "import dontmanage_cache as dontmanage, test_keys_of_calls as test\n"
        "dontmanage.init('a.test', sys.argv[3])\n"
        "keys = [test.one.cache_key(argument) for argument in test.ARGUMENTS]\n"
        "keys += [test.all_kinds.cache_key(*args, **kwargs) for args, kwargs in test.DISTINCT_CALLS]\n"
        "letters = set('abcdefgh')\n"
        "keys += [test.one.cache_key(letters), test.one.cache_key(dict.fromkeys(letters, 1))]\n"
        "sys.stdout.buffer.write(pickle.dumps(keys))\n"
    )
    here = str(__import__("pathlib").Path(__file__).parent)
    answers = [
        pickle.loads(
            subprocess.run(
                [sys.executable, "-c", program, here, ".", bench.sites],
                check=True,
                capture_output=True,
                env={**__import__("os").environ, "PYTHONHASHSEED": seed},
            ).stdout
        )
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert len(set(answers[0])) == len(answers[0])


def test_what_cannot_be_pickled_is_refused_with_advice(bench):
    for argument in (
        lambda: 1,
        threading.Lock(),
        (x for x in ()),
        sys.modules[__name__],
        [lambda: 1],
    ):
        with pytest.raises(TypeError, match=r"`x`.*stands for"):
            one(argument)
    assert not calls


def test_a_wrong_call_is_the_functions_own_error(bench):
    for wrong in (
        lambda: slow_add(1),
        lambda: slow_add(1, 2, 3),
        lambda: slow_add(1, 2, b=3),
        lambda: slow_add(1, 2, c=3),
    ):
        with pytest.raises(TypeError, match="slow_add"):
            wrong()
    assert not calls


def test_functions_with_one_name_are_told_apart(bench):
    def make(n):
        @redis_cache
        def times(x):
            calls.append(x)
            return x * n

        return times

    assert (make(2)(10), make(3)(10)) == (20, 30)
    assert make(2)(10) == 20
    assert len(calls) == 2

    @redis_cache
    def same(x):
        return "first", x

    first = same

    @redis_cache
    def same(x):
        return "second", x

    assert first(1) == ("first", 1)
    assert same(1) == ("second", 1)
    doubled, tripled = redis_cache(lambda x: x * 2), redis_cache(lambda x: x * 3)
    assert (doubled(2), tripled(2)) == (4, 6)


def test_a_counter_that_is_closed_over_does_not_matter(bench):
    count = 0

    @redis_cache(ttl=100)
    def area(radius):
        nonlocal count
        count += 1
        return 3 * radius**2

    assert [area(2), area(2), area(radius=2)] == [12, 12, 12]
    assert count == 1
    assert area.clear_cache() == 1
    assert area(2) == 12
    assert count == 2
