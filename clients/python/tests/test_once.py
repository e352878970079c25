"""once() goes on until there is a reply, and the command is executed once."""

from __future__ import annotations

import threading
import time

import kinds
import pytest
import redis
from servers import Replicated, eventually

from redis_durable import NoReplicas, OnceTimeout, Unacked
from redis_durable.errors import translated
from redis_durable.libraries import Library
from redis_durable.once import Attempts

KEY = "{once}k"
SINGLE = [kind for kind in kinds.ALL if not kind.cluster]
CLUSTER = [kind for kind in kinds.ALL if kind.cluster]


def test_the_same_id_repeats_the_first_reply(kind, place, opened):
    place.primary(KEY).control.delete(KEY)
    durable = opened(kind, place.port).durable()
    operation = f"{kind.name}-{time.time_ns()}"
    assert [durable.once("INCR", KEY, id=operation) for _ in range(3)] == [1, 1, 1]
    assert durable.once("INCR", KEY) == 2
    assert durable.once("INCR", KEY, replicas=1, timeout_ms=40_000) == 3
    place.primary(KEY).control.delete(KEY)


def test_it_goes_on_through_unacked(kind, place, opened):
    primary = place.primary(KEY)
    primary.control.delete(KEY)
    durable = opened(kind, place.port).durable(timeout_ms=20)
    frozen = place.replicas(KEY)
    durable.wait(**({"key": KEY} if kind.cluster else {}))
    for replica in frozen:
        replica.pause()
    before = primary.field("durable_unacked_total")
    replies = []
    writer = threading.Thread(target=lambda: replies.append(durable.once("INCR", KEY)))
    try:
        writer.start()
        eventually("three tries", lambda: primary.field("durable_unacked_total") >= before + 3)
    finally:
        for replica in frozen:
            replica.resume()
    writer.join()
    assert replies == [1]
    assert primary.control.get(KEY) == "1"
    primary.control.delete(KEY)
    place.wait_until_ready()


def test_it_goes_on_through_timeouts_of_the_client(kind, place, opened, impatience):
    primary = place.primary(KEY)
    primary.control.delete(KEY)
    client = opened(kind, place.port)
    durable = client.durable(timeout_ms=50_000)
    frozen = place.replicas(KEY)
    durable.wait(**({"key": KEY} if kind.cluster else {}))
    for replica in frozen:
        replica.pause()
    before = calls(primary)
    impatience.with_servers(frozen)
    impatience.with_command("DURABLE.ONCE")
    replies = []
    writer = threading.Thread(target=lambda: replies.append(durable.once("INCR", KEY)))
    try:
        writer.start()
        eventually("three tries", lambda: calls(primary) >= before + 3)
    finally:
        impatience.end()
        for replica in frozen:
            replica.resume()
    writer.join()
    assert replies == [1]
    assert primary.control.get(KEY) == "1"
    primary.control.delete(KEY)
    place.wait_until_ready()


def calls(primary):
    return primary.info("commandstats").get("cmdstat_durable.once", {}).get("calls", 0)


@pytest.fixture
def lasting():
    """A primary that keeps its data, and a replica."""
    servers = Replicated(1, appendonly="yes", appendfsync="always")
    yield servers
    servers.stop()


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.name)
def test_it_goes_on_through_killed_primaries(kind, lasting, opened):
    """Two writers count while the primary is frozen, killed and started again, twice."""
    primary = lasting.primary
    replies: list[int] = []
    stop = threading.Event()

    def write(client):
        durable = client.durable()
        while not stop.is_set():
            replies.append(durable.once("INCR", KEY))

    writers = [threading.Thread(target=write, args=(opened(kind, primary.port),)) for _ in range(2)]
    for writer in writers:
        writer.start()

    def progress(number):
        goal = len(replies) + number
        eventually(f"{number} more replies", lambda: len(replies) >= goal)

    for _ in range(2):
        progress(20)
        primary.pause()
        primary.kill()
        primary.start()
        progress(20)
    stop.set()
    for writer in writers:
        writer.join()
    count = int(primary.control.get(KEY))
    assert sorted(replies) == list(range(1, count + 1))


