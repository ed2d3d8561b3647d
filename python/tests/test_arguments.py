"""Arguments of `redis_cache`d functions: any that can be pickled, and no two distinct ones are one."""

from __future__ import annotations

import collections
import copy
import datetime
import functools
import itertools
import operator
import os
import pathlib
import pickle
import re
import subprocess
import sys
import types
import zoneinfo

import pytest
from conftest import PATIENCE, Bench
from dontmanage_cache.caching import redis_cache
from shapes import Slotted

calls: list[object] = []


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


@redis_cache
def one(x):
    calls.append(x)
    return type(x).__name__


class Knot:
    """A tree's node, which knows what it hangs on."""

    def __init__(self, name, above=None):
        self.name = name
        self.above = above
        self.below = []
        self.tags = {name, "knot", "tree"}
        if above is not None:
            above.below.append(self)

    def method(self):
        return self.name


def tree(*names):
    root = Knot("root")
    for name in names:
        Knot(f"below {name}", Knot(name, root))
    return root


def ring(length):
    first = last = ["ring"]
    for _ in range(length - 1):
        last.append(["ring"])
        last = last[1]
    last.append(first)
    return first


def nested(depth, inmost):
    for _ in range(depth):
        inmost = [inmost]
    return inmost


def in_berlin(fold=0, month=1):
    return datetime.datetime(2026, month, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=fold)


class Text(str):
    pass


