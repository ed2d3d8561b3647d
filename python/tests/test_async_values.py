"""`dontmanage.acache`: the cache for tasks of an event loop."""

from __future__ import annotations

import asyncio
import datetime
import doctest
import inspect
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvloop
from conftest import Bench

import dontmanage
from dontmanage import acache


@pytest.fixture(autouse=True)
def entered(bench: Bench) -> Bench:
    return bench


def at_once(call: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine answers that never leaves its task; there is no loop that it could wait in."""
    with pytest.raises(StopIteration) as done:
        call.send(None)
    return done.value.value


def fresh_request() -> None:
    dontmanage.local.cache.clear()


def test_it_has_every_method_of_the_cache_with_the_same_arguments():
    for name, method in vars(dontmanage.cache.__class__.__mro__[1]).items():
        if name.startswith("_") or not inspect.isroutine(method):
            continue
        twin = getattr(acache, name)
        assert inspect.iscoroutinefunction(twin) == (name not in ("make_key", "stats", "reset_stats")), name
        wanted = list(inspect.signature(getattr(dontmanage.cache, name)).parameters)
        # A pipeline of redis-py is not awaited.
        wanted = [word for word in wanted if word != "pipeline"]
        assert list(inspect.signature(twin).parameters) == wanted, name


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_what_one_writes_the_other_reads(bench, cache, run):
    value = {"a": [1, 2.5, None], "b": (b"x", datetime.date(2024, 1, 2)), "c": {3}}

    async def write() -> None:
        await acache.set_value("k", value)
        await acache.set_value("k", "ann's", user="ann")
        await acache.set_value("k", "all", shared=True)
        await acache.hset("h", "f", value)
        await acache.set_values({"x": 1, "y": [2]}, expires_in_sec=60)
        assert await acache.get_value("k") == value

    run(write())
    bench.enter()
    assert cache.get_value("k") == value
    assert cache.get_value("k", user="ann") == "ann's"
    assert cache.get_value("k", shared=True) == "all"
    assert cache.hgetall("h") == {"f": value}
    assert cache.get_values(["x", "y"]) == {"x": 1, "y": [2]}
    bench.enter()

    async def read() -> None:
        assert await acache.get_value("k") == value
        assert await acache.get_value("k", user="ann") == "ann's"
        assert await acache.get_value("k", shared=True) == "all"
        assert await acache.hget("h", "f") == value
        assert await acache.hgetall("h") == {"f": value}
        assert await acache.hexists("h", "f") is True
        assert await acache.hexists("h", "g") is False
        assert await acache.hkeys("h") == [b"f"]
        assert await acache.get_values(["x", "missing", "y"]) == {"x": 1, "y": [2]}
        assert await acache.exists("k", "x", "missing") == 2
        assert await acache.get_keys("k") == [cache.make_key("k")]
        assert await acache.get_all("x") == {"x": 1}
        assert await acache.connected() is True

    run(read())
    cache.delete_value("k", shared=True)


def test_what_is_removed_is_gone_here_and_there(bench, cache, raw):
    async def main() -> None:
        await acache.set_values({name: name for name in ("a", "b", "c", "p1", "p2")})
        await acache.hset("h", "f", 1)
        await acache.hset("h2", "f", 1)
        await acache.hset("h2", "g", 1)
        assert await acache.delete_value("a") is None
        assert await acache.delete_key(cache.make_key("b"), make_keys=False) is None
        assert await acache.delete_values(["c", "missing"]) == 1
        assert await acache.delete_keys("p") == 2
        assert await acache.hdel("h", ["f", "g"]) == 1
        assert await acache.hdel_names(["h", "h2"], "f") == 1
        assert await acache.hdel_keys("h", "g") == 1
        for name in ("a", "b", "c", "p1", "p2"):
            assert await acache.get_value(name) is None
        assert await acache.hget("h", "f") is None

    asyncio.run(main())
    assert raw.keys(f"{bench.prefix}|*") == []


def test_lists_and_sets(cache):
    async def main() -> None:
        assert await acache.rpush("l", 1, "two", b"three") == 3
        assert await acache.lpush("l", 0) == 4
        assert await acache.llen("l") == 4
        assert await acache.lrange("l", 0, -1) == [b"0", b"1", b"two", b"three"]
        assert await acache.lpop("l") == b"0"
        assert await acache.rpop("l", 2) == [b"three", b"two"]
        assert await acache.ltrim("l", 1, 0) is True
        assert await acache.lpop("l") is None
        assert await acache.lpop("l", 3) == []
        assert await acache.lpush("l") is None
        assert await acache.sadd("s", "a", "b", user="ann") == 2
        assert await acache.sismember("s", "a", user="ann") is True
        assert await acache.sismember("s", "a") is False
        assert await acache.srem("s", "a", user="ann") == 1
        assert await acache.smembers("s", user="ann") == {b"b"}
        assert await acache.srandmember("s", -3, user="ann") == [b"b"] * 3
        assert await acache.spop("s", user="ann") == b"b"
        assert await acache.spop("s", user="ann") is None
        assert await acache.smembers("s") == set()
        with pytest.raises(TypeError, match="raw"):
            await acache.sadd("s", object())

    asyncio.run(main())


def test_lifetimes(bench, raw):
    async def main() -> None:
        await acache.set_value("k", 1, expires_in_sec=datetime.timedelta(minutes=1))
        assert 50 < raw.ttl(bench.full("k")) <= 60
        assert await acache.expire_key("k", 600) is True
        assert 590 < raw.ttl(bench.full("k")) <= 600
        assert await acache.expire_key("k", None) is True
        assert raw.ttl(bench.full("k")) == -1
        assert await acache.expire_key("missing", 60) is False
        assert await acache.get_value("g", lambda: 1, expires_in_sec=60) == 1
        assert 50 < raw.ttl(bench.full("g")) <= 60
        called = []
        for call in (
            acache.set_value("n", 1, expires_in_sec=-1),
            acache.get_value("n", lambda: called.append(1), expires_in_sec=-1),
        ):
            with pytest.raises(ValueError, match="negative"):
                await call
        assert not called
        assert await acache.exists("n") == 0

    asyncio.run(main())


def test_a_miss_calls_the_generator_which_may_be_a_coroutine_function(bench):
    calls = []

    async def coroutine() -> list[int]:
        calls.append("coroutine")
        await asyncio.sleep(0)
        return [1]

    def plain() -> list[int]:
        calls.append("plain")
        return [2]

    async def nothing() -> None:
        calls.append("nothing")

    async def main() -> None:
        for _ in range(2):
            assert await acache.get_value("a", coroutine) == [1]
            assert await acache.get_value("b", plain) == [2]
            assert await acache.hget("h", "a", coroutine) == [1]
            assert await acache.hget("h", "b", plain) == [2]
            assert await acache.get_value("n", nothing) is None
            fresh_request()

    asyncio.run(main())
    # None says that there is nothing to keep.
    assert sorted(calls) == ["coroutine"] * 2 + ["nothing"] * 2 + ["plain"] * 2


def test_a_generator_may_ask_the_cache_itself_also_for_the_same_key():
    async def inner() -> int:
        await acache.set_value("other", 1)
        return await acache.get_value("other") + (await acache.get_value("k", default=1))

    async def main() -> None:
        answers = await asyncio.gather(*(acache.get_value("k", inner) for _ in range(50)))
        assert set(answers) <= {2, 3}

    asyncio.run(main())


def test_what_is_no_generator_is_refused_on_a_miss():
    async def main() -> None:
        with pytest.raises(TypeError, match="default="):
            await acache.get_value("k", 5)  # type: ignore[call-overload]

    asyncio.run(main())


def test_a_generators_exception_goes_to_its_caller_and_nothing_is_kept(raw, bench):
    async def fail() -> None:
        raise LookupError("no")

    async def main() -> None:
        with pytest.raises(LookupError):
            await acache.get_value("k", fail)
        with pytest.raises(LookupError):
            await acache.hget("h", "k", fail)
        with pytest.raises((TypeError, AttributeError)):
            await acache.set_value("k", lambda: 1)

    asyncio.run(main())
    assert raw.keys(f"{bench.prefix}|*") == []


def test_defaults_tell_a_miss_from_none():
    async def main() -> None:
        await acache.set_value("none", None)
        await acache.hset("h", "none", None)
        fresh_request()
        assert await acache.get_value("none", default=1) is None
        assert await acache.get_value("missing", default=1) == 1
        assert await acache.hget("h", "none", default=1) is None
        assert await acache.hget("h", "missing", default=1) == 1
        assert await acache.hget("h", None, default=1) == 1

    asyncio.run(main())


def test_what_the_request_knows_is_answered_without_leaving_the_task(cache, redis_server):
    cache.set_value("k", [1])
    cache.hset("h", "f", {"a": 1})
    before = redis_server.raw.info("stats")["total_commands_processed"]
    first = at_once(acache.get_value("k"))
    first.append(2)
    assert at_once(acache.get_value("k")) == [1], "nobody changes another's"
    assert at_once(acache.hget("h", "f")) == {"a": 1}
    assert at_once(acache.get_values(["k"])) == {"k": [1]}
    assert at_once(acache.delete_value([])) is None
    assert at_once(acache.hset("h", None, 1)) is None
    # One of them asked how many there were before.
    assert redis_server.raw.info("stats")["total_commands_processed"] == before + 1


def test_without_a_site_it_says_so():
    dontmanage.destroy()
    with pytest.raises(dontmanage.NoSiteError, match=r"dontmanage.init\(site\)"):
        at_once(acache.get_value("k"))


def test_without_a_loop_it_says_so():
    with pytest.raises(RuntimeError, match="no running event loop"):
        acache.get_value("k").send(None)


def test_each_of_many_gets_its_own_answer(cache, redis_server):
    numbers = range(2000)

    async def main() -> None:
        await asyncio.gather(*(acache.set_value(number, [number]) for number in numbers))
        fresh_request()
        answers = await asyncio.gather(*(acache.get_value(number) for number in numbers))
        assert answers == [[number] for number in numbers]
        mixed = []
        for number in numbers:
            mixed += [
                acache.get_value(number, use_local_cache=False),
                acache.hset("h", number, number),
                acache.get_value(f"missing{number}"),
                acache.rpush(f"l{number % 7}", number),
                acache.exists(number),
            ]
        answers = await asyncio.gather(*mixed)
        assert answers[0::5] == [[number] for number in numbers]
        assert answers[2::5] == [None] * len(numbers)
        assert answers[4::5] == [1] * len(numbers)

    asyncio.run(main())
    assert cache.hgetall("h") == {str(number): number for number in numbers}
    assert sum(cache.llen(f"l{rest}") for rest in range(7)) == len(numbers)


def test_tasks_that_ask_at_the_same_time_share_round_trips(cache, redis_server):
    cache.set_values({number: number for number in range(500)})

    async def main() -> None:
        before = redis_server.raw.info("stats")["total_reads_processed"]
        fresh_request()
        await asyncio.gather(*(acache.get_value(number) for number in range(500)))
        reads = redis_server.raw.info("stats")["total_reads_processed"] - before
        assert reads < 100, f"500 calls in {reads} reads"

    asyncio.run(main())


def test_each_task_has_the_request_that_it_entered(bench):
    async def of(site: str) -> object:
        bench.enter(site)
        await acache.set_value("k", site)
        await asyncio.sleep(0)
        assert await acache.get_value("k") == site
        assert len(dontmanage.local.cache) == 1
        return await acache.get_value("k", use_local_cache=False)

    async def main() -> None:
        tasks = [asyncio.create_task(of(site)) for site in ("a.test", "b.test") * 20]
        assert await asyncio.gather(*tasks) == ["a.test", "b.test"] * 20

    asyncio.run(main())


def test_an_old_value_that_comes_late_does_not_stay_in_the_requests_copy(cache, own_server, tmp_path):
    """A read is under way when the same request writes."""
    server = own_server()
    bench = Bench(tmp_path / "other", server.url, signed=True)
    bench.enter()

    async def main() -> None:
        for number in range(100):
            cache.set_value("k", "old", cache_locally=False)
            read = asyncio.create_task(acache.get_value("k"))
            # Its question is handed over when this turn of the loop ends.
            for _ in range(number % 5):
                await asyncio.sleep(0)
            cache.set_value("k", number)
            assert await read in ("old", number)
            assert await acache.get_value("k") == number

            cache.set_value("k", "old", cache_locally=False)
            read = asyncio.create_task(acache.get_value("k"))
            write = asyncio.create_task(acache.set_value("k", number))
            both = asyncio.create_task(acache.set_values({"k": -number}))
            gone = asyncio.create_task(acache.delete_value("k"))
            await asyncio.gather(read, write, both, gone)
            local = await acache.get_value("k")
            fresh_request()
            assert await acache.get_value("k") == local, "the request knows what the server has"

    asyncio.run(main())


def test_what_the_readme_shows_is_true(bench, monkeypatch):
    (bench.sites / "a.test").rename(bench.sites / "site1.local")
    monkeypatch.chdir(bench.folder)
    readme = Path(__file__).parent.parent / "dontmanage_cache" / "README.md"
    text = readme.read_text().partition("## On an event loop")[2].partition("\n## ")[0]
    app = ModuleType("an_app.api")
    examples = doctest.DocTestParser().get_doctest(text, vars(app), readme.name, str(readme), 0)
    said: list[str] = []
    failures, tried = doctest.DocTestRunner().run(examples, out=said.append)
    assert tried > 8
    assert not failures, "".join(said)


def test_importing_the_library_imports_no_event_loop():
    program = (
        "import sys, dontmanage, dontmanage.utils.caching\n"
        "assert 'asyncio' not in sys.modules and 'dontmanage_cache.awaitable' not in sys.modules\n"
        "dontmanage.acache\n"
        "assert 'asyncio' not in sys.modules\n"
        "from dontmanage import acache\n"
        "assert acache is dontmanage.acache and acache() is acache\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_what_is_wrong_for_the_cache_is_wrong_here():
    for call, error in (
        (lambda: acache.hget("h", "f", 42), (TypeError, "default=")),
        (lambda: acache.hset("h", "f", 1, mapping={"a": 1}), (TypeError, "`hset` sets one field")),
        (lambda: acache.set_values([("a", 1)]), (TypeError, "a dict of keys and values, not list")),
        (lambda: acache.lpop("l", -1), (ValueError, "`count`")),
        (lambda: acache.rpop("l", -1), (ValueError, "`count`")),
        (lambda: acache.spop("s", -1), (ValueError, "`count`")),
    ):
        with pytest.raises(error[0], match=error[1]):
            asyncio.run(call())


def test_names_that_are_no_text_are_answered_as_the_cache_answers_them(cache):
    cache.hset("h", b"caf\xe9", 1)
    cache.set_values({b"p\xe9": 1, b"p\xe8": 2})
    assert asyncio.run(acache.hgetall("h")) == {"caf\udce9": 1}
    assert asyncio.run(acache.hget("h", "caf\udce9")) == 1
    assert sorted(asyncio.run(acache.get_all("p")).items()) == [("p\udce8", 2), ("p\udce9", 1)]
    assert asyncio.run(acache.delete_values(["p\udce9", memoryview(b"p\xe8")])) == 2
    assert asyncio.run(acache.lpush("l", value="a")) == 1
    assert asyncio.run(acache.rpush("l", "b", value=bytearray(b"c"))) == 3
    assert cache.lrange("l", 0, -1) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("no", [False, None, 0])
def test_what_is_no_may_be_false_none_or_nought(bench, no):
    async def main() -> None:
        await acache.set_value("k", 1, None, None, no, cache_locally=no)
        assert await acache.get_value("k", None, None, no, no) == 1
        assert await acache.exists("k", shared=no) == 1
        assert await acache.get_values(["k"], None, no, use_local_cache=no) == {"k": 1}
        await acache.hset("h", "f", 1, no, cache_locally=no)
        assert await acache.hget("h", "f", None, no) == 1
        assert await acache.lpush("l", 1, shared=no) == 1
        await acache.delete_value(bench.full("k"), make_keys=no)
        assert await acache.exists("k", "h", "l") == 2

    asyncio.run(main())


def test_what_is_neither_yes_nor_no_is_told_here_too():
    for call in (
        lambda: acache.hdel("h", "a", "b"),
        lambda: acache.get_value("k", None, None, 60),
        lambda: acache.set_value("k", 1, cache_locally=2),
        lambda: acache.delete_value("k", make_keys="x"),
        lambda: acache.exists("k", shared="x"),
    ):
        with pytest.raises(TypeError, match="True or False, not"):
            asyncio.run(call())
