"""The library under the framework: there the package `dontmanage` is the framework itself, which takes its
`utils.redis_wrapper` and `utils.caching` from here.

Nothing of the framework changes. It keeps the site, the user and the request; the library asks it, at each
call, for `local.cache`, `conf` and `session.user`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import PathFinder

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["original", "spec"]


def spec(name: str) -> ModuleSpec | None:
    """This library's module for one of the framework's; None where `dontmanage` is not the framework.

    >>> spec("dontmanage.utils.caching") is None
    True
    """
    import dontmanage_cache

    package = sys.modules.get("dontmanage")
    if getattr(package, "cache", None) is dontmanage_cache.cache:
        # The documented face, which is the library anyway.
        return None
    from .request import take_over

    take_over()
    file = os.path.join(os.path.dirname(__file__), f"{name.rpartition('.')[2]}.py")
    return importlib.util.spec_from_file_location(name, file)


def original(name: str) -> ModuleType:
    """The framework's own module, for what only it has."""
    package, _, last = name.rpartition(".")
    alias = f"{package}._own_{last}"
    known = sys.modules.get(alias)
    if known is not None:
        return known
    found = PathFinder.find_spec(name, sys.modules[package].__path__)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"the framework has no `{name}`", name=name)
    own = importlib.util.spec_from_file_location(alias, found.origin)
    if own is None or own.loader is None:
        raise ModuleNotFoundError(f"`{found.origin}` is no Python module", name=name)
    module = importlib.util.module_from_spec(own)
    sys.modules[alias] = module
    try:
        own.loader.exec_module(module)
    except BaseException:
        del sys.modules[alias]
        raise
    return module
