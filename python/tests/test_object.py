"""The object `dontmanage.cache`, and redis-py's client behind it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from unittest import mock

import pytest
import redis
from dontmanage_cache.redis_wrapper import RedisWrapper

import dontmanage_cache as dontmanage
from dontmanage_cache import commands


def test_calling_the_object_answers_itself(cache):
    assert cache() is cache
    assert cache() == cache
    cache().set_value("k", 1)
    assert cache.get_value("k") == 1


def test_it_is_always_true(cache):
    assert bool(cache) is True
    assert cache


def test_every_other_command_is_redis_pys_and_takes_keys_as_they_are(bench, cache, raw):
    key = cache.make_key("hits")
    assert cache.incrby(key, 2) == 2
    assert cache.incr(key) == 3
    assert raw.get(bench.full("hits")) == b"3"
    cache.setex(cache.make_key("x"), 60, b"raw")
    assert cache.get(cache.make_key("x")) == b"raw"
    assert cache.ttl(cache.make_key("x")) > 0
    assert cache.delete(cache.make_key("x")) == 1
    assert cache.ping() is True
    assert cache.type(key) == b"string"
    assert cache.execute_command("EXISTS", key) == 1
    cache[cache.make_key("y")] = "1"
    assert cache[cache.make_key("y")] == b"1"
    assert cache.make_key("y") in cache
    del cache[cache.make_key("y")]
    assert cache.make_key("y") not in cache


def test_a_pipeline_works_with_made_keys(bench, cache, raw):
    pipeline = cache.pipeline()
    pipeline.incrby(cache.make_key("n"), 5)
    pipeline.expire(cache.make_key("n"), 60)
    assert pipeline.execute() == [5, True]
    assert raw.get(bench.full("n")) == b"5"


def test_a_lock_works(bench, cache):
    with cache.lock(cache.make_key("lock"), timeout=10):
        assert not cache.lock(cache.make_key("lock"), timeout=10, blocking_timeout=0.01).acquire()


def test_every_name_of_redis_pys_client_is_there():
    names = {name for name in dir(redis.Redis()) if not name.startswith("_")}
    missing = {name for name in names if not hasattr(dontmanage.Cache, name)}
    assert not missing
    assert not {name for name in commands.NAMES if hasattr(commands.CoreCache, name)}, "they would hide ours"


def test_what_is_redis_pys_is_that_of_its_client(bench, cache, raw):
    """Such as the connections, for those who make a client of their own."""
    assert isinstance(cache.connection_pool, redis.ConnectionPool)
    with redis.Redis(connection_pool=cache.connection_pool) as client:
        client.set(cache.make_key("k"), "as given")
    assert raw.get(bench.full("k")) == b"as given"
    assert cache.connection_pool.connection_kwargs["path"] == raw.connection_pool.connection_kwargs["path"]


@pytest.mark.parametrize("name", ["get_value", "set_value", "incrby", "connection_pool"])
def test_a_programs_tests_can_put_another_call_in_place_of_one(bench, cache, name):
    with mock.patch.object(dontmanage.cache, name, return_value=5) as patched:
        assert getattr(dontmanage.cache(), name)("k") == 5
    patched.assert_called_once_with("k")
    cache.set_value("k", 1)
    assert cache.get_value("k") == 1
    with mock.patch.object(dontmanage.acache, "get_value", return_value=7):
        assert asyncio.run(dontmanage.acache.get_value("k")) == 7


def test_what_nobody_has_is_an_attribute_error(cache):
    with pytest.raises(AttributeError):
        _ = cache.no_such_command
    with pytest.raises(TypeError):
        iter(cache)


def test_redis_py_is_imported_at_the_first_such_use_only(bench):
    program = (
        "import sys, dontmanage_cache as dontmanage\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "cache = dontmanage.cache\n"
        "cache.set_value('k', 1); cache.get_value('k'); cache.hset('h', 'f', 1); cache.hgetall('h')\n"
        "cache.lpush('l', 1); cache.smembers('s'); cache.get_keys(''); cache.connected()\n"
        "repr(cache); dir(cache)\n"
        "assert 'redis' not in sys.modules\n"
        "cache.ping()\n"
        "assert 'redis' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, bench.sites], check=True)


def test_without_redis_py_a_command_says_what_to_install(bench):
    program = (
        "import sys, dontmanage_cache as dontmanage\n"
        "sys.modules['redis'] = None\n"
        "dontmanage.init('a.test', sys.argv[1])\n"
        "dontmanage.cache.set_value('k', 1)\n"
        "try: dontmanage.cache.pipeline()\n"
        "except AttributeError as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, bench.sites], check=True, capture_output=True, text=True
    ).stdout
    assert "`pipeline`" in said
    assert "pip install redis" in said


def test_the_wrapper_is_redis_pys_client_with_our_methods(bench, redis_server, raw):
    with RedisWrapper.from_url(redis_server.url) as wrapper:
        assert isinstance(wrapper, redis.Redis)
        wrapper.set_value("k", 1)
        assert dontmanage.cache.get_keys("k") == [bench.full("k")]
        assert wrapper.get_value("k") == 1
        assert wrapper.get(wrapper.make_key("k"))
        assert wrapper() is wrapper
        assert wrapper.exists("k") == 1
        with wrapper.lock(wrapper.make_key("lock"), timeout=10):
            pass


def test_a_wrapper_logs_in_as_redis_pys_client_does(tmp_path, own_server):
    from conftest import Bench

    server = own_server("--requirepass", "s3cret")
    bench = Bench(tmp_path / "bench", server.url, signed=False)
    bench.enter()
    provider = redis.UsernamePasswordCredentialProvider(password="s3cret")
    password = {"password": "s3cret"}
    logins = (password, {"credential_provider": provider}, {"username": "default", **password})
    for number, login in enumerate(logins):
        with RedisWrapper(unix_socket_path=str(server.socket), **login) as wrapper:
            wrapper.set_value(f"k{number}", 1)
            assert wrapper.get(wrapper.make_key(f"k{number}"))
            assert wrapper.get_value(f"k{number}") == 1


def test_a_wrapper_over_sentinels_says_how_they_are_followed():
    """Its own methods would ask a server that nobody has named."""
    from redis.sentinel import Sentinel

    sentinel = Sentinel([("127.0.0.1", 1)])
    with pytest.raises(dontmanage.CacheError, match=r"`mymaster`.*redis_cache_sentinel_enabled"):
        sentinel.master_for("mymaster", redis_class=RedisWrapper)
    assert sentinel.master_for("mymaster").connection_pool.service_name == "mymaster"


def test_two_threads_may_use_the_object_at_once(bench, cache):
    wrong = []

    def work(number: int) -> None:
        bench.enter("a.test" if number % 2 else "b.test")
        for turn in range(300):
            cache.set_value(f"k{number}", (number, turn))
            dontmanage.local.cache.clear()
            if cache.get_value(f"k{number}") != (number, turn):
                wrong.append((number, turn))
        dontmanage.destroy()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_interpreter_is_released_during_a_wait(tmp_path, own_server):
    from conftest import Bench, wait_for

    server = own_server()
    bench = Bench(tmp_path / "bench", server.url, signed=False, redis_cache_timeout=20)
    bench.enter()
    dontmanage.cache.set_value("k", 1)
    server.pause()
    got = []

    def read() -> None:
        bench.enter()
        got.append(dontmanage.cache.get_value("k"))

    thread = threading.Thread(target=read)
    thread.start()
    # This thread goes on, and lets the server go on, while the other waits.
    for _ in range(1000):
        sum(range(100))
    assert not got
    server.resume()
    wait_for("the other thread has its value", lambda: got)
    thread.join()
    assert got == [1]
