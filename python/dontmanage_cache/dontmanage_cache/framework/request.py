"""The framework's request, as the library wants to know it: the site's configuration, the session, and a
local copy of what was read."""

from __future__ import annotations

import os
from typing import Any

import dontmanage

from .. import caching
from .._core import Frame, Server, follow
from ..sites import common_conf, server

__all__ = ["bench_server", "here", "sites_path", "take_over"]

framework: Any = dontmanage

# Under which the request's frame lies in the framework's own local copy: so it goes when that is emptied
# (`local.cache.clear()`) or another one put in its place (`local.cache = {}`).
NAME = "dontmanage_cache"

# The prefix where the framework has read a configuration and entered no site, as it spells it itself. No
# site can be called so.
NO_SITE = "None"


def sites_path() -> str | None:
    """The folder `sites` of the bench whose workers take the library."""
    bench = os.environ.get("DONTMANAGE_WORKER_LIBRARY")
    return os.path.join(bench, "sites") if bench else None


def here() -> Frame | None:
    """The frame of the request; None outside of any."""
    try:
        local = framework.local
        kept = local.cache
        conf = local.conf
    except AttributeError:
        return None
    found = kept.get(NAME)
    if found is not None and found[0] is conf:
        frame: Frame = found[1]
        return frame
    attributes = {"conf": conf, "session": framework.session, "site": getattr(local, "site", None) or NO_SITE}
    frame = Frame(attributes, server(conf, sites_path()))
    kept[NAME] = (conf, frame)
    return frame


class Local:
    """The framework's `local`, which may not be made yet when the framework imports what is served."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(framework.local, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(framework.local, name, value)


def take_over() -> None:
    """From now on the site, the user and the request are those of the framework, for all of this library."""
    follow(here)
    # What a request keeps for itself is the framework's to keep, and to empty.
    vars(caching)["local"] = Local()


def bench_server(url: str) -> Server | None:
    """The server at an address of the framework's; None for the cache of the bench, which each site's own
    configuration names."""
    folder = sites_path()
    conf = getattr(framework.local, "conf", None) or common_conf(folder)
    if Server(url).full_url() == server(conf, folder, by_environment=False).full_url():
        return None
    return server({**conf, "redis_cache": url}, folder, by_environment=False)
