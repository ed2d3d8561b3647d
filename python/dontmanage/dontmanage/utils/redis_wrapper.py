"""redis-py's client with the cache's methods."""

from dontmanage_cache.redis_wrapper import RedisWrapper

__all__ = ["RedisWrapper"]
