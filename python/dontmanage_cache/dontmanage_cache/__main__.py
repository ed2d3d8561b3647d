"""The command line for the sites of a bench, where no framework has one:
`python -m dontmanage_cache migrate-doctypes|clear-cache|clear-website-cache --site SITE`."""

from __future__ import annotations

import argparse
import os
import sys

import dontmanage_cache as dontmanage

UNHEALTHY = 5
"""The exit status of `bench` where a server does not answer."""


def migrate_doctypes(site: str) -> list[str]:
    """Make and alter the tables of the site's doctypes."""
    from .model.migrating import migrate

    return migrate() or ["the tables are what the doctypes declare"]


def clear_cache(site: str) -> list[str]:
    """Empty the site's cache, but for what its apps keep."""
    dontmanage.clear_cache()
    return ["the cache is cleared"]


def clear_website_cache(site: str) -> list[str]:
    """Forget what is cached of the site's pages."""
    from .clearing import clear_website_cache

    clear_website_cache()
    return ["the cache of the pages is cleared"]


COMMANDS = {
    "migrate-doctypes": migrate_doctypes,
    "clear-cache": clear_cache,
    "clear-website-cache": clear_website_cache,
}


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench --site SITE", description="What a site has.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, done_by in COMMANDS.items():
        command = commands.add_parser(name, help=done_by.__doc__)
        command.add_argument("--site", action="append", required=True, help="the site; may be given again")
    given = parser.parse_args(words)
    status = 0
    for site in given.site:
        try:
            dontmanage.connect(site)
            if given.command != "migrate-doctypes" and not dontmanage.cache.connected():
                print(
                    f"error: no redis-server answers; nothing was cleared\n  where: site `{site}`\n"
                    "  fix: is the bench running? start it with `bench start`",
                    file=sys.stderr,
                )
                status = UNHEALTHY
                continue
            done = COMMANDS[given.command](site)
        except dontmanage.CacheError as error:
            print(f"error: {error}\n  where: site `{site}`", file=sys.stderr)
            status = status or 1
        else:
            for line in done:
                print(f"{site}: {line}")
        finally:
            dontmanage.destroy()
    return status


if __name__ == "__main__":
    # Run in `sites/`, as all that is handed on to Python is.
    os.environ.setdefault("SITES_PATH", os.getcwd())
    sys.exit(main())
