"""Clearing: what a site, a user or a doctype has in the cache.

>>> import dontmanage
>>> dontmanage.cache.hset("meta", "User", {"fields": []})
>>> dontmanage.clear_cache(doctype="User")
>>> dontmanage.cache.hget("meta", "User")
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from . import cache, local
from ._core import current
from .sites import no_site

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["clear_cache", "clear_website_cache"]

# Hashes whose fields are doctypes, and those whose fields are users, under the names of all versions.
DOCTYPE_HASHES = (
    "meta",
    "doctype_meta",
    "form_meta",
    "doctype_form_meta",
    "table_columns",
    "last_modified",
    "linked_doctypes",
    "notifications",
    "workflow",
    "data_import_column_header_map",
)
USER_HASHES = (
    "bootinfo",
    "user_recent",
    "roles",
    "user_doc",
    "lang",
    "defaults",
    "user_permissions",
    "home_page",
    "linked_with",
    "desktop_icons",
    "portal_menu_items",
    "desk_sidebar_items",
    "user_perm_can_read",
    "has_role:Page",
    "has_role:Report",
    "contacts",
)

# What is kept of pages, by the frameworks of all versions. A site's own keys are none of these.
WEBSITE_KEYS = (
    "home_page",
    "languages",
    "languages_with_name",
    "page_context",
    "portal_menu_items",
    "sitemap_routes",
    "website_404",
    "website_full_index",
    "website_generator_routes",
    "website_page",
    "website_pages",
    "website_redirects",
    "website_route_rules",
)

# So many keys go in one command: other clients wait for no more.
STEP = 500


def clear_cache(user: str | None = None, doctype: str | None = None) -> None:
    """Forget what is cached for a user, for a doctype, or all that is cached for the site.

    Keys that the apps' hooks name in `persistent_cache_keys` stay, and so do those of other sites and
    shared ones. The apps' `clear_cache` hooks are run. What `site_cache` has kept is forgotten in every
    process. With a doctype go those that have a table of it, too.

    >>> import dontmanage
    >>> dontmanage.cache.set_value("k", 1)
    >>> clear_cache()
    >>> dontmanage.cache.get_value("k")
    """
    if current() is None:
        raise no_site("clear_cache() clears a site's values")
    if doctype:
        from . import documents

        for name in {doctype, *parents(doctype)}:
            cache.hdel_names(DOCTYPE_HASHES, name)
        documents.invalidate(doctype)
        # What browsers have of the doctypes is old too.
        cache.set_value("metadata_version", os.urandom(5).hex())
    if user:
        cache.hdel_names(USER_HASHES, user)
        cache.delete_keys("", user=user)
    if not user and not doctype:
        clear_site()
    local.cache = {}
    local.request_cache = {}
    if not user:
        # What this process knows of doctypes; it knows nothing where none has been asked for.
        declared = sys.modules.get("dontmanage_cache.model.declared")
        if declared is not None:
            declared.forget_declarations()
    # What is known of the doctype of doctypes concerns all of them.
    if not user and doctype in (None, "", "DocType"):
        from .caching import new_generation

        new_generation()
    if not user and not doctype:
        for hook in hooks("clear_cache"):
            call(hook)


def clear_site() -> None:
    """All keys of the site, but for those that are to stay."""
    from . import documents

    # What is being read to be stored must not be stored behind our back.
    documents.invalidate()
    keep = [str(name) for name in hooks("persistent_cache_keys")]
    if not keep:
        cache.delete_keys("")
        return
    stays = {key for name in keep for key in cache.get_keys(name)}
    goes = [key for key in cache.get_keys("") if key not in stays]
    for at in range(0, len(goes), STEP):
        cache.delete_value(goes[at : at + STEP], make_keys=False)


def clear_website_cache() -> None:
    """Forget what is cached of the site's pages; all other keys stay.

    >>> import dontmanage
    >>> dontmanage.cache.hset("website_page", "about", "<h1>About</h1>")
    >>> dontmanage.cache.set_value("about", "us")
    >>> clear_website_cache()
    >>> dontmanage.cache.hget("website_page", "about"), dontmanage.cache.get_value("about")
    (None, 'us')
    """
    cache.delete_value(WEBSITE_KEYS)


def parents(doctype: str) -> list[str]:
    """The doctypes that have a table of this one, as far as their meta is cached.

    >>> table = {"fieldtype": "Table", "fieldname": "items", "options": "Invoice Item"}
    >>> cache.hset("meta", "Invoice", {"name": "Invoice", "fields": [table]})
    >>> parents("Invoice Item")
    ['Invoice']
    """
    found = {}
    for name in DOCTYPE_HASHES[:2]:
        found.update(cache.hgetall(name))
    return [name for name, meta in found.items() if has_table_of(meta, doctype)]


def has_table_of(meta: Any, doctype: str) -> bool:
    """Whether one of the fields is a table of the doctype."""
    return any(
        part(field, "fieldtype") in ("Table", "Table MultiSelect") and part(field, "options") == doctype
        for field in part(meta, "fields") or ()
    )


def part(thing: Any, name: str) -> Any:
    """An item of a dict, or an attribute of a document."""
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


def hooks(name: str) -> list[Any]:
    """What the apps of the bench name in their hooks."""
    found: list[Any] = []
    for app in apps():
        try:
            module = __import__(f"{app}.hooks", fromlist=["hooks"])
        except ModuleNotFoundError as error:
            # An app without hooks, or one that is not installed here; not an app whose hooks are broken.
            if error.name not in (app, f"{app}.hooks"):
                raise
            continue
        given = getattr(module, name, None)
        if isinstance(given, str) or not isinstance(given, Iterable):
            given = [] if given is None else [given]
        found.extend(given)
    return found


def apps() -> list[str]:
    """The apps of the bench, from `sites/apps.txt`."""
    folder = getattr(local, "sites_path", None)
    if folder is None:
        return []
    try:
        with open(os.path.join(folder, "apps.txt"), encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        return []


def call(hook: Any) -> None:
    """Calls a function that is named by its dotted path."""
    if isinstance(hook, str):
        module, _, name = hook.rpartition(".")
        hook = getattr(__import__(module, fromlist=[name]), name)
    hook()
