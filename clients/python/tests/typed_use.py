"""What type checkers see. Not run: mypy checks it."""

from typing import assert_type

import redis
import redis.asyncio
import valkey
import valkey.asyncio

import redis_durable
from redis_durable import AsyncDurable, Durable, SlotRow, durable, prefill

assert_type(durable(redis.Redis()), Durable)
assert_type(durable(redis.RedisCluster()), Durable)
assert_type(durable(redis.asyncio.Redis()), AsyncDurable)
assert_type(durable(redis.asyncio.RedisCluster()), AsyncDurable)
assert_type(durable(valkey.Valkey()), Durable)
assert_type(durable(valkey.ValkeyCluster()), Durable)
assert_type(durable(valkey.asyncio.Valkey()), AsyncDurable)
assert_type(durable(valkey.asyncio.ValkeyCluster()), AsyncDurable)


def sync(client: redis.Redis) -> None:
    d = durable(client, replicas="majority", timeout_ms=500)
    assert_type(d.set("k", "v", nx=True, replicas=2), bool | bytes | str | None)
    assert_type(d.hset("k", "f", "v"), int)
    assert_type(d.zincrby("k", 1.5, "m", fsync=1), float)
    assert_type(d.wait(key="k"), int)
    assert_type(d.slothint_slots("k"), tuple[SlotRow, ...])
    d.set("k", "v", replicas="most")  # type: ignore[arg-type]
    d.set("k", "v", replica=2)  # type: ignore[call-arg]
    try:
        d.incr("k")
    except redis_durable.Unacked as error:
        assert_type(error.acknowledged, int | None)
        assert_type(error.executed, bool)


async def with_asyncio(client: redis.asyncio.RedisCluster) -> None:
    d = durable(client)
    assert_type(await d.incr("k"), int)
    assert_type(await prefill(client, ["k"]), int)


assert_type(prefill(redis.RedisCluster(), ["k"]), int)
assert_type(prefill(redis.RedisCluster()), int)