@pytest.mark.parametrize("kind", CLUSTER, ids=lambda kind: kind.name)
def test_it_goes_on_through_a_failover(kind, cluster, opened):
    """The owner of the key is killed, and its replica takes over."""
    owner = cluster.owner_of(KEY)
    replica = cluster.replica_of(owner)
    owner.control.delete(KEY)
    others = [node for node in cluster.nodes if node is not owner]
    client = opened(kind, others[0].port)
    # The former owner does not come back before the end: nobody else counts for the new one.
    durable = client.durable(replicas=0)
    assert durable.once("INCR", KEY) == 1
    eventually("the replica to have it", lambda: _has(owner, 1))
    operation = f"{kind.name}-{time.time_ns()}"
    assert durable.once("INCR", KEY, id=operation, replicas=1) == 2
    owner.kill()
    replies = []
    writer = threading.Thread(target=lambda: replies.append(durable.once("INCR", KEY)))
    writer.start()
    replica.run("CLUSTER", "FAILOVER", "TAKEOVER")
    writer.join()
    assert replies == [3]
    # The record went with the data.
    assert durable.once("INCR", KEY, id=operation) == 2
    assert replica.control.get(KEY) == "3"
    owner.start()
    replica.control.delete(KEY)
    cluster.wait_until_agreed()


def _has(owner, replicas):
    return owner.run("DURABLE.WAIT", "REPLICAS", replicas) >= replicas


def test_the_deadline_ends_it_and_names_the_id(kind, place, opened):
    place.primary(KEY).control.delete(KEY)
    durable = opened(kind, place.port).durable()
    with pytest.raises(OnceTimeout) as raised:
        durable.once("INCR", KEY, id="operation 7", replicas=9, deadline=0.1)
    assert raised.value.id == "operation 7"
    assert raised.value.executed is False
    assert isinstance(raised.value.__cause__, NoReplicas)
    assert "nothing was executed" in str(raised.value)
    assert not place.primary(KEY).control.exists(KEY)


def test_an_error_of_the_command_itself_ends_it(kind, place, opened):
    place.primary(KEY).control.set(KEY, "text")
    durable = opened(kind, place.port).durable()
    with pytest.raises(Exception, match="not an integer"):
        durable.once("INCR", KEY)
    place.primary(KEY).control.delete(KEY)
    with pytest.raises(Exception, match="used for another command"):
        for amount in (1, 2):
            durable.once("INCRBY", KEY, amount, id=f"twice-{kind.name}")
    place.primary(KEY).control.delete(KEY)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def attempts(deadline, clock=None):
    return Attempts("id", deadline, Library("redis"), clock or Clock())


def reply(text):
    error = redis.ResponseError(text)
    return translated(error) or error


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("closed"),
        redis.TimeoutError("late"),
        redis.exceptions.ReadOnlyError("no"),
        redis.exceptions.TryAgainError("no"),
        redis.exceptions.ClusterDownError("down"),
        redis.exceptions.MasterDownError("down"),
        redis.exceptions.OutOfMemoryError("full"),
        redis.exceptions.BusyLoadingError("loading"),
        redis.exceptions.RedisClusterException("no node answers"),
        reply("UNACKED 0 of 1 replicas acknowledged"),
        reply("UNBLOCKED"),
        reply("NOREPLICAS 0 of 1 required"),
        reply("OVERLOADED 1 clients"),
        reply("CLOSED this primary"),
        reply("MISCONF Redis is configured"),
        reply("BUSY Redis is busy"),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:8]}",
)
def test_errors_after_which_it_tries_again(error):
    assert attempts(10).pause_after(error) > 0


@pytest.mark.parametrize(
    "error",
    [
        reply("WRONGTYPE Operation against a key"),
        redis.AuthenticationError("wrong password"),
        redis.exceptions.NoPermissionError("no"),
        redis.DataError("bad"),
        ValueError("bad"),
        reply("DURABLE.ONCE needs a command with a key; nothing was executed"),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:8]}",
)
def test_errors_that_end_it(error):
    with pytest.raises(type(error)) as raised:
        attempts(10).pause_after(error)
    assert raised.value is error


def test_pauses_grow_and_end_with_the_deadline():
    clock = Clock()
    tries = attempts(5, clock)
    pauses = [tries.pause_after(redis.ConnectionError("closed")) for _ in range(12)]
    assert pauses[0] < 0.03 and 0.5 <= pauses[-1] <= 1
    clock.now += 4.99
    assert tries.pause_after(redis.ConnectionError("closed")) <= 0.011
    clock.now += 0.01
    with pytest.raises(OnceTimeout, match="14 tries; the outcome is unknown"):
        tries.pause_after(redis.ConnectionError("closed"))


def test_one_unknown_try_makes_the_outcome_unknown():
    clock = Clock()
    tries = attempts(1, clock)
    tries.pause_after(Unacked("UNACKED 0 of 1 replicas acknowledged"))
    clock.now += 1
    with pytest.raises(OnceTimeout) as raised:
        tries.pause_after(NoReplicas("NOREPLICAS 0 of 1 required"))
    assert raised.value.executed is None
