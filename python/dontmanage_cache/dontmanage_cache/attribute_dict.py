"""A dict whose items are attributes too.

>>> from dontmanage_cache import AttributeDict
>>> AttributeDict(db_name="_3f1b").db_name
'_3f1b'
"""

from __future__ import annotations

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

    Base = dict[str, Any]
else:
    Base = dict


class AttributeDict(Base):
    """A dict whose items are attributes too; one that is missing is None.

    >>> conf = AttributeDict(db_name="_3f1b")
    >>> conf.db_name, conf.developer_mode
    ('_3f1b', None)
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        # What Python asks of any object for its own ends is not an item.
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def update(self, *values: Any, **more: Any) -> Self:  # type: ignore[override]
        """As with a dict; the answer is the dict itself, so that one can go on with it.

        >>> AttributeDict(a=1).update({"b": 2}).b
        2
        """
        super().update(*values, **more)
        return self

    # The framework pickles its own as dicts whose state is themselves.
    def __setstate__(self, state: Any) -> None:
        self.update(state)

    def copy(self) -> AttributeDict:
        """A shallow copy.

        >>> conf = AttributeDict(db_name="_3f1b")
        >>> conf.copy() == conf, conf.copy() is conf
        (True, False)
        """
        return AttributeDict(self)
