"""The command line: `python -m dontmanage_cache.model migrate-doctypes --site SITE`."""

from __future__ import annotations

import argparse
import os
import sys

import dontmanage_cache as dontmanage

from .migrating import migrate


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench --site SITE", description="Doctypes of a site.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("migrate-doctypes", help="make and alter the tables of the site's doctypes")
    command.add_argument("--site", action="append", required=True, help="the site; may be given again")
    given = parser.parse_args(words)
    failed = False
    for site in given.site:
        try:
            dontmanage.connect(site)
            done = migrate()
        except dontmanage.CacheError as error:
            print(f"error: {error}\n  where: site `{site}`", file=sys.stderr)
            failed = True
        else:
            for line in done or ["the tables are what the doctypes declare"]:
                print(f"{site}: {line}")
        finally:
            dontmanage.destroy()
    return 1 if failed else 0


if __name__ == "__main__":
    # Run in `sites/`, as all that is handed on to Python is.
    os.environ.setdefault("SITES_PATH", os.getcwd())
    sys.exit(main())
