"""What `redis_cache` can be put on, and that no two functions share an answer."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import enum
import functools
import gc
import threading
import weakref

import pytest
from conftest import Bench
from dontmanage_cache.caching import redis_cache
from shapes import Invoice

calls: list[object] = []


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def closing_over(value):
    @redis_cache
    def function(x):
        return x, value

    return function


# In pairs that differ, of what is no plain data.
CLOSED_OVER = [
    (decimal.Decimal("0.19"), decimal.Decimal("0.07")),
    (datetime.date(2025, 1, 1), datetime.date(2026, 1, 1)),
    ([datetime.date(2025, 1, 1)], [datetime.date(2026, 1, 1)]),
    (Colour.RED, Colour.BLUE),
    (Invoice("a", 1.0), Invoice("b", 1.0)),
    (1, True),
    ({"a": decimal.Decimal(1)}, {"a": decimal.Decimal(2)}),
    (functools.partial(int, base=2), functools.partial(int, base=3)),
]


@pytest.mark.parametrize(("a", "b"), CLOSED_OVER, ids=repr)
def test_functions_that_have_closed_over_different_values_are_told_apart(bench, a, b):
    assert [closing_over(a)(1), closing_over(b)(1)] == [(1, a), (1, b)]
    assert closing_over(a).cache_key(1) == closing_over(a).cache_key(1) != closing_over(b).cache_key(1)


def passing_on(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


LOCK = threading.Lock()


@redis_cache
def with_defaults(x, key=lambda row: row, *, lock=LOCK):
    calls.append(x)
    return key(x), lock is LOCK


def test_a_default_need_not_be_one_that_can_be_pickled(bench):
    assert with_defaults(1) == with_defaults(1, lock=LOCK) == with_defaults(x=1) == (1, True)
    assert calls == [1]
    assert with_defaults.clear_cache_for(1)
    with pytest.raises(TypeError, match=r"`key`"):
        with_defaults(1, lambda row: row)
    with pytest.raises(TypeError, match=r"`lock`"):
        with_defaults(1, lock=threading.Lock())

    def keyed_by(key):
        @redis_cache
        def function(x, key=key):
            return key(x)

        return function

    assert [keyed_by(lambda x: x + 1)(1), keyed_by(lambda x: x + 2)(1)] == [2, 3]


def test_functions_under_another_decorator_are_told_apart(bench):
    doubled, tripled = redis_cache(passing_on(lambda x: x * 2)), redis_cache(passing_on(lambda x: x * 3))
    assert (doubled(1), tripled(1)) == (2, 3)
    below = [[lambda x: x + 1], [lambda x: x + 2]]

    def summing(functions):
        return redis_cache(lambda x: sum(function(x) for function in functions))

    assert [summing(functions)(1) for functions in below] == [2, 3]
    assert [redis_cache(lambda x, way=way: [each(x) for each in way])(1) for way in ways()] == [
        [2],
        [3],
        [4],
        [5],
    ]
    doubled, tripled = redis_cache(lambda x: x * 2), redis_cache(lambda x: x * 3)
    assert [closing_over_call(function)(1) for function in (doubled, tripled)] == [2, 3]


class Unpicklable:
    def __init__(self):
        self.lock = threading.Lock()

    def twice(self, x):
        return x * 2

    def thrice(self, x):
        return x * 3


def ways():
    """In each, what can't be pickled."""
    yield [Unpicklable().twice]
    yield [Unpicklable().thrice]
    yield frozenset([lambda x: x + 3])
    yield frozenset([lambda x: x + 4])


def closing_over_call(function):
    return redis_cache(lambda x: function(x))


def test_a_call_of_a_wrapped_function_is_the_same_however_its_arguments_are_given(bench):
    @redis_cache
    @passing_on
    @passing_on
    def total(day, tax=2, *more, city="Rome", **rest):
        calls.append(day)
        return day, tax, more, city, rest

    assert total(1, 2) == total(day=1, tax=2) == total(1, tax=2) == (1, 2, (), "Rome", {})
    assert calls == [1]
    assert total(1, city="Oslo", x=1) == total(x=1, city="Oslo", day=1) == (1, 2, (), "Oslo", {"x": 1})
    assert total(1, 2, 3) == (1, 2, (3,), "Rome", {})
    assert total(1, 2, day2=3) == (1, 2, (), "Rome", {"day2": 3})
    assert calls == [1, 1, 1, 1]
    with pytest.raises(TypeError, match="day"):
        total(1, day=1)
    assert total.clear_cache_for(tax=2, day=1)


