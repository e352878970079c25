"""The connections of the client: given back, and never left with a reply of another command."""

from __future__ import annotations

import asyncio
import importlib

import kinds
import pytest
from servers import Sentinel, eventually

KEY = "{connection}k"
SINGLE = [kind for kind in kinds.ALL if not kind.cluster]


def test_a_connection_is_given_back(kind, place, opened):
    limit = {} if kind.cluster else {"max_connections": 1}
    client = opened(kind, place.port, **limit)
    durable = client.durable()
    place.primary(KEY).control.delete(KEY)
    for number in range(1, 4):
        assert durable.incr(KEY) == number
        with pytest.raises(Exception, match="NOREPLICAS"):
            durable.incr(KEY, replicas=9)
        assert durable.once("GET", KEY) == str(number).encode()
    place.primary(KEY).control.delete(KEY)


def test_a_late_reply_answers_no_other_command(kind, place, opened, impatience):
    client = opened(kind, place.port)
    durable = client.durable(timeout_ms=50_000)
    assert durable.set(KEY, "text") is True
    impatience.with_command("APPEND")
    for replica in place.replicas(KEY):
        replica.pause()
    try:
        with pytest.raises(Exception, match="[Tt]ime(d )?out"):
            durable.append("{connection}other", "x")
    finally:
        impatience.end()
        for node in place.servers.nodes if place.is_cluster else place.servers.replicas:
            node.resume()
    eventually("the late reply", lambda: place.primary(KEY).field("durable_waiters") == 0)
    assert durable.get(KEY) == b"text"
    assert client.get(KEY) == b"text"
    place.primary(KEY).control.delete(KEY, "{connection}other")
    place.wait_until_ready()


@pytest.mark.parametrize(
    "kind", [kind for kind in kinds.ALL if kind.is_async], ids=lambda kind: kind.name
)
def test_a_cancelled_task_leaves_no_reply_behind(kind, place, opened):
    client = opened(kind, place.port)
    durable = client.durable(timeout_ms=50_000)
    primary = place.primary(KEY)
    assert durable.set(KEY, "text") is True
    for replica in place.replicas(KEY):
        replica.pause()

    async def cancelled():
        task = asyncio.ensure_future(durable._wrapped.append("{connection}other", "x"))
        while primary.field("durable_waiters") == 0:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    try:
        client.loop.run_until_complete(cancelled())
    finally:
        for node in place.servers.nodes if place.is_cluster else place.servers.replicas:
            node.resume()
    assert durable.get(KEY) == b"text"
    primary.control.delete(KEY, "{connection}other")
    place.wait_until_ready()


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.name)
def test_a_connection_to_a_replica_is_closed(kind, pair, opened):
    """A new one leads to the primary, where the name or the address has moved."""
    replica = pair.replicas[0]
    client = opened(kind, replica.port)
    read_only = importlib.import_module(f"{kind.library}.exceptions").ReadOnlyError
    before = replica.info("stats")["total_connections_received"]
    for _ in range(3):
        with pytest.raises(read_only):
            client.durable().set(KEY, "v")
    assert replica.info("stats")["total_connections_received"] == before + 3


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.name)
def test_once_goes_on_through_a_failover_by_sentinel(kind, broken):
    """The client of the Sentinel finds the new primary."""
    sentinel = Sentinel(broken.primary)
    try:
        package = kind.library + (".asyncio" if kind.is_async else "")
        module = importlib.import_module(f"{package}.sentinel")
        client = kinds.Blocking(
            lambda: module.Sentinel([("127.0.0.1", sentinel.port)]).master_for(
                "main", socket_timeout=60
            )
        )
        durable = client.durable(timeout_ms=40_000)
        assert durable.incr(KEY) == 1
        assert durable.once("INCR", KEY) == 2
        former = broken.primary
        former.run("DURABLE.WAIT", "REPLICAS", 2)
        sentinel.fail_over()
        assert durable.once("INCR", KEY) == 3
        assert former.run("ROLE")[0] == "slave"
        client.close()
    finally:
        sentinel.stop()
