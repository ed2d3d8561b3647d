"""Run by Python when it starts, in the workers of a bench with `[redis_cache] worker_library = true`:
`bench` puts this folder on their PYTHONPATH, and their bench into DONTMANAGE_WORKER_LIBRARY.

When the framework imports its `utils.redis_wrapper` and `utils.caching`, it gets this library's. Until then
nothing is imported: every Python below a worker runs this, also one that has no such library. The
`sitecustomize` that this one stands before is run as well.
"""

import os
import sys

SWITCH = "DONTMANAGE_WORKER_LIBRARY"
SERVED = ("dontmanage.utils.redis_wrapper", "dontmanage.utils.caching")


class Finder:
    """Finds this library's modules where the framework looks for its own."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> object:
        """The specification of a module that is served, None for all others."""
        if name not in SERVED or not os.environ.get(SWITCH):
            return None
        try:
            from dontmanage_cache import framework
        except ImportError as error:
            raise ImportError(
                f"`{name}` is to be the cache library's, which this Python ({sys.executable}) can't import: "
                f"{error}; run `bench setup env`, or `bench config set redis_cache.worker_library false`"
            ) from error
        return framework.spec(name)


def run_the_next() -> None:
    """Runs the `sitecustomize` that Python would have found without this one."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = os.path.dirname(os.path.abspath(__file__))
    spec = PathFinder.find_spec("sitecustomize", [each for each in sys.path if os.path.abspath(each) != here])
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get(SWITCH):
    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
run_the_next()
