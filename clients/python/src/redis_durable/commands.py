"""The family: a method for each command, with the arguments of the library's own method.

`commands_async.py` is made from this file by `tools/make_async.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from redis_durable.requirement import Options
    from redis_durable.types import (
        ExpireOptions,
        Key,
        Reply,
        SetOptions,
        Value,
        XaddOptions,
        ZaddOptions,
    )


class Commands:
    """Each method answers what the client's method of this name answers, once the replicas have it.

    Each takes the options `replicas`, `fsync` and `timeout_ms`, and raises Unacked, NoReplicas,
    Overloaded, Unblocked or Closed; ValueError for an option that cannot be; and the client's own
    errors. A timeout or a broken connection leaves the outcome unknown: nothing is sent again.
    """

    def _family(self, method: str, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError

    def set(self, name: Key, value: Value, **options: Unpack[SetOptions]) -> bool | Reply | None:
        """True; None if NX or XX prevented it; with `get=True` the old value or None."""
        return self._family("set", name, value, **options)

    def get(self, name: Key, **options: Unpack[Options]) -> Reply | None:
        """The value, which the required replicas have too, or None."""
        return self._family("get", name, **options)

    def getdel(self, name: Key, **options: Unpack[Options]) -> Reply | None:
        """The value that was deleted, or None."""
        return self._family("getdel", name, **options)

    def mset(self, mapping: Mapping[Any, Value], **options: Unpack[Options]) -> bool:
        """True. In a cluster all keys have to be in one slot."""
        return self._family("mset", mapping, **options)

    def append(self, key: Key, value: Value, **options: Unpack[Options]) -> int:
        """The new length."""
        return self._family("append", key, value, **options)

    def incr(self, name: Key, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number. `once("INCR", name)` is safe to send again, this is not."""
        return self._family("incr", name, amount, **options)

    def incrby(self, name: Key, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number."""
        return self._family("incrby", name, amount, **options)

    def decr(self, name: Key, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number."""
        return self._family("decr", name, amount, **options)

    def decrby(self, name: Key, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number."""
        return self._family("decrby", name, amount, **options)

    def incrbyfloat(self, name: Key, amount: float = 1.0, **options: Unpack[Options]) -> float:
        """The new number."""
        return self._family("incrbyfloat", name, amount, **options)

    def delete(self, *names: Key, **options: Unpack[Options]) -> int:
        """How many keys were deleted. In a cluster all have to be in one slot."""
        return self._family("delete", *names, **options)

    def unlink(self, *names: Key, **options: Unpack[Options]) -> int:
        """How many keys were deleted. In a cluster all have to be in one slot."""
        return self._family("unlink", *names, **options)

    def expire(self, name: Key, time: Any, **options: Unpack[ExpireOptions]) -> bool:
        """Whether the key got this time to live: seconds, or a timedelta."""
        return self._family("expire", name, time, **options)

    def pexpire(self, name: Key, time: Any, **options: Unpack[ExpireOptions]) -> bool:
        """Whether the key got this time to live: milliseconds, or a timedelta."""
        return self._family("pexpire", name, time, **options)

    def persist(self, name: Key, **options: Unpack[Options]) -> bool:
        """Whether the key had a time to live, which is removed."""
        return self._family("persist", name, **options)

    def rename(self, src: Key, dst: Key, **options: Unpack[Options]) -> bool:
        """True. In a cluster both keys have to be in one slot."""
        return self._family("rename", src, dst, **options)

    def hset(
        self,
        name: Key,
        key: Value | None = None,
        value: Value | None = None,
        mapping: Mapping[Any, Value] | None = None,
        items: list[Any] | None = None,
        **options: Unpack[Options],
    ) -> int:
        """How many fields are new."""
        return self._family("hset", name, key, value, mapping, items, **options)

    def hsetnx(self, name: Key, key: Value, value: Value, **options: Unpack[Options]) -> int:
        """1 if the field is new, 0 if it was there and keeps its value."""
        return self._family("hsetnx", name, key, value, **options)

    def hdel(self, name: Key, *keys: Value, **options: Unpack[Options]) -> int:
        """How many fields were deleted."""
        return self._family("hdel", name, *keys, **options)

    def hincrby(self, name: Key, key: Value, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number."""
        return self._family("hincrby", name, key, amount, **options)

    def lpush(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """The new length."""
        return self._family("lpush", name, *values, **options)

    def rpush(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """The new length."""
        return self._family("rpush", name, *values, **options)

    def lpop(
        self, name: Key, count: int | None = None, **options: Unpack[Options]
    ) -> Reply | list[Reply] | None:
        """The element, or None; with `count` a list of elements, or None."""
        return self._family("lpop", name, count, **options)

    def rpop(
        self, name: Key, count: int | None = None, **options: Unpack[Options]
    ) -> Reply | list[Reply] | None:
        """The element, or None; with `count` a list of elements, or None."""
        return self._family("rpop", name, count, **options)

    def lmove(
        self,
        first_list: Key,
        second_list: Key,
        src: str = "LEFT",
        dest: str = "RIGHT",
        **options: Unpack[Options],
    ) -> Reply | None:
        """The element that was moved, or None."""
        return self._family("lmove", first_list, second_list, src, dest, **options)

    def sadd(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """How many members are new."""
        return self._family("sadd", name, *values, **options)

    def srem(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """How many members were removed."""
        return self._family("srem", name, *values, **options)

    def zadd(
        self, name: Key, mapping: Mapping[Any, Any], **options: Unpack[ZaddOptions]
    ) -> int | float | None:
        """How many members are new (with `ch`, changed); with `incr` the new score, or None."""
        return self._family("zadd", name, mapping, **options)

    def zrem(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """How many members were removed."""
        return self._family("zrem", name, *values, **options)

    def zincrby(self, name: Key, amount: float, value: Value, **options: Unpack[Options]) -> float:
        """The new score."""
        return self._family("zincrby", name, amount, value, **options)

    def xadd(
        self,
        name: Key,
        fields: Mapping[Any, Value],
        id: str = "*",
        **options: Unpack[XaddOptions],
    ) -> Reply | None:
        """The id of the entry; None if `nomkstream` prevented it."""
        return self._family("xadd", name, fields, id, **options)

    def xdel(self, name: Key, *ids: Value, **options: Unpack[Options]) -> int:
        """How many entries were deleted."""
        return self._family("xdel", name, *ids, **options)

    def xack(self, name: Key, groupname: Key, *ids: Value, **options: Unpack[Options]) -> int:
        """How many entries were acknowledged."""
        return self._family("xack", name, groupname, *ids, **options)
