"""The doctypes that a site has: from its apps, from folders of the bench, or declared by the program.

    sites/doctypes/*.json, *.py             of every site
    sites/SITE/doctypes/*.json, *.py        of one
    apps/APP/…/doctypes/*.json, *.py        of an app that `sites/apps.txt` names; `…` is a folder, or none
    apps/APP/APP/MODULE/doctype/X/X.json    as the framework lays them out and exports them

A JSON file holds one doctype; a Python file has objects `DocType` among its names.

>>> from dontmanage_cache.model.doctype import DocType
>>> declare(DocType("Tag")).table
'tabTag'
"""

from __future__ import annotations

import glob
import json
import os
import threading
from typing import TYPE_CHECKING

from .. import local
from ..clearing import apps
from ..errors import DeclarationError, UnknownDocTypeError
from ..sites import no_site
from .doctype import DocType, declared_in
from .fields import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["declare"]

_given: dict[str, DocType] = {}
_found: dict[tuple[str, str], dict[str, DocType]] = {}
_lock = threading.Lock()


def declare(doctype: DocType) -> DocType:
    """Makes a doctype known to every site of this process, before those of files.

    >>> from dontmanage_cache.model.fields import Field
    >>> declare(DocType("Tag", [Field("colour")])).table
    'tabTag'
    """
    _given[doctype.name] = doctype
    return doctype


def doctype_of(name: str) -> DocType:
    """The doctype of that name; an error that names the nearest, if there is none."""
    found = _given.get(name)
    if found is None:
        known = of_site()
        found = known.get(name)
        if found is None:
            raise UnknownDocTypeError(
                f"there is no doctype `{name}`{nearest(name, [*known, *_given])}; declare it in "
                f"`{os.path.join(local.sites_path, 'doctypes')}` or in an app"
            )
    return found


def all_doctypes() -> dict[str, DocType]:
    """Those of the site, by name."""
    return of_site() | _given


def forget_declarations() -> None:
    """Reads the files anew at the next use; `dontmanage.clear_cache()` does this, in its own process."""
    _found.clear()


def of_site() -> dict[str, DocType]:
    folder = getattr(local, "sites_path", None)
    if folder is None:
        raise no_site("doctypes are a site's")
    here = (folder, local.site)
    found = _found.get(here)
    if found is None:
        with _lock:
            found = _found.get(here)
            if found is None:
                found = _found[here] = read_all(*here)
    return found


def read_all(sites_path: str, site: str) -> dict[str, DocType]:
    known: dict[str, DocType] = {}
    by_table: dict[str, DocType] = {}
    for path in files(sites_path, site):
        for doctype in read(path):
            # SQLite does not tell small letters from capitals in the names of tables.
            other = by_table.setdefault(doctype.name.lower(), doctype)
            if other is not doctype:
                raise DeclarationError(
                    f"`{path}` declares {doctype.name}, and so does `{other.origin}`: keep one of them"
                )
            known[doctype.name] = doctype
    return known


def files(sites_path: str, site: str) -> Iterator[str]:
    """The files that may declare doctypes of a site."""
    bench = os.path.dirname(os.path.abspath(sites_path))
    folders = [os.path.join(sites_path, "doctypes"), os.path.join(sites_path, site, "doctypes")]
    for app in apps():
        folder = os.path.join(bench, "apps", app)
        folders += [os.path.join(folder, "doctypes")]
        folders += sorted(glob.glob(os.path.join(glob.escape(folder), "*", "doctypes")))
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.*"))):
            if path.endswith(".json") or (path.endswith(".py") and not path.endswith("__init__.py")):
                yield path
    for app in apps():
        folder = os.path.join(glob.escape(os.path.join(bench, "apps", app)), "*")
        for path in sorted(glob.glob(os.path.join(folder, "*", "doctype", "*", "*.json"))):
            # Beside it may lie fixtures and the like.
            if os.path.basename(os.path.dirname(path)) == os.path.basename(path)[: -len(".json")]:
                yield path


def read(path: str) -> list[DocType]:
    """The doctypes that a file declares."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if path.endswith(".py"):
            return run(path, text)
        given = json.loads(text)
        if not isinstance(given, dict):
            raise DeclarationError("it holds no JSON object")
        return [declared_in(given, path)]
    except (OSError, ValueError, SyntaxError, DeclarationError) as error:
        raise DeclarationError(f"`{path}`: {error}") from error


def run(path: str, text: str) -> list[DocType]:
    names = {"__name__": "doctypes", "__file__": path}
    exec(compile(text, path, "exec"), names)
    found = {id(one): one for one in names.values() if isinstance(one, DocType)}
    for one in found.values():
        object.__setattr__(one, "origin", path)
    return list(found.values())
