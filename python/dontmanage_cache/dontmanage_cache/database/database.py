"""`dontmanage.db`: the site's database, as a request sees it.

>>> import dontmanage
>>> dontmanage.db.get_value("Customer", "ann", "email")
'ann@example.com'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import local
from .._core import current as current_frame
from ..attribute_dict import AttributeDict
from ..errors import ValidationError
from ..sites import no_site
from .address import address_of
from .connection import Connection

if TYPE_CHECKING:
    from .callbacks import Callbacks

__all__ = ["Database"]


def current() -> Database:
    """The database of the request; it is made at the first use, and connects at its first statement."""
    found: Database | None = getattr(local, "db", None)
    if found is None:
        if current_frame() is None or getattr(local, "site_path", None) is None:
            raise no_site("dontmanage.db is a site's database")
        found = local.db = Database(Connection(address_of(local.conf, local.site_path)))
    return found


class Database:
    """The site's database, in this request's transaction.

    >>> import dontmanage
    >>> dontmanage.db.get_value("Customer", "ann", "email")
    'ann@example.com'
    >>> dontmanage.db.set_value("Customer", "ann", "email", "ann@example.org")
    >>> dontmanage.db.commit()

    Documents that it changes are taken out of the cache before the statement, and again after the commit or
    rollback. SQL by `sql` is the exception: nobody knows what that changes.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    # Reading

    def get_value(
        self,
        doctype: str,
        filters: Any = None,
        fieldname: str | list[str] | tuple[str, ...] = "name",
        *,
        as_dict: bool = False,
        order_by: str | None = "modified desc",
        for_update: bool = False,
    ) -> Any:
        """A field of the document with a name, or of the first that meets the filters; None if there is
        none. With several fields, a tuple of values, or a dict.

        >>> dontmanage.db.get_value("Customer", {"email": "ann@example.com"}, ["name", "credit"])
        ('ann', Decimal('10.000000000'))
        """
        from ..model import queries

        return queries.get_value(
            self.connection,
            doctype,
            filters,
            fieldname,
            as_dict=as_dict,
            order_by=order_by,
            for_update=for_update,
        )

    def get_single_value(self, doctype: str, fieldname: str) -> Any:
        """A field of a doctype that has one document.

        >>> dontmanage.db.get_single_value("System Settings", "language")
        'en'
        """
        from ..model import queries

        return queries.get_single_value(self.connection, doctype, fieldname)

    def get_all(
        self,
        doctype: str,
        filters: Any = None,
        fields: Any = None,
        order_by: str | None = "modified desc",
        limit: int | None = None,
        *,
        start: int = 0,
        pluck: str | None = None,
    ) -> list[Any]:
        """A dict of fields for each document that meets the filters; with `pluck`, the values of one field.

        Filters are `{field: value}`, `{field: [operator, value]}`, or a list of `[field, operator, value]`.
        Operators are `=`, `!=`, `<`, `<=`, `>`, `>=`, `like`, `not like`, `in`, `not in`, `between`, and `is`
        with `set` or `not set`.

        >>> dontmanage.db.get_all("Customer", {"credit": [">", 5]}, pluck="name", order_by="name")
        ['ann']
        """
        from ..model import queries

        return queries.get_all(
            self.connection, doctype, filters, fields, order_by, limit, start=start, pluck=pluck
        )

    def exists(self, doctype: str | Mapping[str, Any], name: Any = None) -> str | None:
        """The name of the document with that name, or of one that meets the filters; None if none is.

        >>> dontmanage.db.exists("Customer", {"email": "ann@example.com"})
        'ann'
        """
        from ..model import queries

        return queries.exists(self.connection, doctype, name)

    def count(self, doctype: str, filters: Any = None) -> int:
        """How many documents meet the filters.

        >>> dontmanage.db.count("Customer")
        1
        """
        from ..model import queries

        return queries.count(self.connection, doctype, filters)

    # Writing

    def set_value(
        self,
        doctype: str,
        name: Any,
        field: str | Mapping[str, Any],
        value: Any = None,
        *,
        update_modified: bool = True,
    ) -> None:
        """Gives a field of a document, or of all that meet filters, a value; or several fields, in a dict.

        Nothing else of the documents is looked at. That there is no such document is no error.

        >>> dontmanage.db.set_value("Customer", "ann", {"credit": 20, "email": None})
        """
        from ..model import storing

        values = dict(field) if isinstance(field, Mapping) else {field: value}
        storing.set_values(self.connection, doctype, name, values, update_modified=update_modified)

    def set_single_value(
        self,
        doctype: str,
        fieldname: str | Mapping[str, Any],
        value: Any = None,
        *,
        update_modified: bool = True,
    ) -> None:
        """Gives a field of a doctype that has one document a value; or several fields, in a dict.

        >>> dontmanage.db.set_single_value("System Settings", "language", "de")
        """
        self.set_value(doctype, doctype, fieldname, value, update_modified=update_modified)

    def delete(self, doctype: str, filters: Any) -> None:
        """Deletes the document with a name, or all that meet the filters, with their rows; `{}` is all of
        them.

        >>> dontmanage.db.delete("Customer", {"credit": ["<", 100]})
        """
        from ..model import storing

        storing.delete_all(self.connection, doctype, filters)

    # SQL

    def sql(
        self,
        query: str,
        values: Any = None,
        *,
        as_dict: bool = False,
        as_list: bool = False,
        pluck: bool = False,
    ) -> Any:
        """Carries out SQL as it is written, with the values bound for `%s` or `%(name)s`. Gives a tuple of
        tuples; or dicts, lists, or the first value of each row.

        What it changes stays in the cache: call `dontmanage.clear_document_cache` after the commit.

        >>> dontmanage.db.sql("select name from `tabCustomer` where credit > %s", 5)
        (('ann',),)
        """
        columns, rows = self.connection.raw(query, values)
        if pluck:
            return [row[0] for row in rows]
        if as_dict:
            return [AttributeDict(zip(columns, row, strict=True)) for row in rows]
        return [list(row) for row in rows] if as_list else tuple(rows)

    # Transactions

    @property
    def before_commit(self) -> Callbacks:
        """Run before the next commit; forgotten at a rollback.

        >>> dontmanage.db.before_commit.add(lambda: print("about to"))
        >>> dontmanage.db.commit()
        about to
        """
        return self.connection.before_commit

    @property
    def after_commit(self) -> Callbacks:
        """Run after the next commit; forgotten at a rollback.

        >>> dontmanage.db.after_commit.add(lambda: print("it is there"))
        >>> dontmanage.db.commit()
        it is there
        """
        return self.connection.after_commit

    @property
    def before_rollback(self) -> Callbacks:
        """Run before the next rollback; forgotten at a commit.

        >>> dontmanage.db.before_rollback.add(lambda: print("back"))
        >>> dontmanage.db.rollback()
        back
        """
        return self.connection.before_rollback

    @property
    def after_rollback(self) -> Callbacks:
        """Run after the next rollback; forgotten at a commit.

        >>> dontmanage.db.after_rollback.add(lambda: print("it was nothing"))
        >>> dontmanage.db.rollback()
        it was nothing
        """
        return self.connection.after_rollback

    def commit(self) -> None:
        """Makes what was changed everybody's.

        >>> dontmanage.db.commit()
        """
        self.connection.commit()

    def rollback(self, save_point: str | None = None) -> None:
        """Undoes what was changed since the last commit, or since a savepoint.

        >>> dontmanage.db.delete("Customer", {})
        >>> dontmanage.db.rollback()
        >>> dontmanage.db.count("Customer")
        1
        """
        self.connection.rollback(save_point)

    def savepoint(self, save_point: str) -> None:
        """Marks a point of the transaction, to which `rollback(save_point=…)` comes back.

        >>> dontmanage.db.savepoint("before_items")
        """
        self.connection.savepoint(save_point)

    def release_savepoint(self, save_point: str) -> None:
        """Forgets a savepoint; what was changed since stays.

        >>> dontmanage.db.savepoint("before_items")
        >>> dontmanage.db.release_savepoint("before_items")
        """
        self.connection.release_savepoint(save_point)

    def close(self) -> None:
        """Undoes what was not committed and gives the connection back. The next use opens another.

        >>> dontmanage.db.close()
        """
        self.connection.close()

    def __repr__(self) -> str:
        return f"<dontmanage.db: {self.connection.address}>"


def names_or_filters(given: Any) -> tuple[str | None, Any]:
    """A name, or filters."""
    if given is None or isinstance(given, (str, int)):
        return (None if given is None else str(given)), None
    if isinstance(given, (Mapping, list, tuple)):
        return None, given
    raise ValidationError(f"{given!r} is neither a name nor filters")
