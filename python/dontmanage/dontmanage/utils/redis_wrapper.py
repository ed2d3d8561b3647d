"""redis-py's client with the cache's methods.

>>> import dontmanage
>>> from dontmanage.utils.redis_wrapper import RedisWrapper
>>> client = RedisWrapper.from_url(dontmanage.conf.redis_cache)
>>> client.set_value("total", 42)
>>> client.get_value("total"), client.exists("total")
(42, 1)
"""

from dontmanage_cache.redis_wrapper import RedisWrapper

__all__ = ["RedisWrapper"]
