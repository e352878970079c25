"""Durable writes and slot hints of the module redis-durable, on redis-py and valkey-py.

    import redis
    from redis_durable import durable

    d = durable(redis.Redis(), replicas=1)
    d.set("order:1", "paid")            # True, when a replica has it
    d.once("INCR", "orders")            # executed once, whatever breaks meanwhile

`durable()` takes redis.Redis, redis.RedisCluster, both of redis.asyncio, and those of valkey-py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from redis_durable.durable import Durable
from redis_durable.durable_async import AsyncDurable
from redis_durable.errors import (
    Closed,
    DurableError,
    NoReplicas,
    OnceTimeout,
    Overloaded,
    Unacked,
    Unblocked,
)
from redis_durable.libraries import recognize
from redis_durable.prefill import prefill
from redis_durable.replies import (
    Hint,
    Node,
    Owner,
    ReplicaLink,
    SlotHint,
    SlotMap,
    SlotRange,
    SlotRow,
)
from redis_durable.requirement import Replicas

if TYPE_CHECKING:
    from redis_durable.clients import AsyncClient, SyncClient

__all__ = [
    "AsyncDurable",
    "Closed",
    "Durable",
    "DurableError",
    "Hint",
    "NoReplicas",
    "Node",
    "OnceTimeout",
    "Overloaded",
    "Owner",
    "ReplicaLink",
    "Replicas",
    "SlotHint",
    "SlotMap",
    "SlotRange",
    "SlotRow",
    "Unacked",
    "Unblocked",
    "durable",
    "prefill",
]


@overload
def durable(
    client: AsyncClient,
    *,
    replicas: Replicas | None = None,
    fsync: int | None = None,
    timeout_ms: int | None = None,
) -> AsyncDurable: ...
@overload
def durable(
    client: SyncClient,
    *,
    replicas: Replicas | None = None,
    fsync: int | None = None,
    timeout_ms: int | None = None,
) -> Durable: ...
def durable(
    client: Any,
    *,
    replicas: Replicas | None = None,
    fsync: int | None = None,
    timeout_ms: int | None = None,
) -> Durable | AsyncDurable:
    """Durable commands on this client. The options are the defaults of all its calls.

    * `replicas`: how many replicas have to acknowledge: a number, "majority" or "all".
    * `fsync`: how many of them have it on disk.
    * `timeout_ms`: how long the server waits; 0 has no limit.

    Without an option the server's configuration decides. Raises ValueError for an option that
    cannot be, and if the client's socket_timeout is not above the timeout; TypeError for anything
    that is not a client.
    """
    kind = AsyncDurable if recognize(client).is_async else Durable
    return kind(client, replicas=replicas, fsync=fsync, timeout_ms=timeout_ms)
