"""What a site knows, under names that can be imported before it is entered.

>>> from dontmanage import conf, session
>>> conf.db_name, session.user
('_3f1b8c2a', 'Guest')
"""

from __future__ import annotations

from . import local
from ._core import NoSiteError

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, SupportsIndex

__all__ = ["conf", "db", "session"]


class Here:
    """An attribute of `local`, looked up at each use.

    >>> import dontmanage
    >>> dontmanage.session.user
    'Guest'
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def _get_current_object(self) -> Any:
        try:
            return getattr(local, self._name)
        except AttributeError:
            raise NoSiteError(
                f"dontmanage.{self._name} is a site's, and no site has been entered in this thread or task: "
                "call dontmanage.init(site) first"
            ) from None

    def __getattr__(self, name: str) -> Any:
        try:
            found = self._get_current_object()
        except NoSiteError:
            # What Python and its tools ask of any object is no use of the site.
            if name.startswith("__"):
                raise AttributeError(name) from None
            raise
        return getattr(found, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._get_current_object(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._get_current_object(), name)

    def __getitem__(self, key: str) -> Any:
        return self._get_current_object()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._get_current_object()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._get_current_object()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._get_current_object()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._get_current_object())

    def __len__(self) -> int:
        return len(self._get_current_object())

    def __bool__(self) -> bool:
        try:
            return bool(self._get_current_object())
        except NoSiteError:
            return False

    def __eq__(self, other: object) -> bool:
        return bool(self._get_current_object() == other)

    __hash__ = None  # type: ignore[assignment]

    def __or__(self, other: Any) -> Any:
        return self._get_current_object() | other

    def __ror__(self, other: Any) -> Any:
        return other | self._get_current_object()

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # A copy and a pickle are of what is there now: elsewhere it would be another site's.
        import copy

        return copy.copy, (self._get_current_object(),)

    def __dir__(self) -> list[str]:
        try:
            return dir(self._get_current_object())
        except NoSiteError:
            return dir(type(self))

    def __repr__(self) -> str:
        try:
            return repr(self._get_current_object())
        except NoSiteError:
            return f"<dontmanage.{self._name}: no site>"


class HereDatabase(Here):
    """`local.db`, made at the first use."""

    __slots__ = ()

    def _get_current_object(self) -> Any:
        found = getattr(local, "db", None)
        if found is None:
            from .database.database import current

            found = current()
        return found

    def __bool__(self) -> bool:
        return getattr(local, "site_path", None) is not None


# Any: they stand for what they look up, and type checkers should see them as that.
conf: Any = Here("conf")
"""The site's configuration, over the bench's."""

session: Any = Here("session")
"""The session; `session.user` is its user."""

if TYPE_CHECKING:
    from .database.database import Database

    db: Database
else:
    db = HereDatabase("db")
    """The site's database, in this request's transaction."""
