"""`redis_cache`: what a function answers, kept in Redis."""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
import enum
import functools
import inspect
import itertools
import pickle
import subprocess
import sys
import threading
import time
import uuid

import pytest
from conftest import Bench, wait_for
from dontmanage_cache.caching import redis_cache
from shapes import Invoice, Slotted

import dontmanage_cache as dontmanage

calls: list[object] = []


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


@redis_cache
def slow_add(a, b):
    """Adds."""
    calls.append((a, b))
    return a + b


@redis_cache(ttl=60)
def one(x):
    calls.append(x)
    return repr(x)


def test_the_three_spellings_work(bench):
    @redis_cache
    def plain(a):
        calls.append(a)
        return a

    @redis_cache()
    def called(a):
        calls.append(a)
        return a

    @redis_cache(ttl=60)
    def with_ttl(a):
        calls.append(a)
        return a

    for function in (plain, called, with_ttl):
        calls.clear()
        assert function(1) == 1
        assert function(1) == 1
        bench.enter()
        assert function(1) == 1
        assert calls == [1]


def test_the_lifetime_the_user_and_shared_may_be_given_by_position(bench, raw):
    """As the framework's decorator has them: `redis_cache(ttl=3600, user=None, shared=False)`."""

    def answer():
        return 1

    key = bench.prefix
    for cached, ttl in (
        (redis_cache(60)(answer), 60),
        (redis_cache(59.5)(answer), 60),
        (redis_cache(datetime.timedelta(minutes=1))(answer), 60),
        (redis_cache(None)(answer), -1),
        (redis_cache(0)(answer), -1),
        (redis_cache(60, "ann@x.co")(answer), 60),
        (redis_cache(60, None, True)(answer), 60),
        (redis_cache(60, user=True, shared=None)(answer), 60),
    ):
        bench.enter()
        cached()
        found = cached.cache_key()
        assert raw.ttl(found) == ttl
        raw.delete(found)
    assert redis_cache(60, "ann@x.co")(answer).cache_key().startswith(f"{key}|user:ann@x.co:".encode())
    assert not redis_cache(60, None, True)(answer).cache_key().startswith(key.encode())


def test_a_lifetime_given_twice_and_a_user_that_is_none_are_refused():
    with pytest.raises(TypeError, match="`ttl` is given twice"):
        redis_cache(60, ttl=5)
    with pytest.raises(TypeError, match="`user` is a user's name, or True"):
        redis_cache(60, 5)(len)


def test_other_arguments_have_other_answers(bench):
    assert slow_add(40, 2) == 42
    assert slow_add(1, 2) == 3
    assert slow_add(40, 2) == 42
    assert calls == [(40, 2), (1, 2)]


def test_answers_live_an_hour_or_as_long_as_they_are_told(bench, raw):
    slow_add(1, 1)
    assert 3590 <= raw.ttl(slow_add.cache_key(1, 1)) <= 3600
    one(1)
    assert 50 <= raw.ttl(one.cache_key(1)) <= 60

    @redis_cache(ttl=datetime.timedelta(minutes=2))
    def two_minutes():
        return 1

    @redis_cache(ttl=None)
    def for_good():
        return 1

    two_minutes(), for_good()
    assert 110 <= raw.ttl(two_minutes.cache_key()) <= 120
    assert raw.ttl(for_good.cache_key()) == -1
    with pytest.raises(ValueError, match="lifetime"):
        redis_cache(ttl=-1)(lambda: 1)


def test_an_answer_whose_time_is_over_is_computed_anew_also_in_the_same_request(bench, raw):
    @redis_cache(ttl=1)
    def now():
        calls.append(1)
        return len(calls)

    assert now() == 1
    assert now() == 1
    key = now.cache_key()
    wait_for("its end", lambda: not raw.exists(key))
    assert now() == 2


@pytest.mark.parametrize("answer", [None, 0, "", [], False, {}], ids=repr)
def test_none_and_falsy_answers_are_hits(bench, answer):
    @redis_cache
    def function(kind):
        calls.append(1)
        return answer

    for _ in range(3):
        assert function(repr(answer)) == answer
        bench.enter()
    assert len(calls) == 1


def test_an_exception_is_not_kept(bench):
    @redis_cache
    def fails():
        calls.append(1)
        raise LookupError("no")

    for _ in range(2):
        with pytest.raises(LookupError):
            fails()
    assert len(calls) == 2


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
        "import dontmanage_cache as dontmanage, test_redis_cache as test\n"
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


