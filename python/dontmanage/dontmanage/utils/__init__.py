"""What the documentation shows under `dontmanage.utils`: `caching` and `redis_wrapper`.

>>> from dontmanage.utils.caching import redis_cache
>>> from dontmanage.utils.redis_wrapper import RedisWrapper
"""
