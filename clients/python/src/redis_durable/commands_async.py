"""The family for asyncio. `tools/make_async.py` makes it from `commands.py`."""

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


class AsyncCommands:
    """Each method answers what the client's method of this name answers, once the replicas have it.

    Each takes the options `replicas`, `fsync` and `timeout_ms`, and raises Unacked, NoReplicas,
    Overloaded, Unblocked or Closed; ValueError for an option that cannot be; and the client's own
    errors. A timeout or a broken connection leaves the outcome unknown: nothing is sent again.
    """

    async def _family(self, method: str, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError

    async def set(self, name: Key, value: Value, **options: Unpack[SetOptions]) -> bool | Reply | None:
        """True; None if NX or XX prevented it; with `get=True` the old value or None."""
        return await self._family("set", name, value, **options)

    async def get(self, name: Key, **options: Unpack[Options]) -> Reply | None:
        """The value, which the required replicas have too, or None."""
        return await self._family("get", name, **options)

    async def getdel(self, name: Key, **options: Unpack[Options]) -> Reply | None:
        """The value that was deleted, or None."""
        return await self._family("getdel", name, **options)

    async def mset(self, mapping: Mapping[Any, Value], **options: Unpack[Options]) -> bool:
        """True. In a cluster all keys have to be in one slot."""
        return await self._family("mset", mapping, **options)

    async def append(self, key: Key, value: Value, **options: Unpack[Options]) -> int:
        """The new length."""
        return await self._family("append", key, value, **options)

    async def incr(self, name: Key, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number. `once("INCR", name)` is safe to send again, this is not."""
        return await self._family("incr", name, amount, **options)

    async def incrby(self, name: Key, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number."""
        return await self._family("incrby", name, amount, **options)

    async def decr(self, name: Key, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number."""
        return await self._family("decr", name, amount, **options)

    async def decrby(self, name: Key, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number."""
        return await self._family("decrby", name, amount, **options)

    async def incrbyfloat(self, name: Key, amount: float = 1.0, **options: Unpack[Options]) -> float:
        """The new number."""
        return await self._family("incrbyfloat", name, amount, **options)

    async def delete(self, *names: Key, **options: Unpack[Options]) -> int:
        """How many keys were deleted. In a cluster all have to be in one slot."""
        return await self._family("delete", *names, **options)

    async def unlink(self, *names: Key, **options: Unpack[Options]) -> int:
        """How many keys were deleted. In a cluster all have to be in one slot."""
        return await self._family("unlink", *names, **options)

    async def expire(self, name: Key, time: Any, **options: Unpack[ExpireOptions]) -> bool:
        """Whether the key got this time to live: seconds, or a timedelta."""
        return await self._family("expire", name, time, **options)

    async def pexpire(self, name: Key, time: Any, **options: Unpack[ExpireOptions]) -> bool:
        """Whether the key got this time to live: milliseconds, or a timedelta."""
        return await self._family("pexpire", name, time, **options)

    async def persist(self, name: Key, **options: Unpack[Options]) -> bool:
        """Whether the key had a time to live, which is removed."""
        return await self._family("persist", name, **options)

    async def rename(self, src: Key, dst: Key, **options: Unpack[Options]) -> bool:
        """True. In a cluster both keys have to be in one slot."""
        return await self._family("rename", src, dst, **options)

    async def hset(
        self,
        name: Key,
        key: Value | None = None,
        value: Value | None = None,
        mapping: Mapping[Any, Value] | None = None,
        items: list[Any] | None = None,
        **options: Unpack[Options],
    ) -> int:
        """How many fields are new."""
        return await self._family("hset", name, key, value, mapping, items, **options)

    async def hsetnx(self, name: Key, key: Value, value: Value, **options: Unpack[Options]) -> int:
        """1 if the field is new, 0 if it was there and keeps its value."""
        return await self._family("hsetnx", name, key, value, **options)

    async def hdel(self, name: Key, *keys: Value, **options: Unpack[Options]) -> int:
        """How many fields were deleted."""
        return await self._family("hdel", name, *keys, **options)

    async def hincrby(self, name: Key, key: Value, amount: int = 1, **options: Unpack[Options]) -> int:
        """The new number."""
        return await self._family("hincrby", name, key, amount, **options)

    async def lpush(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """The new length."""
        return await self._family("lpush", name, *values, **options)

    async def rpush(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """The new length."""
        return await self._family("rpush", name, *values, **options)

    async def lpop(
        self, name: Key, count: int | None = None, **options: Unpack[Options]
    ) -> Reply | list[Reply] | None:
        """The element, or None; with `count` a list of elements, or None."""
        return await self._family("lpop", name, count, **options)

    async def rpop(
        self, name: Key, count: int | None = None, **options: Unpack[Options]
    ) -> Reply | list[Reply] | None:
        """The element, or None; with `count` a list of elements, or None."""
        return await self._family("rpop", name, count, **options)

    async def lmove(
        self,
        first_list: Key,
        second_list: Key,
        src: str = "LEFT",
        dest: str = "RIGHT",
        **options: Unpack[Options],
    ) -> Reply | None:
        """The element that was moved, or None."""
        return await self._family("lmove", first_list, second_list, src, dest, **options)

    async def sadd(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """How many members are new."""
        return await self._family("sadd", name, *values, **options)

    async def srem(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """How many members were removed."""
        return await self._family("srem", name, *values, **options)

    async def zadd(
        self, name: Key, mapping: Mapping[Any, Any], **options: Unpack[ZaddOptions]
    ) -> int | float | None:
        """How many members are new (with `ch`, changed); with `incr` the new score, or None."""
        return await self._family("zadd", name, mapping, **options)

    async def zrem(self, name: Key, *values: Value, **options: Unpack[Options]) -> int:
        """How many members were removed."""
        return await self._family("zrem", name, *values, **options)

    async def zincrby(self, name: Key, amount: float, value: Value, **options: Unpack[Options]) -> float:
        """The new score."""
        return await self._family("zincrby", name, amount, value, **options)

    async def xadd(
        self,
        name: Key,
        fields: Mapping[Any, Value],
        id: str = "*",
        **options: Unpack[XaddOptions],
    ) -> Reply | None:
        """The id of the entry; None if `nomkstream` prevented it."""
        return await self._family("xadd", name, fields, id, **options)

    async def xdel(self, name: Key, *ids: Value, **options: Unpack[Options]) -> int:
        """How many entries were deleted."""
        return await self._family("xdel", name, *ids, **options)

    async def xack(self, name: Key, groupname: Key, *ids: Value, **options: Unpack[Options]) -> int:
        """How many entries were acknowledged."""
        return await self._family("xack", name, groupname, *ids, **options)