class Shop:
    def __init__(self, city):
        self.city = city

    @redis_cache
    def total(self, day):
        calls.append(day)
        return self.city, day

    @redis_cache(ignore_self=True)
    def kind(self, day):
        calls.append(day)
        return type(self).__name__, day

    @staticmethod
    @redis_cache
    def helper(day):
        calls.append(day)
        return "Shop", day

    @redis_cache
    @staticmethod
    def helper_below(day):
        return "below", day

    @classmethod
    @redis_cache
    def make(cls, day):
        return cls.__name__, day


class Market(Shop):
    @redis_cache
    def total(self, day):
        return "market", day


class Stall(Shop):
    pass


def test_methods_are_told_apart_by_class_and_object(bench):
    rome, oslo = Shop("Rome"), Shop("Oslo")
    assert rome.total(1) == ("Rome", 1)
    assert oslo.total(1) == ("Oslo", 1)
    assert Shop("Rome").total(1) == ("Rome", 1)
    assert calls == [1, 1], "two objects of the same content are one"
    assert Market("Rome").total(1) == ("market", 1)
    assert Stall("Rome").total(1) == ("Rome", 1)
    assert Shop.total(oslo, 1) == ("Oslo", 1)
    assert rome.total.clear_cache() > 0


def test_a_method_with_its_object_knows_the_object(bench):
    rome, oslo = Shop("Rome"), Shop("Oslo")
    assert rome.total.cache_key(1) == Shop.total.cache_key(rome, 1) != oslo.total.cache_key(1)
    rome.total(1), rome.total(2), oslo.total(day=1)
    calls.clear()
    assert rome.total.clear_cache_for(day=1) is True
    assert rome.total.clear_cache_for(1) is False
    assert (rome.total(1), rome.total(2), oslo.total(1)) == (("Rome", 1), ("Rome", 2), ("Oslo", 1))
    assert calls == [1]
    assert oslo.total.clear_cache() == 3
    with pytest.raises(TypeError, match="total"):
        rome.total()


def test_a_method_with_its_object_is_still_what_it_was(bench):
    shop = Shop("Rome")
    assert str(inspect.signature(shop.total)) == "(day)"
    assert shop.total.__name__ == "total"
    assert shop.total.__self__ is shop
    assert shop.total.__func__ is Shop.total
    assert shop.total.__wrapped__(1) == ("Rome", 1)
    assert shop.total == shop.total != Shop("Rome").total
    assert len({shop.total, shop.total}) == 1
    assert "total" in repr(shop.total)
    assert pickle.loads(pickle.dumps(shop.total))(1) == ("Rome", 1)
    assert functools.partial(shop.total, 1)() == ("Rome", 1)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = shop.total.no_such_thing


def test_an_object_that_keeps_its_own_method_can_be_collected():
    import gc
    import weakref

    shop = Shop("Rome")
    shop.mine = shop.total
    gone = weakref.ref(shop)
    del shop
    gc.collect()
    assert gone() is None


def test_an_object_can_be_left_out_but_not_its_class(bench):
    assert Shop("Rome").kind(1) == ("Shop", 1)
    assert Shop("Oslo").kind(1) == ("Shop", 1)
    assert calls == [1]
    assert Market("Rome").kind(1) == ("Market", 1)
    unpicklable = Shop(threading.Lock())
    assert unpicklable.kind(1) == ("Shop", 1)
    with pytest.raises(TypeError, match="`self`"):
        unpicklable.total(1)


def test_static_and_class_methods_work(bench):
    assert Shop.helper(1) == Shop("Rome").helper(1) == ("Shop", 1)
    assert calls == [1]
    assert Shop.helper_below(1) == ("below", 1)
    assert Shop.make(1) == ("Shop", 1)
    assert Market.make(1) == ("Market", 1)


def test_clear_cache_forgets_this_function_in_this_site(bench):
    slow_add(1, 1), slow_add(2, 2), one(1)
    bench.enter("b.test")
    slow_add(1, 1)
    bench.enter()
    calls.clear()
    assert slow_add.clear_cache() == 2
    slow_add(1, 1), one(1)
    assert calls == [(1, 1)]
    bench.enter("b.test")
    slow_add(1, 1)
    assert calls == [(1, 1)]


