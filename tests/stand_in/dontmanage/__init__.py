"""Stands in for the framework: it keeps the site, the user and the request where the framework keeps them, and
imports its cache when and how the framework does: before version 15 inside of a function, from 15 on when a
site is entered."""

import contextvars
import json
import os

__version__ = "15.0.0"

MAJOR = int(__version__.split(".")[0])
IS_OLDER = MAJOR < 15

if not IS_OLDER:
    # Before there is any `local`.
    from dontmanage.utils.caching import request_cache  # noqa: F401


class _dict(dict):
    __getattr__ = dict.get
    __setattr__ = dict.__setitem__

    def copy(self):
        return _dict(self)


class Local:
    """Attributes of a thread or task, as the framework's web library has them."""

    __slots__ = ("_kept",)

    def __init__(self):
        object.__setattr__(self, "_kept", contextvars.ContextVar("local"))

    def __getattr__(self, name):
        try:
            return self._kept.get({})[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self._kept.set({**self._kept.get({}), name: value})

    def __delattr__(self, name):
        self._kept.set({key: value for key, value in self._kept.get({}).items() if key != name})

    def __call__(self, name):
        return Proxy(self, name)


class Proxy:
    """What an attribute is at each use."""

    def __init__(self, owner, name):
        object.__setattr__(self, "_find", lambda: getattr(owner, name))

    def __getattr__(self, name):
        return getattr(self._find(), name)

    def __setattr__(self, name, value):
        setattr(self._find(), name, value)


local = Local()
conf = local("conf")
session = local("session")


def init(site, sites_path="."):
    if getattr(local, "initialised", None):
        return
    local.site = site
    local.sites_path = sites_path
    local.conf = _dict(site_config(site, sites_path))
    local.cache = {}
    local.request_cache = {}
    local.session = _dict(user="Guest")
    local.initialised = True
    if not IS_OLDER:
        set_up_cache()


def site_config(site, sites_path):
    config = {}
    for file in ("common_site_config.json", os.path.join(site, "site_config.json")):
        try:
            with open(os.path.join(sites_path, file)) as opened:
                config.update(json.load(opened))
        except FileNotFoundError:
            pass
    return config


def destroy():
    local._kept.set({})


def set_user(name):
    local.session = _dict(user=name)
    local.cache = {}


if IS_OLDER:
    redis_server = None

    def cache():
        global redis_server
        if not redis_server:
            from dontmanage.utils.redis_wrapper import RedisWrapper

            redis_server = RedisWrapper.from_url(conf.get("redis_cache") or "redis://localhost:11311")
        return redis_server

    def the_cache():
        return cache()

else:
    cache = client_cache = None

    def set_up_cache():
        global cache, client_cache
        from dontmanage.utils.redis_wrapper import setup_cache

        if not cache:
            cache = setup_cache()
        if MAJOR >= 16 and not client_cache:
            from dontmanage.utils.redis_wrapper import ClientCache

            client_cache = ClientCache(maxsize=1024)

    def the_cache():
        return cache


def clear_cache():
    import dontmanage.utils.caching

    the_cache().delete_keys("")
    local.cache = {}
    dontmanage.utils.caching._SITE_CACHE.clear()
    local.request_cache.clear()


def local_cache(namespace, key, generator):
    """Values of a request that never see Redis: in a dict of their own inside the local copy."""
    if namespace not in local.cache:
        local.cache[namespace] = {}
    if key not in local.cache[namespace]:
        local.cache[namespace][key] = generator()
    return local.cache[namespace][key]
