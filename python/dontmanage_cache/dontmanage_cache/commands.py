"""The commands of Redis that the library does not have itself, by redis-py.

>>> import dontmanage
>>> dontmanage.cache.incrby(dontmanage.cache.make_key("hits"), 1)
1
"""

from __future__ import annotations

from ._core import Cache as CoreCache
from ._core import current

# `typing` costs more to import than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import redis

    class Base(CoreCache, redis.Redis):  # type: ignore[misc]
        """What type checkers see: the commands that are added below, as redis-py declares them."""

        # redis-py's own would make every object an Any.
        def __init__(self, *_args: object, **_options: object) -> None: ...

else:
    Base = CoreCache

__all__ = ["Cache"]

# What redis-py's client offers beside. By name, because a `__getattr__` would slow every call down.
NAMES = """
acl_cat acl_deluser acl_dryrun acl_genpass acl_getuser acl_help acl_list acl_load acl_log acl_log_reset
acl_save acl_setuser acl_users acl_whoami append auth auto_close_connection_pool bf bgrewriteaof bgsave
bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin
cf client client_getname client_getredir client_id client_info client_kill client_kill_filter
client_list client_no_evict client_no_touch client_pause client_reply client_setinfo client_setname
client_tracking client_tracking_off client_tracking_on client_trackinginfo client_unblock client_unpause
close cluster cms command command_count command_docs command_getkeys command_getkeysandflags
command_info command_list config_get config_resetstat config_rewrite config_set connection
connection_pool copy dbsize debug_object debug_segfault decr decrby delete dump echo eval eval_ro
evalsha evalsha_ro execute_command expire expireat expiretime failover fcall fcall_ro flushall flushdb
from_pool from_url ft function_delete function_dump function_flush function_kill function_list
function_load function_restore function_stats geoadd geodist geohash geopos georadius georadiusbymember
geosearch geosearchstore get get_cache get_connection_kwargs get_encoder get_retry getbit getdel getex
getrange getset hello hexpire hexpireat hexpiretime hgetdel hgetex hincrby hincrbyfloat hlen hmget hmset
hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hscan hscan_iter hsetex hsetnx hstrlen httl
hvals incr incrby incrbyfloat info json keys lastsave latency_doctor latency_graph latency_histogram
latency_history latency_latest latency_reset lcs lindex linsert lmove lmpop load_external_module lock
lolwut lpos lpushx lrem lset memory_doctor memory_help memory_malloc_stats memory_purge memory_stats
memory_usage mget migrate module_list module_load module_loadex module_unload monitor move mset msetnx
object parse_response persist pexpire pexpireat pexpiretime pfadd pfcount pfmerge ping pipeline psetex
psync pttl publish pubsub pubsub_channels pubsub_numpat pubsub_numsub pubsub_shardchannels
pubsub_shardnumsub quit randomkey readonly readwrite register_script rename renamenx replicaof reset
response_callbacks restore role rpoplpush rpushx save scan scan_iter scard script_debug script_exists
script_flush script_kill script_load sdiff sdiffstore select sentinel sentinel_ckquorum
sentinel_failover sentinel_flushconfig sentinel_get_master_addr_by_name sentinel_master sentinel_masters
sentinel_monitor sentinel_remove sentinel_reset sentinel_sentinels sentinel_set sentinel_slaves set
set_response_callback set_retry setbit setex setnx setrange shutdown single_connection_lock sinter
sintercard sinterstore slaveof slowlog_get slowlog_len slowlog_reset smismember smove sort sort_ro
spublish sscan sscan_iter stralgo strlen substr sunion sunionstore swapdb sync tdigest time topk touch
transaction ts ttl type unlink unwatch vset wait waitaof watch xack xadd xautoclaim xclaim xdel
xgroup_create xgroup_createconsumer xgroup_delconsumer xgroup_destroy xgroup_setid xinfo_consumers
xinfo_groups xinfo_stream xlen xpending xpending_range xrange xread xreadgroup xrevrange xtrim zadd
zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax
zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex
zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscan_iter
zscore zunion zunionstore
""".split()  # noqa: SIM905 - a tenth of the lines

_clients: dict[str, Any] = {}


def client() -> Any:
    """A redis-py client of the site's server; it is made, and redis-py imported, at the first use."""
    from .sites import default_server

    frame = current()
    server = frame.server if frame is not None else None
    if server is None:
        server = default_server()
    url = server.full_url()
    found = _clients.get(url)
    if found is None:
        from .redis_wrapper import RedisWrapper

        found = _clients.setdefault(url, RedisWrapper.of(server))
    return found


class Command:
    """A command of redis-py's client, or what else it has."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, cache: CoreCache | None, owner: type[CoreCache]) -> Any:
        if cache is None:
            return self
        try:
            return getattr(client(), self.name)
        except ImportError as error:
            raise AttributeError(
                f"`{self.name}` is a command that redis-py carries out: `pip install redis` ({error})"
            ) from error


class Cache(Base):
    """The cache of the site that this thread or task is in.

    Every other command of Redis is there too, by redis-py, which is imported at the first such use. These
    take keys as they are given, so make them with `make_key`, and raise what redis-py raises.

    >>> import dontmanage
    >>> dontmanage.cache.incrby(dontmanage.cache.make_key("hits"), 1)
    1
    """

    # For tests of programs, which put calls of their own in the place of these.
    __slots__ = ("__dict__",)

    def __getitem__(self, name: Any) -> Any:
        return client()[name]

    def __setitem__(self, name: Any, value: Any) -> None:
        client()[name] = value

    def __delitem__(self, name: Any) -> None:
        del client()[name]

    def __contains__(self, name: Any) -> bool:  # type: ignore[override]
        return bool(client().exists(name, shared=True))

    # Not to be walked over by way of `__getitem__`.
    __iter__ = None

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *error: object) -> None:
        pass


for _name in NAMES:
    setattr(Cache, _name, Command(_name))