def test_a_wrapper_may_have_ways_of_its_own(bench):
    def with_first(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function("first", *args, **{"limit": 10, **kwargs})

        return wrapper

    @redis_cache
    @with_first
    def rows(what, table, page=1, limit=20):
        return what, table, page, limit

    assert rows("t") == ("first", "t", 1, 10)
    assert rows("t", limit=20) == ("first", "t", 1, 20)
    assert rows("t", 2) == ("first", "t", 2, 10)
    assert rows("t", 1) == ("first", "t", 1, 10)


class Times:
    """A decorator that is a class."""

    def __init__(self, function, factor):
        functools.update_wrapper(self, function)
        self.function = function
        self.factor = factor
        self.lock = threading.Lock()

    def __call__(self, *args, **kwargs):
        calls.append(args)
        return self.function(*args, **kwargs) * self.factor


def plus(a, b):
    return a + b


def test_objects_that_can_be_called_are_told_apart(bench):
    one, two = (redis_cache(functools.update_wrapper(functools.partial(plus, a), plus)) for a in (1, 2))
    assert (one(1), two(1)) == (2, 3)
    twice, thrice = redis_cache(Times(plus, 2)), redis_cache(Times(plus, 3))
    assert (twice(1, 1), thrice(1, 1), twice(1, b=1)) == (4, 6, 4)
    assert calls == [(1, 1), (1, 1)]
    assert redis_cache(Times(plus, 2)).cache_key(1, 1) == twice.cache_key(1, 1)


class Shop:
    def __init__(self, city):
        self.city = city

    def total(self, day):
        calls.append(day)
        return self.city, day

    async def later(self, day):
        return self.city, day

    @classmethod
    def make(cls, day):
        return cls.__name__, day

    @classmethod
    @redis_cache(ignore_self=True)
    def kind(cls, day):
        return cls.__name__, day

    @redis_cache(ignore_self=True)
    @passing_on
    def passed_on(self, day):
        calls.append(day)
        return type(self).__name__, day

    @redis_cache(ignore_self=True)
    def all_in_one(*args):
        calls.append(args[1:])
        return type(args[0]).__name__, args[1:]

    @property
    @redis_cache
    def size(self):
        calls.append("size")
        return len(self.city)


class Market(Shop):
    def total(self, day):
        return "market", super().total(day)


def test_a_method_that_is_decorated_with_its_object_knows_the_object(bench):
    rome, oslo = redis_cache(Shop("Rome").total), redis_cache(Shop("Oslo").total)
    assert (rome(1), oslo(1), rome(day=1)) == (("Rome", 1), ("Oslo", 1), ("Rome", 1))
    assert calls == [1, 1]
    assert rome.clear_cache_for(1) and not rome.clear_cache_for(1)
    shop, market = redis_cache(ttl=60)(Shop.make), redis_cache(Market.make)
    assert (shop(1), market(1)) == (("Shop", 1), ("Market", 1))
    later = [redis_cache(Shop(city).later) for city in ("Rome", "Oslo")]
    assert [asyncio.run(one(1)) for one in later] == [("Rome", 1), ("Oslo", 1)]


def test_a_class_method_is_its_classes_also_where_objects_are_left_out(bench):
    assert (Shop.kind(1), Market.kind(1)) == (("Shop", 1), ("Market", 1))


def test_an_object_is_left_out_under_another_decorator_too(bench):
    shop = Shop(threading.Lock())
    assert shop.passed_on(1) == shop.passed_on(day=1) == Shop("Rome").passed_on(1) == ("Shop", 1)
    assert Market("Rome").passed_on(1) == ("Market", 1)
    assert calls == [1, 1]
    assert shop.all_in_one(2) == Shop("Rome").all_in_one(2) == ("Shop", (2,))
    assert Market("Rome").all_in_one(2) == ("Market", (2,))
    assert calls == [1, 1, (2,), (2,)]


def test_a_property_can_be_kept(bench):
    assert (Shop("Rome").size, Shop("Rome").size, Shop("Ulm").size) == (4, 4, 3)
    assert calls == ["size", "size"]


def test_a_function_that_is_made_at_each_call_and_calls_itself_leaves_nothing_behind(bench: Bench):
    def make():
        @redis_cache
        def fibonacci(n):
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

        assert fibonacci(10) == 55
        fibonacci.mine = fibonacci
        return weakref.ref(fibonacci)

    gone = make()
    gc.collect()
    assert gone() is None


@redis_cache
@passing_on
async def awaited_below(x):
    return x


@redis_cache
@passing_on
def yielded_below(x):
    yield x


@redis_cache
@passing_on
async def both_below(x):
    yield x


@redis_cache
def locks(x):
    return [threading.Lock()]


@redis_cache
async def awaited_locks(x):
    return [threading.Lock()]


def test_an_answer_that_cannot_be_kept_names_the_function_and_the_remedy(bench, recwarn):
    for function, remedy in [
        (awaited_below, r"`test_decorated\.awaited_below`.* right above its `async def`"),
        (yielded_below, r"`test_decorated\.yielded_below`.* a list instead"),
        (both_below, r"`test_decorated\.both_below`.* a list instead"),
        (locks, r"`test_decorated\.locks`.*pickle.* plain data instead"),
    ]:
        with pytest.raises(TypeError, match=remedy) as raised:
            function(1)
        assert raised.value.__cause__ is not None
    with pytest.raises(TypeError, match=r"`test_decorated\.awaited_locks`.* plain data instead"):
        asyncio.run(awaited_locks(1))
    gc.collect()
    assert not [str(warning.message) for warning in recwarn]
