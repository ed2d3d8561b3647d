"""Doctypes, as Python files declare them.

>>> from dontmanage.model import DocType, Field
>>> DocType("Customer", [Field("email", unique=True), Field("credit", "Currency")]).table
'tabCustomer'
"""

from dontmanage_cache.model.declared import declare
from dontmanage_cache.model.doctype import DocType
from dontmanage_cache.model.fields import Field

__all__ = ["DocType", "Field", "declare"]
