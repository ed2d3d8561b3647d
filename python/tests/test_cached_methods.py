"""`redis_cache` on methods: of which object, and of which class."""

from __future__ import annotations

import functools
import inspect
import pickle
import threading

import pytest
from computed import calls
from computed import no_calls as no_calls
from dontmanage_cache.caching import redis_cache


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