def test_clear_cache_never_reaches_a_function_whose_name_begins_alike(bench):
    @redis_cache
    def price(x):
        calls.append("price")
        return x

    @redis_cache
    def price_list(x):
        calls.append("price_list")
        return x

    price(1), price_list(1)
    price.clear_cache()
    calls.clear()
    price(1), price_list(1)
    assert calls == ["price"]


def test_clear_cache_for_forgets_one_call(bench):
    slow_add(1, 1), slow_add(2, 2)
    calls.clear()
    assert slow_add.clear_cache_for(1, b=1) is True
    assert slow_add.clear_cache_for(1, 1) is False
    for wrong in (lambda: slow_add.clear_cache_for(1), lambda: Shop.make.clear_cache_for()):
        with pytest.raises(TypeError, match="takes other arguments"):
            wrong()
    slow_add(1, 1), slow_add(2, 2)
    assert calls == [(1, 1)]


def test_answers_may_be_a_users(bench, raw):
    @redis_cache(user=True)
    def mine(x):
        calls.append(dontmanage.session.user)
        return dontmanage.session.user, x

    for user in ("ann@x.co", "ann@x.com", "ann@x.co"):
        dontmanage.set_user(user)
        assert mine(1) == (user, 1)
    assert calls == ["ann@x.co", "ann@x.com"]
    assert mine.cache_key(1).startswith(bench.full("user:ann@x.co:"))
    assert mine.clear_cache() == 2, "of every user"
    assert mine(1) == ("ann@x.co", 1)
    assert len(calls) == 3

    @redis_cache(user="bob")
    def bobs():
        return 1

    bobs()
    assert raw.exists(bobs.cache_key())
    assert bobs.cache_key().startswith(bench.full("user:bob:"))
    assert bobs.clear_cache() == 1


def test_answers_may_be_shared(bench):
    @redis_cache(shared=True)
    def everywhere(x):
        calls.append(1)
        return x

    mine = bench.prefix
    everywhere(mine)
    bench.enter("b.test")
    everywhere(mine)
    assert len(calls) == 1
    everywhere.clear_cache_for(mine)
    bench.enter()
    everywhere(mine)
    assert len(calls) == 2
    assert everywhere.clear_cache() >= 1


def test_without_a_site_it_is_the_plain_function(bench):
    dontmanage.destroy()
    assert slow_add(1, 1) == slow_add(1, 1) == 2
    assert len(calls) == 2
    assert one(threading.Lock())
    dontmanage.local.something = 1
    assert slow_add(1, 1) == 2
    assert len(calls) == 4
    assert slow_add.cache_key(1, 1) is None


def test_answers_are_the_callers_own(bench):
    @redis_cache
    def roles(user):
        return ["Guest"]

    for _ in range(4):
        got = roles("x")
        assert got == ["Guest"]
        got.append("Administrator")
    bench.enter()
    for _ in range(4):
        got = roles("x")
        assert got == ["Guest"]
        got.append("Administrator")


def test_an_answer_in_the_same_request_costs_no_question(bench, redis_server):
    slow_add(1, 1)
    before = redis_server.calls("get")
    slow_add(1, 1)
    assert redis_server.calls("get") == before
    bench.enter()
    slow_add(1, 1), slow_add(1, 1)
    assert redis_server.calls("get") == before + 1


def test_the_function_is_still_what_it_was(bench):
    assert slow_add.__name__ == "slow_add"
    assert slow_add.__doc__ == "Adds."
    assert slow_add.__module__ == __name__
    assert slow_add.__wrapped__(1, 2) == 3
    assert str(inspect.signature(slow_add)) == "(a, b)"
    assert pickle.loads(pickle.dumps(slow_add)) is slow_add
    assert copy.deepcopy(slow_add) is slow_add
    assert "slow_add" in repr(slow_add)
    assert list(map(slow_add, [1, 2], [3, 4])) == [4, 6]
    assert functools.partial(slow_add, 1)(2) == 3


def test_generators_are_refused_with_advice():
    def generator():
        yield 1

    async def async_generator():
        yield 1

    for function in (generator, async_generator):
        with pytest.raises(TypeError, match="return a list"):
            redis_cache(function)
        with pytest.raises(TypeError, match="return a list"):
            redis_cache(ttl=5)(function)


@pytest.mark.parametrize("thing", ["text", functools.partial(print), object()], ids=repr)
def test_what_is_no_function_is_refused(thing):
    with pytest.raises(TypeError, match="decorates functions"):
        redis_cache(thing)
    with pytest.raises(TypeError, match="decorates functions"):
        redis_cache(ttl=60)(5)


