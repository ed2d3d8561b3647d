"""The cache of documents, for a database layer of the program's own.

>>> from dontmanage import documents
>>> documents.register(lambda doctype, name: {"doctype": doctype, "name": name}, doctypes=["Item"])
>>> documents.get("Item", "apple")
{'doctype': 'Item', 'name': 'apple'}
>>> documents.invalidate("Item", "apple")
True
"""

from dontmanage_cache.documents import Writes, get, get_value, invalidate, last_modified, register

__all__ = ["Writes", "get", "get_value", "invalidate", "last_modified", "register"]
