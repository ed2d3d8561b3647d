"""What the tests ask of a process of the framework, whatever kind of process it is."""

import datetime
import importlib
import json
import os
import sys
import threading

import dontmanage

A_SITE = "one.test"


def answer(probe):
    name, _, argument = probe.partition("/")
    return PROBES[name](*([argument] if argument else []))


def answer_to_file(probe, file):
    """Written whole: whoever waits for the file finds all of it."""
    text = json.dumps(answer(probe))
    with open(file + ".new", "w") as opened:
        opened.write(text)
    os.rename(file + ".new", file)


def cache():
    return dontmanage.the_cache()


def whose():
    """Whose modules this process has."""
    wrapper = importlib.import_module("dontmanage.utils.redis_wrapper")
    caching = importlib.import_module("dontmanage.utils.caching")
    return {
        "wrapper": getattr(wrapper.RedisWrapper, "whose", "ours"),
        "caching": getattr(caching.redis_cache, "__module__", "").partition(".")[0],
        "sitecustomize": getattr(sys.modules.get("sitecustomize"), "whose", None),
        "mine": os.environ.get("PYTHONPATH", "").endswith(os.path.basename(os.environ.get("MINE", "?"))),
        "parent": os.getppid(),
        "pid": os.getpid(),
        "leads_its_session": os.getsid(0) == os.getpid(),
    }


def signing():
    from dontmanage_cache._core import current

    return {
        "signed": current().server.signed,
        "connect_timeout": current().server.connect_timeout,
        "reply_timeout": current().server.reply_timeout,
    }


def own(value):
    """Sets a value of this site, and answers what another request of it reads."""
    cache().set_value("own", (dontmanage.local.site, value))
    dontmanage.local.cache = {}
    site, found = cache().get_value("own")
    return {"site": site, "found": found, "pid": os.getpid(), "thread": threading.get_ident()}


def slow_add(a, b):
    CALLS.append((a, b))
    return a + b


CALLS = []


def decorated():
    """How often a decorated function has run in this process for two calls in two requests."""
    from dontmanage.utils.caching import redis_cache

    if not hasattr(slow_add, "clear_cache"):
        globals()["slow_add"] = redis_cache(ttl=60)(slow_add)
    answers = [slow_add(40, 2)]
    dontmanage.local.cache.clear()
    answers.append(slow_add(40, b=2))
    return {"answers": answers, "ran": len(CALLS), "key": slow_add.cache_key(40, 2).decode("latin-1")}


def what_the_framework_asks():
    """What framework.md lists, with the object's own answers."""
    of_site = cache()
    assert of_site, "an object that is false would be made anew at each call"
    assert of_site.connected() is True
    assert of_site.make_key("k") == f"{dontmanage.conf.db_name}|k".encode()

    # Cached documents.
    document = {"name": "D", "when": datetime.datetime(2024, 1, 2), "rows": [(1, "x")]}
    of_site.hset("document_cache", "T::D", document, cache_locally=False)
    assert of_site.hget("document_cache", "T::D") == document
    try:
        of_site.hset("document_cache", "T::lock", {"lock": threading.Lock()})
    except TypeError:
        pass
    else:
        raise AssertionError("what can't be pickled must raise")
    assert of_site.hget("document_cache", "T::lock") is None

    # By position: key, value, user, seconds.
    of_site.set_value("code", 42, None, 60)
    assert 0 < of_site.ttl(of_site.make_key("code")) <= 60
    of_site.set_value("theme", "dark", "ann@x.co")
    assert of_site.get_value("theme", user="ann@x.co") == "dark"
    dontmanage.set_user("ann@x.co")
    assert of_site.get_value("theme", user=True) == "dark"
    assert of_site.get_value("theme") is None
    dontmanage.local.session.user = "bob@x.co"
    assert of_site.get_value("theme", user=True) is None, "the user is asked for at each call"

    of_site.set_value("all sites", 1, shared=True)
    assert of_site.get_value("all sites", shared=True) == 1
    of_site.delete_key("all sites", shared=True)
    dontmanage.local.cache.clear()
    assert of_site.get_value("all sites", shared=True) is None

    # Lists are raw.
    assert of_site.rpush("list", "text") == 1
    assert of_site.rpop("list").decode() == "text"

    # Raw commands, with made keys: the rate limiter's.
    key = of_site.make_key("hits")
    of_site.delete(key)
    pipeline = of_site.pipeline()
    pipeline.incrby(key, 5)
    pipeline.expire(key, 60)
    assert pipeline.execute() == [5, True]
    of_site.setex(of_site.make_key("raw"), 60, b"x")
    assert of_site.get(of_site.make_key("raw")) == b"x"
    assert of_site.ping() is True
    assert of_site.get_keys("hits") == [key]

    # What else lies in the request's own copy is the framework's.
    made = []
    for _ in range(2):
        dontmanage.local_cache("roles", "ann", lambda: made.append(1) or {"unpicklable": threading.Lock()})
    assert made == [1]

    # Emptied or replaced, it is empty.
    of_site.set_value("copied", 1)
    of_site.set(of_site.make_key("copied"), b"damaged")
    assert of_site.get_value("copied") == 1
    dontmanage.local.cache.clear()
    assert of_site.get_value("copied") is None
    of_site.set_value("copied", 1)
    of_site.set(of_site.make_key("copied"), b"damaged")
    dontmanage.local.cache = {}
    assert of_site.get_value("copied") is None

    if dontmanage.MAJOR >= 16:
        one = dontmanage.client_cache
        one.set_value("client", {"a": 1})
        assert one.get_value("client") == of_site.get_value("client") == {"a": 1}
        one.delete_value("client")
        assert one.get_value("client", generator=lambda: made.append(0) or 5) == 5
        assert made.pop() == 0
        assert of_site.get_value("client") == 5
        one.set_value("client", 6, shared=True)
        one.delete_keys("client")
        assert (one.get_value("client"), one.get_value("client", shared=True)) == (None, 6)
        one.clear_cache()
        assert one.statistics.healthy

    # What only the framework's modules have is theirs still.
    from dontmanage.utils import caching, redis_wrapper

    assert caching.only_the_framework_has_this() == redis_wrapper.only_the_framework_has_this()
    assert not hasattr(caching, "nobody_has_this")

    @caching.request_cache
    def once():
        made.append(2)

    @caching.site_cache
    def for_long():
        made.append(3)

    for _ in range(2):
        once()
        for_long()
    assert made == [1, 2, 3]
    dontmanage.clear_cache()
    once()
    for_long()
    assert made == [1, 2, 3, 2, 3]
    assert of_site.get_value("theme", user="ann@x.co") is None
    return "all of it"


PROBES = {
    "whose": whose,
    "signing": signing,
    "own": own,
    "decorated": decorated,
    "what_the_framework_asks": what_the_framework_asks,
}
