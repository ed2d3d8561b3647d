"""The extension module: what type checkers are told of it. `python -m mypy.stubtest` proves it equal to
the binary; what the items are for is in the binary's own docstrings."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeAlias, TypeVar, final, overload

from typing_extensions import Never, Self, disjoint_base

__all__ = [
    "BoundCachedFunction",
    "Cache",
    "CacheError",
    "CachedFunction",
    "Documents",
    "Frame",
    "Local",
    "LocalCopy",
    "NoSiteError",
    "Server",
    "Writes",
    "current",
    "enter",
    "follow",
    "leave",
]

_P = ParamSpec("_P")
_R_co = TypeVar("_R_co", covariant=True)
_R = TypeVar("_R")
_Q = ParamSpec("_Q")
_S = TypeVar("_S")
_T = TypeVar("_T")

# A key, or a field of a hash: what it is as text.
_Key: TypeAlias = str | bytes | int
# One key, or several.
_Keys: TypeAlias = _Key | Iterable[_Key] | None
# A user's name; True is the session's user.
_User: TypeAlias = str | bool | None
# A number of seconds, or a timedelta; None and 0 are without end.
_Lifetime: TypeAlias = float | timedelta | None
# What is kept raw, in a list or a set.
_Member: TypeAlias = str | bytes | bytearray | float
_K = TypeVar("_K", bound=_Key)

class CacheError(Exception): ...
class NoSiteError(CacheError): ...

@disjoint_base
class Cache:
    def __new__(cls, *_args: object, **_options: object) -> Self: ...
    # It takes no argument at all.
    def __call__(self, *args: Never, **kwargs: Never) -> Self: ...
    def _bind(self, server: Server, getter: Callable[[], Frame | None] | None = None) -> None: ...
    # A shared key comes back as it was given.
    @overload
    def make_key(self, key: _Key, user: _User = None, shared: Literal[False] = False) -> bytes: ...
    @overload
    def make_key(self, key: _S, user: _User, shared: Literal[True]) -> _S: ...
    @overload
    def make_key(self, key: _S, user: _User = None, *, shared: Literal[True]) -> _S: ...
    @overload
    def make_key(self, key: _S, user: _User = None, shared: bool = False) -> bytes | _S: ...
    def connected(self) -> bool: ...
    # With a generator, a value is what the generator gives.
    @overload
    def get_value(
        self,
        key: _Key,
        generator: Callable[[], _T],
        user: _User = None,
        expires: bool = False,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
        default: object = None,
        expires_in_sec: _Lifetime = None,
    ) -> _T: ...
    # Without a default, a miss is None.
    @overload
    def get_value(
        self,
        key: _Key,
        generator: None = None,
        user: _User = None,
        expires: bool = False,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
        default: None = None,
        expires_in_sec: _Lifetime = None,
    ) -> Any | None: ...
    @overload
    def get_value(
        self,
        key: _Key,
        generator: None = None,
        user: _User = None,
        expires: bool = False,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
        default: _T,
        expires_in_sec: _Lifetime = None,
    ) -> Any | _T: ...
    def set_value(
        self,
        key: _Key,
        val: object,
        user: _User = None,
        expires_in_sec: _Lifetime = None,
        shared: bool = False,
        *,
        cache_locally: bool = True,
    ) -> None: ...
    def delete_value(
        self, keys: _Keys, user: _User = None, make_keys: bool = True, shared: bool = False
    ) -> None: ...
    def delete_key(
        self, keys: _Keys, user: _User = None, make_keys: bool = True, shared: bool = False
    ) -> None: ...
    def expire_key(
        self, key: _Key, time: _Lifetime, *, user: _User = None, shared: bool = False
    ) -> bool | None: ...
    def exists(self, *names: _Key, user: _User = None, shared: bool | None = False) -> int: ...
    def get_values(
        self,
        keys: _K | Iterable[_K],
        user: _User = None,
        shared: bool = False,
        *,
        use_local_cache: bool = True,
    ) -> dict[_K, Any]: ...
    def set_values(
        self,
        values: Mapping[_K, object],
        user: _User = None,
        expires_in_sec: _Lifetime = None,
        shared: bool = False,
    ) -> None: ...
    def delete_values(self, keys: _Keys, user: _User = None, shared: bool = False) -> int: ...
    def get_keys(self, key: _Key, user: _User = None, shared: bool = False) -> list[bytes]: ...
    def delete_keys(self, key: _Key, user: _User = None, shared: bool = False) -> int: ...
    def get_all(self, key: _Key, user: _User = None, shared: bool = False) -> dict[str, Any]: ...
    def hset(
        self,
        name: _Key,
        key: _Key | None,
        value: object,
        shared: bool = False,
        *_more: object,
        cache_locally: bool = True,
        **_options: object,
    ) -> None: ...
    @overload
    def hget(
        self,
        name: _Key,
        key: _Key | None,
        generator: Callable[[], _T],
        shared: bool = False,
        *,
        default: object = None,
    ) -> _T: ...
    @overload
    def hget(
        self,
        name: _Key,
        key: _Key | None,
        generator: None = None,
        shared: bool = False,
        *,
        default: None = None,
    ) -> Any | None: ...
    @overload
    def hget(
        self,
        name: _Key,
        key: _Key | None,
        generator: None = None,
        shared: bool = False,
        *,
        default: _T,
    ) -> Any | _T: ...
    def hgetall(self, name: _Key, shared: bool = False) -> dict[str, Any]: ...
    def hexists(self, name: _Key, key: _Key | None, shared: bool = False) -> bool: ...
    def hkeys(self, name: _Key, shared: bool = False) -> list[bytes]: ...
    def hdel(self, name: _Key, keys: _Keys, shared: bool = False, pipeline: Any = None) -> int: ...
    def hdel_names(self, names: _Keys, key: _Key | None, shared: bool = False) -> int: ...
    def hdel_keys(self, name_starts_with: _Key, key: _Key | None, shared: bool = False) -> int: ...
    def lpush(self, key: _Key, *values: _Member, user: _User = None, shared: bool = False) -> int | None: ...
    def rpush(self, key: _Key, *values: _Member, user: _User = None, shared: bool = False) -> int | None: ...
    @overload
    def lpop(
        self, key: _Key, count: None = None, *, user: _User = None, shared: bool = False
    ) -> bytes | None: ...
    @overload
    def lpop(self, key: _Key, count: int, *, user: _User = None, shared: bool = False) -> list[bytes]: ...
    @overload
    def rpop(
        self, key: _Key, count: None = None, *, user: _User = None, shared: bool = False
    ) -> bytes | None: ...
    @overload
    def rpop(self, key: _Key, count: int, *, user: _User = None, shared: bool = False) -> list[bytes]: ...
    def llen(self, key: _Key, *, user: _User = None, shared: bool = False) -> int: ...
    def lrange(
        self, key: _Key, start: int, stop: int, *, user: _User = None, shared: bool = False
    ) -> list[bytes]: ...
    def ltrim(
        self, key: _Key, start: int, stop: int, *, user: _User = None, shared: bool = False
    ) -> bool: ...
    def sadd(self, name: _Key, *values: _Member, user: _User = None, shared: bool = False) -> int | None: ...
    def srem(self, name: _Key, *values: _Member, user: _User = None, shared: bool = False) -> int | None: ...
    def sismember(self, name: _Key, value: _Member, *, user: _User = None, shared: bool = False) -> bool: ...
    @overload
    def spop(
        self, name: _Key, count: None = None, *, user: _User = None, shared: bool = False
    ) -> bytes | None: ...
    @overload
    def spop(self, name: _Key, count: int, *, user: _User = None, shared: bool = False) -> list[bytes]: ...
    @overload
    def srandmember(
        self, name: _Key, count: None = None, *, user: _User = None, shared: bool = False
    ) -> bytes | None: ...
    @overload
    def srandmember(
        self, name: _Key, count: int, *, user: _User = None, shared: bool = False
    ) -> list[bytes]: ...
    def smembers(self, name: _Key, *, user: _User = None, shared: bool = False) -> set[bytes]: ...

_Parameters: TypeAlias = list[tuple[str, tuple[Any] | None]]

@final
class CachedFunction(Generic[_P, _R_co]):
    # What it takes over from the function.
    __name__: str
    __qualname__: str
    __wrapped__: Callable[_P, _R_co]
    def __new__(
        cls,
        function: Callable[_P, _R_co],
        *,
        cache: Cache,
        name: str,
        version: bytes,
        positional: _Parameters,
        positional_only: int,
        by_name: _Parameters,
        takes_more: bool,
        takes_more_by_name: bool,
        ignores_self: bool,
        ttl: _Lifetime,
        stale: _Lifetime,
        user: _User,
        shared: bool,
        wait: float,
    ) -> Self: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...
    # On the class it may be a method, a class method or a static one, which checkers can't tell apart.
    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> CachedFunction[..., _R_co]: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[_S, _Q], _R], instance: _S, owner: type | None = None, /
    ) -> BoundCachedFunction[_Q, _R]: ...
    def __reduce__(self) -> str: ...
    def clear_cache(self) -> int: ...
    def clear_cache_for(self, *args: _P.args, **kwargs: _P.kwargs) -> bool: ...
    def cache_key(self, *args: _P.args, **kwargs: _P.kwargs) -> bytes | None: ...

@final
class BoundCachedFunction(Generic[_P, _R_co]):
    # What it hands on from the function.
    __name__: str
    __qualname__: str
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...
    def __reduce__(self) -> tuple[Any, tuple[Any, str]]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def __func__(self) -> CachedFunction[..., _R_co]: ...
    @property
    def __self__(self) -> Any: ...
    @property
    def __wrapped__(self) -> Callable[_P, _R_co]: ...
    def clear_cache(self) -> int: ...
    def clear_cache_for(self, *args: _P.args, **kwargs: _P.kwargs) -> bool: ...
    def cache_key(self, *args: _P.args, **kwargs: _P.kwargs) -> bytes | None: ...

@final
class Frame:
    def __new__(cls, attributes: dict[str, Any], server: Server | None = None) -> Self: ...
    @property
    def cache(self) -> LocalCopy: ...
    @property
    def server(self) -> Server | None: ...

@final
class Local:
    def __new__(cls) -> Self: ...
    def __getattribute__(self, name: str, /) -> Any: ...
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    def __delattr__(self, name: str, /) -> None: ...
    def __dir__(self) -> list[str]: ...

@final
class LocalCopy:
    def __new__(cls) -> Self: ...
    def clear(self) -> None: ...
    def keys(self) -> list[bytes]: ...
    def get(self, key: _Key, default: Any = None) -> Any: ...
    def pop(self, key: _Key, *default: Any) -> Any: ...
    def __getitem__(self, key: _Key, /) -> Any: ...
    def __setitem__(self, key: _Key, value: object, /) -> None: ...
    def __delitem__(self, key: _Key, /) -> None: ...
    def __contains__(self, key: _Key, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...

@final
class Server:
    def __new__(
        cls,
        url: str,
        *,
        signing_key: str | None = None,
        connect_timeout: float = ...,
        reply_timeout: float = ...,
    ) -> Self: ...
    @property
    def url(self) -> str: ...
    def full_url(self) -> str: ...
    @property
    def connect_timeout(self) -> float: ...
    @property
    def reply_timeout(self) -> float: ...
    @property
    def signed(self) -> bool: ...

@final
class Documents:
    def __new__(
        cls,
        cache: Cache,
        load: Callable[[str, str], tuple[Any, bool]],
        load_last_modified: Callable[[str, bool], object],
    ) -> Self: ...
    def get(self, doctype: str, name: str | None = None) -> Any: ...
    def last_modified(self, doctype: str) -> Any | None: ...
    def invalidate(self, doctype: str | None = None, name: object = None) -> bool: ...

@final
class Writes:
    def __new__(cls, cache: Cache, reader: Callable[[str, str], Any] | None = None) -> Self: ...
    def touch(self, doctype: str, name: object = None) -> bool: ...
    def holds(self, doctype: str, name: object = None) -> bool: ...
    def committing(self) -> bool: ...
    def committed(self) -> bool: ...
    def rolled_back(self) -> bool: ...
    def __bool__(self) -> bool: ...

def current() -> Frame | None: ...
def enter(attributes: dict[str, Any], server: Server | None) -> None: ...
def follow(source: Callable[[], Frame | None]) -> None: ...
def leave() -> None: ...
