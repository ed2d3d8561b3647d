"""The examples of the documentation, word for word, in a worker that `bench start` has started. What came of
each is left in a file, as JSON."""

import json
import os
import sys
import time

import dontmanage

site, report = sys.argv[1:]
outcomes = {}

# Each example's fake workload; what is slept is noted, so that nobody has to wait.
slept = []
time.sleep = slept.append


def example(function):
    """Runs an example, in a request of its own."""
    dontmanage.init(site)
    slept.clear()
    outcomes[function.__name__] = function()
    dontmanage.destroy()


def request():
    """The next request begins."""
    dontmanage.init(site)


@example
def strings():
    dontmanage.cache.set_value("key", "value")
    return dontmanage.cache.get_value("key")


@example
def strings_of_older_versions():
    dontmanage.cache().set_value("older key", "value")
    return [dontmanage.cache().get_value("older key"), dontmanage.cache() is dontmanage.cache]


@example
def hashes():
    # Get fields separately
    dontmanage.cache.hset("user|admin", "name", "Admin")
    dontmanage.cache.hset("user|admin", "email", "admin@example.com")
    return [
        # Get single field value
        dontmanage.cache.hget("user|admin", "name"),
        # Or retrieve all fields at once.
        dontmanage.cache.hgetall("user|admin"),
        dontmanage.cache().hgetall("user|admin"),
    ]


@example
def a_custom_cache():
    def slow_add(a, b):
        key = f"slow_addition|{a}+{b}"  # unique key representing this computation

        # If this key exists in cache, then return value
        if cached_value := dontmanage.cache.get_value(key):
            return cached_value

        import time; time.sleep(1)  # noqa: E702 - Fake workload
        result = a + b

        # Set the computed value in cache so next time we dont have to do the work
        dontmanage.cache.set_value(key, result)

        return result

    answers = [slow_add(40, 2), slow_add(40, 2)]
    request()
    answers += [slow_add(40, 2), slow_add(2, 40)]
    return {"answers": answers, "slept": list(slept)}


@example
def a_lifetime():
    key, result = "slow_addition|1+1", 2
    # This cached value will automatically expire in one hour
    dontmanage.cache.set_value(key, result, expires_in_sec=60*60)
    return dontmanage.cache.get_value(key)


@example
def clearing_by_hand():
    key, result = "slow_addition|5+5", 10
    dontmanage.cache.set_value(key, result)
    dontmanage.cache.hset("sums", "5+5", result)
    dontmanage.cache.delete_value(key)  # `dontmanage.cache.hdel` if using hashes.
    dontmanage.cache.hdel("sums", "5+5")
    now = [dontmanage.cache.get_value(key), dontmanage.cache.hget("sums", "5+5")]
    request()
    return now + [dontmanage.cache.get_value(key), dontmanage.cache.hget("sums", "5+5")]


@example
def the_decorator():
    from dontmanage.utils.caching import redis_cache

    @redis_cache
    def slow_function(a, b):
        import time; time.sleep(1)  # noqa: E702 - fake expensive computation
        return a + b

    # Now first call takes 1 second, but all subsequent calls return instantly.
    answers = [slow_function(40, 2), slow_function(40, 2)]
    request()
    answers.append(slow_function(40, 2))
    before = list(slept)

    def invalidate_cache():
        slow_function.clear_cache()

    invalidate_cache()
    answers.append(slow_function(40, 2))
    return {"answers": answers, "slept": before, "slept when cleared": list(slept)}


@example
def the_decorator_with_a_lifetime():
    from dontmanage.utils.caching import redis_cache

    @redis_cache(ttl=60)
    def with_ttl(a, b):
        import time; time.sleep(1)  # noqa: E702 - fake expensive computation
        return a + b

    return [with_ttl(40, 2), with_ttl(40, 2), list(slept), with_ttl.cache_key(40, 2).decode("latin-1")]


@example
def complex_types():
    import datetime
    import decimal

    value = {"when": datetime.datetime(2024, 2, 29), "sum": decimal.Decimal("1.10"), "rows": [(1, {2})]}
    dontmanage.cache.set_value("complex", value)
    request()
    return dontmanage.cache.get_value("complex") == value


@example
def tenants():
    dontmanage.cache.set_value("mine", site)
    return [dontmanage.cache.make_key("mine").decode(), dontmanage.cache.get_value("mine")]


@example
def the_local_copy():
    dontmanage.cache.set_value("repeated", 1)
    request()
    # Read from Redis once, whatever lies there by now.
    got = [dontmanage.cache.get_value("repeated")]
    key = dontmanage.cache.make_key("repeated")
    kept = key in dontmanage.local.cache
    dontmanage.cache.delete(key)
    got += [dontmanage.cache.get_value("repeated")]
    request()
    return [*got, kept, dontmanage.cache.get_value("repeated")]


@example
def the_wrapper():
    import redis
    from dontmanage.utils.redis_wrapper import RedisWrapper

    client = RedisWrapper.from_url(dontmanage.conf.redis_cache)
    dontmanage.cache.set_value("wrapped", 1)
    return [issubclass(RedisWrapper, redis.Redis), client.get_value("wrapped"), client.ping()]


outcomes["pid"] = os.getpid()
with open(f"{report}.new", "w") as file:
    json.dump(outcomes, file)
os.rename(f"{report}.new", report)
