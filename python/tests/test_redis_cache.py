"""`redis_cache`: what a function answers, kept in Redis."""

from __future__ import annotations

import copy
import datetime
import functools
import inspect
import pickle
import threading

import pytest
from computed import calls, one, slow_add
from computed import no_calls as no_calls
from conftest import Bench, wait_for
from dontmanage_cache.caching import redis_cache
from test_cached_methods import Shop

import dontmanage_cache as dontmanage


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
    assert slow_add.__module__ == "computed"
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


def test_what_is_neither_yes_nor_no_is_told_at_decoration():
    for options in ({"shared": "x"}, {"shared": 60}, {"ignore_self": "x"}):
        with pytest.raises(TypeError, match="True or False, not"):
            redis_cache(**options)(len)
    assert redis_cache(shared=0, ignore_self=None)(len)("abc") == 3
