"""Doctypes and documents.

fields.py       kinds of fields: what they hold, what column holds it
doctype.py      what a doctype's declaration says
declared.py     the declarations of a site's apps and folders
tables.py       the tables of doctypes
document.py     `Document`
naming.py       what a new document is called
loading.py      documents from the database
storing.py      documents to the database
singles.py      doctypes with one document, whose values are rows
renaming.py     another name, and who refers to it
migrating.py    makes and alters tables
"""

from importlib.util import find_spec

if find_spec("sqlalchemy") is None:
    raise ImportError(
        "documents need SQLAlchemy, which is not installed: run `bench setup env`, or "
        "`pip install 'dontmanage_cache[documents]'`",
        name="sqlalchemy",
    )