def test_an_answer_that_cannot_be_pickled_raises(bench):
    @redis_cache
    def lock():
        return threading.Lock()

    with pytest.raises(TypeError, match="pickle"):
        lock()
    with pytest.raises(TypeError, match="pickle"):
        lock()


def test_functions_that_are_built_in_can_be_cached(bench):
    cached = redis_cache(len)
    assert cached([1, 2]) == 2
    with pytest.raises(TypeError):
        cached(5)


def in_threads(bench, number, work):
    barrier = threading.Barrier(number)
    answers = []

    def run():
        bench.enter()
        barrier.wait()
        try:
            answers.append(work())
        except Exception as error:
            answers.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_one_caller_computes_and_the_others_wait_for_it(bench):
    @redis_cache
    def slow(x):
        calls.append(x)
        time.sleep(0.2)
        return x

    assert in_threads(bench, 8, lambda: slow(1)) == [1] * 8
    assert calls == [1]


PROGRAM = """
import os, sys, time
sys.path.insert(0, ".")
import dontmanage_cache as dontmanage
from dontmanage_cache.caching import redis_cache
dontmanage.init("a.test", sys.argv[1])
@redis_cache
def slow(x):
    dontmanage.cache.lpush("computed", x)
    # Not longer than the test.
    while not dontmanage.cache.exists("go on") and os.getppid() == parent:
        time.sleep(0.01)
    return x
parent = os.getppid()
print("ready", flush=True)
sys.stdin.readline()
print(slow(1), flush=True)
"""


def start(bench):
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, bench.sites], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    return child


def go(child):
    child.stdin.write("\n")
    child.stdin.flush()


def test_one_process_computes_and_the_others_wait_for_it(bench, cache, raw):
    children = [start(bench) for _ in range(3)]
    for child in children:
        go(child)
    wait_for("one computes", lambda: cache.llen("computed") >= 1)
    # The others are waiting: they look for the value, again and again.
    before = int(raw.info("commandstats")["cmdstat_get"]["calls"])
    wait_for("the others wait", lambda: int(raw.info("commandstats")["cmdstat_get"]["calls"]) > before + 4)
    cache.set_value("go on", 1)
    for child in children:
        with child:
            assert child.stdout.read() == "1\n"
    assert cache.llen("computed") == 1


def test_a_dead_leader_does_not_hang_the_rest(bench, cache):
    leader, follower = start(bench), start(bench)
    go(leader)
    wait_for("the leader computes", lambda: cache.llen("computed") == 1)
    go(follower)
    leader.kill()
    leader.communicate()
    wait_for("the follower takes over", lambda: cache.llen("computed") == 2)
    cache.set_value("go on", 1)
    with follower:
        assert follower.stdout.read() == "1\n"


def test_a_leader_that_takes_long_keeps_its_place(bench, cache, raw):
    leader = start(bench)
    go(leader)
    wait_for("the leader computes", lambda: cache.llen("computed") == 1)
    [lock] = [key for key in raw.keys(bench.full("*")) if key.endswith(b":lock")]
    first = raw.pttl(lock)
    assert 0 < first <= 3000
    wait_for("the lock is renewed", lambda: raw.pttl(lock) > first)
    cache.set_value("go on", 1)
    with leader:
        assert leader.stdout.read() == "1\n"
    assert not raw.exists(lock)


def test_a_failing_leader_lets_the_next_one_try(bench, raw):
    @redis_cache
    def fails():
        calls.append(1)
        time.sleep(0.05)
        raise LookupError("no")

    answers = in_threads(bench, 4, fails)
    assert [type(answer) for answer in answers] == [LookupError] * 4
    assert len(calls) == 4
    assert not raw.keys(bench.full("*:lock"))


def test_waiting_has_an_end(bench, raw):
    @redis_cache(lock=0.1)
    def impatient():
        calls.append(1)
        return 1

    raw.set(impatient.cache_key() + b":lock", "somebody else's")
    start = time.monotonic()
    assert impatient() == 1
    assert time.monotonic() - start < 10
    assert calls == [1]


def test_without_lock_each_caller_computes(bench, raw):
    @redis_cache(lock=False)
    def alone():
        calls.append(1)
        return 1

    raw.set(alone.cache_key() + b":lock", "somebody else's")
    assert alone() == 1
    assert alone() == 1
    assert calls == [1]


