"""What type checkers see of a client: whether it is one of asyncio. `libraries.py` looks closer."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol


class AsyncClient(Protocol):
    """redis.asyncio.Redis, redis.asyncio.RedisCluster, and those of valkey.asyncio."""

    def aclose(self) -> Awaitable[None]: ...


class SyncClient(Protocol):
    """redis.Redis, redis.RedisCluster, valkey.Valkey, valkey.ValkeyCluster."""

    def close(self) -> None: ...

    def __enter__(self) -> Any: ...
