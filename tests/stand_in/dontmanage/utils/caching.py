"""The framework's own; see `redis_wrapper`."""

whose = "the framework's"
_SITE_CACHE = {}


def redis_cache(func):
    return func


request_cache = site_cache = redis_cache


def only_the_framework_has_this():
    return "the framework's"