def test_a_function_that_calls_itself_does_not_wait_for_itself(bench):
    @redis_cache
    def again(x):
        calls.append(x)
        return again(x) if len(calls) < 3 else x

    assert again(1) == 1
    assert len(calls) == 3

    @redis_cache
    def factorial(n):
        return 1 if n <= 1 else n * factorial(n - 1)

    assert factorial(20) == 2432902008176640000


def test_two_that_wait_for_each_other_both_go_on(bench):
    both = threading.Barrier(2)

    @redis_cache
    def left(deep=0):
        if deep == 0 and threading.current_thread().name == "left":
            both.wait()
            right()
        return "left"

    @redis_cache
    def right(deep=0):
        if deep == 0 and threading.current_thread().name == "right":
            both.wait()
            left()
        return "right"

    def run(function):
        bench.enter()
        answers.append(function())

    answers = []
    threads = [threading.Thread(target=run, args=(f,), name=f.__name__) for f in (left, right)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == ["left", "right"]


def test_what_is_cleared_while_it_is_computed_is_not_kept(bench, raw):
    @redis_cache
    def report(x):
        calls.append(x)
        if len(calls) == 1:
            # The data changes, and whoever changes it clears the cache.
            (report.clear_cache if x == "all" else lambda: report.clear_cache_for(x))()
        return len(calls)

    for x in ("all", "one"):
        calls.clear()
        assert report(x) == 1
        assert report(x) == 2, "the first answer may be of before the change"
        assert report(x) == 2


def test_an_old_answer_is_served_while_one_caller_computes(bench, raw):
    @redis_cache(ttl=1, stale=1000)
    def report():
        calls.append(1)
        if len(calls) == 2:
            computing.set()
            assert proceed.wait(30)
        return len(calls)

    computing, proceed = threading.Event(), threading.Event()
    assert report() == 1
    key = report.cache_key()
    assert 900 < raw.ttl(key) <= 1001
    bench.enter()
    assert report() == 1
    wait_for("the answer is old", lambda: raw.pttl(key) <= 1_000_000)
    answers = []

    def refresh():
        bench.enter()
        answers.append(report())

    thread = threading.Thread(target=refresh)
    thread.start()
    assert computing.wait(30)
    bench.enter()
    assert report() == 1, "served at once, though old"
    assert report() == 1
    proceed.set()
    thread.join()
    assert answers == [2]
    bench.enter()
    assert report() == 2
    with pytest.raises(ValueError, match="stale"):
        redis_cache(ttl=None, stale=5)(lambda: 1)


def test_without_redis_the_function_runs(tmp_path, own_server):
    server = own_server()
    bench = Bench(tmp_path / "bench", server.url, signed=True, redis_cache_timeout=0.2)
    bench.enter()
    assert slow_add(1, 1) == 2
    server.kill()
    bench.enter()
    assert slow_add(1, 1) == 2
    assert slow_add(1, 1) == 2
    assert len(calls) == 2, "once for each request at most"
    assert slow_add.clear_cache() == 0
    assert slow_add.clear_cache_for(1, 1) is False


def test_an_interrupt_ends_a_wait_for_another_caller(bench, cache, raw):
    program = PROGRAM.replace(
        "print(slow(1), flush=True)",
        "try: slow(1)\nexcept KeyboardInterrupt: print('interrupted', flush=True)",
    )
    assert "interrupted" in program
    leader = start(bench)
    go(leader)
    wait_for("the leader computes", lambda: cache.llen("computed") == 1)
    follower = subprocess.Popen(
        [sys.executable, "-c", program, bench.sites], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with follower, leader:
        assert follower.stdout.readline() == "ready\n"
        go(follower)
        before = int(raw.info("commandstats")["cmdstat_get"]["calls"])
        wait_for("it waits", lambda: int(raw.info("commandstats")["cmdstat_get"]["calls"]) > before + 3)
        follower.send_signal(2)
        assert follower.stdout.readline() == "interrupted\n"
        cache.set_value("go on", 1)


def test_what_is_neither_yes_nor_no_is_told_at_decoration():
    for options in ({"shared": "x"}, {"shared": 60}, {"ignore_self": "x"}):
        with pytest.raises(TypeError, match="True or False, not"):
            redis_cache(**options)(len)
    assert redis_cache(shared=0, ignore_self=None)(len)("abc") == 3