# No two of these are one argument. Each can be pickled.
PICKLABLE = [
    zoneinfo.ZoneInfo("Europe/Berlin"),
    zoneinfo.ZoneInfo("Europe/Rome"),
    in_berlin(),
    in_berlin(fold=1),
    in_berlin(month=2),
    in_berlin().astimezone(datetime.timezone.utc),
    in_berlin().astimezone(datetime.timezone(datetime.timedelta(hours=1))),
    in_berlin().astimezone(datetime.timezone(datetime.timedelta(hours=1), "CET")),
    datetime.datetime(2026, 1, 25, 2, 30),
    datetime.time(2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    type(None),
    type(NotImplemented),
    type(...),
    ...,
    dict[str, int],
    [].append,
    [1].append,
    {}.keys,
    Knot("a").method,
    Knot("b").method,
    functools.partial(int, base=2),
    functools.partial(int, base=3),
    operator.itemgetter(1),
    operator.itemgetter(2),
    iter([1]),
    iter([1, 2]),
    iter((1,)),
    re.compile("a"),
    re.compile("a", re.IGNORECASE),
    pathlib.PurePosixPath("a"),
    pathlib.PureWindowsPath("a"),
    types.SimpleNamespace(a=1),
    collections.ChainMap({1: 2}),
    ValueError("a"),
    KeyError("a"),
    Text("a"),
    Text("b"),
    "a",
    float("nan"),
    -float("nan"),
    [float("nan")],
    {1: "a"},
    {True: "a"},
    {1.0: "a"},
    {(1, "a"), 1, "a", None},
    {frozenset({1}), frozenset({2})},
    tree(),
    tree("a"),
    tree("a", "b"),
    tree("b", "a"),
    ring(1),
    ring(2),
    ring(3),
    [ring(1)],
    [ring(2), ring(1)],
    Slotted(ring(1), 2),
    nested(99, 1),
    nested(100, 1),
    nested(101, 1),
    nested(101, 2),
    nested(101, True),
    nested(300, 1),
]


def test_whatever_can_be_pickled_can_be_an_argument(bench):
    for argument in PICKLABLE:
        assert one(argument) == type(argument).__name__
    assert len(calls) == len(PICKLABLE)
    bench.enter()
    for argument in PICKLABLE:
        assert one(argument) == type(argument).__name__
    assert len(calls) == len(PICKLABLE)


def test_no_two_of_them_are_one(bench):
    keys = [one.cache_key(argument) for argument in PICKLABLE]
    for (a, key_a), (b, key_b) in itertools.combinations(zip(PICKLABLE, keys, strict=True), 2):
        assert key_a != key_b, (a, b)
    for argument, key in zip(PICKLABLE, keys, strict=True):
        assert one.cache_key([argument]) != key
        assert one.cache_key([argument, argument]) != one.cache_key([argument])


def test_a_copy_is_the_same_argument(bench):
    for argument in PICKLABLE:
        again = pickle.loads(pickle.dumps(argument))
        assert one.cache_key(again) == one.cache_key(argument), argument


def test_who_holds_whom_counts_and_who_is_whose_copy_does_not(bench):
    leaf = {"a": [1, 2], "b": "x" * 2000}
    assert one.cache_key([leaf, leaf]) == one.cache_key([leaf, copy.deepcopy(leaf)])
    trees = tree("a", "b")
    assert one.cache_key([trees, trees]) == one.cache_key([trees, copy.deepcopy(trees)])
    assert one.cache_key({"x": leaf, "y": trees}) == one.cache_key({"y": trees, "x": leaf})
    outer: list = [ring(1)]
    outer[0][1] = outer
    assert one.cache_key(outer) != one.cache_key([ring(1)]), "the ring's end is another one"


def test_where_a_ring_begins_does_not_depend_on_the_order_of_a_dict(bench):
    def pair(first):
        above, below = Knot("above"), Knot("below")
        above.below.append(below)
        below.below.append(above)
        both = {"above": above, "below": below}
        return {name: both[name] for name in sorted(both, reverse=first == "below")}

    assert list(pair("above")) != list(pair("below"))
    assert one.cache_key(pair("above")) == one.cache_key(pair("below"))


def test_what_stands_in_many_places_is_walked_once(bench):
    shared: list = ["leaf"]
    for _ in range(60):
        # As many leaves as there are grains of rice on a chessboard, if each were walked.
        shared = [shared, shared]
    other: list = ["other"]
    for _ in range(60):
        other = [other, other]
    assert one.cache_key(shared) == one.cache_key(copy.deepcopy(shared)) != one.cache_key(other)


def test_rings_within_rings_are_no_endless_walk(bench):
    def knots(name):
        all_of_them = [Knot(name) for name in (name, *"abcdefghijklmno")]
        for knot in all_of_them:
            knot.below = list(all_of_them)
        return all_of_them

    assert one.cache_key(knots("x")) == one.cache_key(knots("x")) != one.cache_key(knots("y"))


class Impatient:
    def __reduce__(self):
        raise KeyboardInterrupt


class Lazy:
    def __reduce__(self):
        raise RuntimeError("not connected")


class Endless:
    def __reduce__(self):
        return Endless, (), {"again": Endless()}


def test_an_interrupt_is_no_argument_that_cannot_be_pickled(bench):
    with pytest.raises(KeyboardInterrupt):
        one(Impatient())
    with pytest.raises(TypeError, match=r"`x`.*not connected") as raised:
        one(Lazy())
    assert isinstance(raised.value.__cause__, RuntimeError)
    with pytest.raises(TypeError, match=r"`x`"):
        one(Endless())
    assert not calls


def test_their_keys_are_the_same_in_every_process(bench: Bench):
    program = (
        "import sys, pickle; sys.path[:0] = sys.argv[1:2]\n"
        "import dontmanage_cache as dontmanage, test_arguments as test\n"
        "dontmanage.init('a.test', sys.argv[2])\n"
        "keys = [test.one.cache_key(argument) for argument in test.PICKLABLE]\n"
        "sys.stdout.buffer.write(pickle.dumps(keys))\n"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", program, str(pathlib.Path(__file__).parent), bench.sites],
            check=True,
            capture_output=True,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert len(pickle.loads(answers[0])) == len(PICKLABLE)


PROGRAM = """
import dataclasses, multiprocessing, sys

import dontmanage_cache as dontmanage
from dontmanage_cache.caching import redis_cache


@dataclasses.dataclass
class Price:
    amount: int


@redis_cache
def total(price, kind=Price):
    return price.amount


def keys(sites):
    dontmanage.init("a.test", sites)
    return [total.cache_key(Price(1)), redis_cache(lambda x: x).cache_key(total), total(Price(2))]


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(keys, sys.argv[1:]) == keys(sys.argv[1])
    print(keys(sys.argv[1])[:2])
"""


@pytest.mark.parametrize("way", [["pricing.py"], ["-m", "pricing"]], ids=" ".join)
def test_a_program_that_is_run_has_the_keys_of_its_children_and_of_who_imports_it(
    bench: Bench, tmp_path, way
):
    (tmp_path / "pricing.py").write_text(PROGRAM)

    def run(*command):
        done = subprocess.run(
            [sys.executable, *command, bench.sites],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return done.stdout

    keys = run(*way)
    if way[0] == "-m":
        assert keys == run("-c", "import pricing, sys; print(pricing.keys(sys.argv[1])[:2])")
