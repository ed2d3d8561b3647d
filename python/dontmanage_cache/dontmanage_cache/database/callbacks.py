"""What is to be done at a transaction's end.

>>> waiting = Callbacks()
>>> waiting.add(lambda: print("done"))
>>> waiting.run()
done
"""

from __future__ import annotations

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Callbacks"]


class Callbacks:
    """Functions that are called once, in the order in which they were added.

    >>> import dontmanage
    >>> dontmanage.db.after_commit.add(lambda: print("it is there"))
    >>> dontmanage.db.commit()
    it is there
    """

    __slots__ = ("_functions",)

    def __init__(self) -> None:
        self._functions: list[Callable[[], Any]] = []

    def add(self, function: Callable[[], Any]) -> None:
        """Calls the function at the next such end, and never again.

        >>> dontmanage.db.after_rollback.add(lambda: print("it was nothing"))
        >>> dontmanage.db.rollback()
        it was nothing
        """
        self._functions.append(function)

    __call__ = add

    def run(self) -> None:
        """Calls them all, also those that one of them adds. What the first that fails has raised, is raised
        after the last one has been called.

        >>> Callbacks().run()
        """
        first: BaseException | None = None
        while self._functions:
            function = self._functions.pop(0)
            try:
                function()
            except Exception as error:
                first = first or error
        if first is not None:
            raise first

    def reset(self) -> None:
        """Forgets them.

        >>> dontmanage.db.after_commit.reset()
        """
        self._functions.clear()

    def __len__(self) -> int:
        return len(self._functions)
