"""What documents are objects of.

>>> from dontmanage.model.document import Document
>>> import dontmanage
>>> isinstance(dontmanage.get_doc("Customer", "ann"), Document)
True
"""

from dontmanage_cache.model.document import Document

__all__ = ["Document"]
