"""A program as its author would type it: `mypy` reads it, see `test_types.py`. It is never run.

What must be refused bears a `type: ignore`, which is an error in itself where nothing is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import redis
from dontmanage.utils.caching import redis_cache, request_cache, site_cache
from dontmanage.utils.redis_wrapper import RedisWrapper
from typing_extensions import assert_type

import dontmanage
from dontmanage_cache import Cache, CacheError, Local, LocalCopy, NoSiteError, SiteNotFoundError

cache = dontmanage.cache
assert_type(cache, Cache)
assert_type(cache(), Cache)
assert_type(dontmanage.local, Local)
cache("site")  # type: ignore[arg-type]


def reading() -> None:
    # A miss is None, and must be thought of.
    assert_type(cache.get_value("k"), Any | None)
    cache.get_value("k").upper()  # type: ignore[union-attr]
    if (found := cache.get_value("k")) is not None:
        found.upper()
    assert_type(cache.get_value(5), Any | None)
    assert_type(cache.get_value(b"k", user=True), Any | None)
    assert_type(cache.get_value("k", None, "ann@example.com", True, False), Any | None)
    assert_type(cache.get_value("k", use_local_cache=False), Any | None)

    # A default is what a miss gives.
    assert_type(cache.get_value("k", default=0), Any | int)
    assert_type(cache.get_value("k", default=None), Any | None)

    # A generator's answer is the value.
    def total() -> int:
        return 42

    assert_type(cache.get_value("k", total), int)
    assert_type(cache.get_value("k", generator=total, expires_in_sec=timedelta(hours=1)), int)
    assert_type(cache.get_value("k", lambda: [1]), list[int])
    assert_type(cache.hget("h", "f", total), int)
    cache.get_value("k", 42)  # type: ignore[call-overload]
    cache.get_value("k", lambda key: key)  # type: ignore[misc, arg-type]

    assert_type(cache.hget("h", "f"), Any | None)
    assert_type(cache.hget("h", None, default=""), Any | str)
    assert_type(cache.hgetall("h"), dict[str, Any])
    assert_type(cache.hkeys("h"), list[bytes])
    assert_type(cache.hexists("h", "f"), bool)
    assert_type(cache.get_values(["a", "b"]), dict[str, Any])
    assert_type(cache.get_values((1, 2)), dict[int, Any])
    assert_type(cache.get_all("a"), dict[str, Any])
    assert_type(cache.get_keys("a"), list[bytes])
    assert_type(cache.exists("a", "b", user="u"), int)
    assert_type(cache.connected(), bool)
    cache.get_value(None)  # type: ignore[call-overload]
    cache.get_value()  # type: ignore[call-overload]
    cache.get_value("k", ttl=5)  # type: ignore[call-overload]


def writing() -> None:
    cache.set_value("k", {"a": 1}, expires_in_sec=60)
    cache.set_value("k", None, user="u", expires_in_sec=timedelta(1), shared=False, cache_locally=False)
    cache.set_values({"a": 1, "b": [2]}, expires_in_sec=1.5)
    cache.set_value("k", 1, expires_in_sec="60")  # type: ignore[arg-type]
    cache.set_value("k")  # type: ignore[call-arg]
    cache.hset("h", "f", object())
    cache.delete_value("k")
    cache.delete_value(["a", "b"], "u", True, False)
    cache.delete_value({"a", 5})
    cache.delete_value(None)
    assert_type(cache.delete_values(key for key in ("a", "b")), int)
    assert_type(cache.delete_keys("a"), int)
    assert_type(cache.expire_key("k", 60), bool | None)
    assert_type(cache.hdel("h", ["a"], pipeline=cache.pipeline()), int)
    assert_type(cache.hdel_names(("a", "b"), "f"), int)


def keys(shared: bool) -> None:
    assert_type(cache.make_key("k"), bytes)
    assert_type(cache.make_key("k", user=True), bytes)
    assert_type(cache.make_key("k", shared=True), str)
    assert_type(cache.make_key("k", None, True), str)
    assert_type(cache.make_key(5, shared=shared), bytes | int)


def lists_and_sets() -> None:
    assert_type(cache.lpush("l", 1, "a", b"b", 1.5), int | None)
    assert_type(cache.lpop("l"), bytes | None)
    assert_type(cache.rpop("l", 2), list[bytes])
    assert_type(cache.lrange("l", 0, -1), list[bytes])
    assert_type(cache.ltrim("l", 0, 1), bool)
    assert_type(cache.spop("s"), bytes | None)
    assert_type(cache.srandmember("s", 2), list[bytes])
    assert_type(cache.smembers("s"), set[bytes])
    assert_type(cache.sismember("s", "a"), bool)
    cache.lpush("l", None)  # type: ignore[arg-type]
    cache.sadd("s", ("a", "b"))  # type: ignore[arg-type]


def commands_of_redis_py() -> None:
    cache.incrby(cache.make_key("hits"), 1)
    with cache.pipeline() as pipeline:
        pipeline.incr(cache.make_key("hits"))
    with cache.lock("name", timeout=5):
        pass
    cache.get_vlaue("k")  # type: ignore[attr-defined]
    wrapper = RedisWrapper.from_url("redis://127.0.0.1:13000")
    assert_type(wrapper, RedisWrapper)
    client: redis.Redis = RedisWrapper()
    assert_type(RedisWrapper().get_value("k", default=1), Any | int)
    del wrapper, client


@redis_cache
def slow_add(a: int, b: int = 2) -> int:
    return a + b


@redis_cache()
def names(prefix: str, /, *more: int, deep: bool = False) -> list[str]:
    return [prefix]


@redis_cache(ttl=60, user=True, stale=timedelta(minutes=5), lock=2.5)
def roles(user: str) -> set[str]:
    return {user}


@redis_cache(60, True)
def by_position(day: int) -> str:
    return str(day)


@redis_cache(shared=True)
async def fetch(url: str) -> bytes:
    return url.encode()


def decorated_functions_keep_their_signatures() -> None:
    assert_type(slow_add(40, b=2), int)
    slow_add("40", 2)  # type: ignore[arg-type]
    slow_add()  # type: ignore[call-arg]
    slow_add(1, 2, c=3)  # type: ignore[call-arg]
    assert_type(names("a", 1, 2, deep=True), list[str])
    names(prefix="a")  # type: ignore[call-arg]
    assert_type(roles("ann@example.com"), set[str])
    assert_type(by_position(day=1), str)
    by_position("1")  # type: ignore[arg-type]
    assert_type(slow_add.clear_cache(), int)
    assert_type(slow_add.clear_cache_for(40, b=2), bool)
    slow_add.clear_cache_for("40")  # type: ignore[arg-type]
    assert_type(slow_add.cache_key(40), bytes | None)
    assert_type(slow_add.__name__, str)
    function: Callable[[int, int], int] = slow_add
    del function
    assert_type(slow_add.__wrapped__(1, 2), int)
    redis_cache(ttl="60")  # type: ignore[call-overload]
    redis_cache("text")  # type: ignore[call-overload]


async def coroutine_functions_do_too() -> None:
    assert_type(await fetch("https://example.com"), bytes)
    assert_type(await fetch.aclear_cache(), int)
    assert_type(await fetch.aclear_cache_for("https://example.com"), bool)
    assert_type(await slow_add.aclear_cache_for(40, b=2), bool)
    await fetch(5)  # type: ignore[arg-type]


async def awaiting() -> None:
    acache = dontmanage.acache
    assert_type(await acache.get_value("k"), Any | None)
    assert_type(await acache.get_value("k", default=0), Any | int)

    async def total() -> int:
        return 42

    def plain() -> str:
        return "42"

    assert_type(await acache.get_value("k", total, expires_in_sec=60), int)
    assert_type(await acache.get_value("k", plain), str)
    assert_type(await acache.hget("h", "f", total), int)
    assert_type(await acache.get_values(["a", "b"]), dict[str, Any])
    assert_type(await acache.delete_keys("price"), int)
    assert_type(await acache.lpop("l"), bytes | None)
    assert_type(await acache.lpop("l", 2), list[bytes])
    assert_type(await acache.smembers("s"), set[bytes])
    assert_type(await acache.connected(), bool)
    assert_type(acache.make_key("k"), bytes)
    await acache.get_value(None)  # type: ignore[call-overload]


class Shop:
    @redis_cache
    def total(self, day: int) -> float:
        return float(day)

    @redis_cache(ttl=60, ignore_self=True)
    def kind(self) -> str:
        return "shop"

    @staticmethod
    @redis_cache
    def helper(day: int) -> int:
        return day

    @classmethod
    @redis_cache
    def make(cls, city: str) -> dict[str, str]:
        return {"city": city}

    @request_cache
    def open(self, day: int) -> bool:
        return day > 0

    @site_cache
    def address(self, street: str) -> bytes:
        return street.encode()

    def on_update(self) -> None:
        assert_type(self.total(1), float)
        assert_type(self.total.clear_cache_for(1), bool)
        self.total.clear_cache_for(self, 1)  # type: ignore[call-arg, arg-type]


def methods_do_too() -> None:
    shop = Shop()
    assert_type(shop.total(1), float)
    assert_type(shop.total(day=1), float)
    shop.total("1")  # type: ignore[arg-type]
    shop.total(shop, 1)  # type: ignore[call-arg, arg-type]
    assert_type(Shop.total(shop, 1), float)
    assert_type(Shop.total.clear_cache(), int)
    assert_type(shop.kind(), str)
    assert_type(Shop.helper(1), int)
    assert_type(Shop.make("Rome"), dict[str, str])
    assert_type(shop.make("Rome"), dict[str, str])
    assert_type(shop.open(1), bool)
    assert_type(shop.address("x"), bytes)
    shop.address(5)  # type: ignore[arg-type]


@request_cache
def settings(name: str) -> dict[str, int]:
    return {name: 1}


@site_cache
def languages() -> list[str]:
    return ["de", "en"]


@site_cache(60, 10)
def street(number: int) -> str:
    return str(number)


@site_cache(ttl=timedelta(minutes=1), maxsize=10)
def country(code: str) -> str:
    return code


def caches_of_the_process() -> None:
    assert_type(settings("a"), dict[str, int])
    settings(5)  # type: ignore[arg-type]
    assert_type(languages(), list[str])
    languages.clear_cache()
    assert_type(country("de"), str)
    assert_type(street(5), str)
    street("5")  # type: ignore[arg-type]
    country(5)  # type: ignore[arg-type]
    country.clear_cache()


def sites() -> None:
    dontmanage.init("site1.local", "sites")
    dontmanage.connect()
    dontmanage.set_user("Administrator")
    dontmanage.clear_cache(user="ann@example.com")
    dontmanage.clear_cache(doctype="User")
    dontmanage.init()  # type: ignore[call-arg]
    copy: LocalCopy = dontmanage.local.cache
    dontmanage.local.cache = {}
    dontmanage.local.anything = copy
    assert_type(dontmanage.conf.db_name, Any)
    assert_type(dontmanage.session.user, Any)
    try:
        dontmanage.destroy()
    except (NoSiteError, SiteNotFoundError) as error:
        parent: CacheError = error
        del parent
