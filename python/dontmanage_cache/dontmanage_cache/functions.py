"""What is known of a function whose answers are kept: its parameters, and what tells it from its namesakes.

>>> from dontmanage_cache.functions import parameters, version
>>> parameters(lambda a, b=1: a)["positional"]
[('a', None), ('b', (1,))]
>>> version(lambda a: a * 2) == version(lambda a: a * 3)
False
"""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

from ._core import CachedFunction, canonical
from .parts import module_name

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["parameters", "version"]

MORE = 0x04
MORE_BY_NAME = 0x08


def parameters(func: Any) -> dict[str, Any]:
    """A function's parameters, as the core wants them.

    >>> parameters(lambda a, /, b=1, *, c: 0)["positional"]
    [('a', None), ('b', (1,))]
    """
    if not isinstance(func, FunctionType):
        # Built in, or a callable of another kind: nothing is known of it but what it wraps.
        return named_as_wrapped(func) or {
            "positional": [],
            "positional_only": 0,
            "by_name": [],
            "takes_more": True,
            "takes_more_by_name": True,
            "wraps": False,
        }
    code = func.__code__
    if code.co_flags & (MORE | MORE_BY_NAME) and (found := named_as_wrapped(func)):
        return found
    names = code.co_varnames
    count = code.co_argcount
    defaults = func.__defaults__ or ()
    required = count - len(defaults)
    by_name = func.__kwdefaults__ or {}
    return {
        "positional": [
            (name, None if at < required else (defaults[at - required],))
            for at, name in enumerate(names[:count])
        ],
        "positional_only": code.co_posonlyargcount,
        "by_name": [
            (name, (by_name[name],) if name in by_name else None)
            for name in names[count : count + code.co_kwonlyargcount]
        ],
        "takes_more": bool(code.co_flags & MORE),
        "takes_more_by_name": bool(code.co_flags & MORE_BY_NAME),
        "wraps": False,
    }


def named_as_wrapped(func: Any) -> dict[str, Any] | None:
    """The parameters of the function that another one hands its arguments on to, as `functools.wraps` tells.
    None if it does not.

    >>> named_as_wrapped(len)
    """
    for _ in range(100):
        func = getattr(func, "__wrapped__", None)
        if func is None:
            return None
        if isinstance(func, FunctionType) and not hasattr(func, "__wrapped__"):
            return parameters(func) | {"wraps": True}
    return None


def version(func: Any) -> bytes:
    """What makes a function another one though its name is the same: its code, and what it has closed over
    when it was decorated.

    >>> def times(factor):
    ...     return lambda number: number * factor
    >>> version(times(2)) == version(times(2)) != version(times(3))
    True
    """
    return version_of(func, set())


def version_of(func: Any, seen: set[int]) -> bytes:
    from hashlib import blake2b

    digest = blake2b(digest_size=16)

    def add(part: Any) -> None:
        text = repr(part).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text))
        digest.update(text)

    def add_code(code: CodeType) -> None:
        add((code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_flags))
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                add_code(constant)
            elif isinstance(constant, frozenset):
                # Its order differs from process to process.
                add(sorted(map(repr, constant)))
            else:
                add((type(constant).__name__, constant))

    seen.add(id(func))
    code = getattr(func, "__code__", None)
    if isinstance(code, CodeType):
        add_code(code)
        for cell in getattr(func, "__closure__", None) or ():
            add(closed_over(cell, seen))
        by_name = getattr(func, "__kwdefaults__", None) or {}
        defaults = (*(getattr(func, "__defaults__", None) or ()), *by_name.values())
        # Others are part of each call.
        add([content(default, seen) for default in defaults if not can_be_argument(default)])
    elif isinstance(func, functools.partial):
        add([content(part, seen) for part in (func.func, func.args, func.keywords)])
    elif not isinstance(func, (type, BuiltinFunctionType)):
        # An object that can be called: what it holds is what it has closed over.
        add((kind_of(func), content(getattr(func, "__dict__", None), seen)))
    return digest.digest()


def can_be_argument(value: Any) -> bool:
    """Whether a call with that argument has a key."""
    try:
        canonical(value)
    except Exception:
        return False
    return True


def closed_over(cell: Any, seen: set[int]) -> Any:
    """What of a closure's variable tells one function from another."""
    try:
        value = cell.cell_contents
    except ValueError:
        # The function itself, as a rule, which is only being made.
        return "empty"
    return content(value, seen)


def content(value: Any, seen: set[int]) -> Any:
    """What is the same for equal values: of functions their code, of what can be pickled its content, of the
    rest its kind."""
    if isinstance(value, CachedFunction):
        value = value.__wrapped__
    if isinstance(value, (FunctionType, functools.partial)):
        return (kind_of(value), b"" if id(value) in seen else version_of(value, seen))
    try:
        return canonical(value)
    except Exception:
        # It can't be pickled, which is no mistake here; whatever says so, locks or a lazy object.
        pass
    if isinstance(value, MethodType):
        return ("method", content(value.__func__, seen), content(value.__self__, seen))
    if id(value) in seen:
        return kind_of(value)
    if type(value) in (set, frozenset):
        return (type(value).__name__, sorted(repr(content(item, seen)) for item in value))
    if type(value) in (list, tuple):
        seen.add(id(value))
        return (type(value).__name__, [content(item, seen) for item in value])
    if type(value) is dict:
        seen.add(id(value))
        return (
            "dict",
            sorted(repr((content(key, seen), content(item, seen))) for key, item in value.items()),
        )
    return kind_of(value)


def kind_of(value: Any) -> tuple[Any, ...]:
    named = value if isinstance(value, (type, FunctionType, MethodType, ModuleType)) else type(value)
    return ("is", module_name(named), getattr(named, "__qualname__", named.__name__))
