"""What an argument is made of, for the key of a call.

>>> from dontmanage_cache.parts import parts_of
>>> parts_of(len)
'builtins:len'
"""

from __future__ import annotations

import copyreg
import sys
from types import FunctionType

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["module_name", "parts_of"]


def parts_of(argument: Any) -> str | tuple[Any, ...]:
    """The importable name of a class or function, or the parts that pickle would make an object from.

    >>> parts_of(int)
    'builtins:int'
    >>> import datetime
    >>> parts_of(datetime.timedelta(1))[0]
    'datetime:timedelta'
    """
    kind = type(argument)
    # By what it is, not by what it says it is, as a proxy or `dict[str, int]` does.
    if issubclass(kind, (type, FunctionType)):
        for only in (None, NotImplemented, ...):
            # No importable name: pickle makes these from their only object.
            if argument is type(only):
                return (class_name(kind), type, (only,), None, None, None)
        return global_name(argument)
    reducer = copyreg.dispatch_table.get(kind)
    reduced = reducer(argument) if reducer is not None else argument.__reduce_ex__(4)
    if isinstance(reduced, str):
        return global_name(argument, reduced)
    if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
        raise TypeError(f"{kind.__name__} objects can't be pickled")
    function, arguments, state, items, pairs, _ = (*reduced, *(None,) * 4)[:6]
    if pairs is not None:
        pairs = list(pairs)
        # Only in an OrderedDict does the order count.
        if not hasattr(kind, "move_to_end"):
            pairs = dict(pairs)
    # The class only by its name: a few that can be pickled, as methods and iterators, can't be imported.
    return (class_name(kind), function, arguments, state, None if items is None else list(items), pairs)


def class_name(kind: type) -> str:
    """The name of a class, whether or not it can be imported by it."""
    return f"{module_name(kind)}:{kind.__qualname__}"


# What a program that is run is called there: by itself, and by processes that `multiprocessing` makes.
PROGRAM = ("__main__", "__mp_main__")


def module_name(thing: Any) -> str:
    """The module of a class or function, by the name that it has in every process: also where it is the
    program that is run there, as by `python -m`.

    >>> from fractions import Fraction
    >>> module_name(Fraction)
    'fractions'
    """
    name: str = getattr(thing, "__module__", None) or "builtins"
    if name not in PROGRAM:
        return name
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return PROGRAM[0] if spec is None else spec.name


def global_name(thing: Any, name: str | None = None) -> str:
    """The name by which a class or function can be imported, as pickle demands."""
    name = name or getattr(thing, "__qualname__", None) or thing.__name__
    module = getattr(thing, "__module__", None) or "builtins"
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not thing:
        raise TypeError(f"`{module}.{name}` can't be imported by that name")
    return f"{module_name(thing)}:{name}"
