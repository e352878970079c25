"""A durable write is sent once, whatever the client's own retries are."""

from __future__ import annotations

import importlib
import inspect
import threading

import pytest
import redis
from servers import eventually

KEY = "{double}k"
#: Nothing waits as long as this.
TIMEOUT_MS = 50_000


def with_retries(kind, **more):
    """Settings of a client that sends again eagerly."""
    settings = dict(more)
    arguments = inspect.signature(kind.client_class().__init__).parameters
    if kind.cluster and "cluster_error_retry_attempts" in arguments and "retry" not in arguments:
        return settings | {"cluster_error_retry_attempts": 4}
    package = kind.library + (".asyncio" if kind.is_async else "")
    retry = importlib.import_module(f"{package}.retry").Retry
    no_backoff = importlib.import_module(f"{kind.library}.backoff").NoBackoff
    errors = importlib.import_module(f"{kind.library}.exceptions")
    if not kind.cluster:
        settings |= {"retry_on_error": [errors.TimeoutError, errors.ConnectionError]}
    return settings | {"retry": retry(no_backoff(), 4)}


def is_timeout(error, kind):
    return isinstance(error, importlib.import_module(f"{kind.library}.exceptions").TimeoutError)


def wait_until_executed(place, primary, client):
    """Waits until the server has executed all that was sent: connections end after that."""
    client.close()
    eventually("the client to be gone", primary.only_control_is_connected)


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "plain"])
def test_with_frozen_replicas(kind, place, opened, impatience, durable):
    """The primary executes the write, the client gives up. Without the wrapper it sends again."""
    primary = place.primary(KEY)
    primary.control.delete(KEY)
    client = opened(kind, place.port, **with_retries(kind))
    client.durable().set("{double}other", "v")
    frozen = place.replicas(KEY)
    for replica in frozen:
        replica.pause()
    impatience.with_servers(frozen)
    impatience.with_command("INCR")
    try:
        with pytest.raises(Exception) as raised:
            if durable:
                client.durable(timeout_ms=TIMEOUT_MS).incr(KEY)
            else:
                client.execute_command("DURABLE.INCR", KEY, "TIMEOUT", TIMEOUT_MS)
        assert is_timeout(raised.value, kind)
    finally:
        impatience.end()
        for replica in frozen:
            replica.resume()
    wait_until_executed(place, primary, client)
    executed = int(primary.control.get(KEY) or 0)
    assert executed == 1 if durable else executed > 1
    primary.control.delete(KEY)
    place.wait_until_ready()


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "plain"])
def test_with_a_frozen_primary(kind, place, opened, impatience, durable):
    """The primary executes the write when it runs again."""
    primary = place.primary(KEY)
    primary.control.delete(KEY)
    # A connection that says nothing when it is made can be made to a frozen server.
    client = opened(kind, place.port, protocol=2, **with_retries(kind), **silent(kind))
    client.durable().set("{double}other", "v")
    primary.pause()
    impatience.with_servers([primary])
    try:
        with pytest.raises(Exception) as raised:
            if durable:
                client.durable(timeout_ms=TIMEOUT_MS).incr(KEY)
            else:
                client.incr(KEY)
        assert is_timeout(raised.value, kind)
    finally:
        impatience.end()
        primary.resume()
    wait_until_executed(place, primary, client)
    executed = int(primary.control.get(KEY) or 0)
    assert executed == 1 if durable else executed > 1
    primary.control.delete(KEY)
    place.wait_until_ready()


def silent(kind):
    settings = {"lib_name": None, "lib_version": None}
    if kind.library == "redis" and "driver_info" in inspect.signature(redis.Redis).parameters:
        settings["driver_info"] = None
    return settings


def test_when_the_connection_breaks(kind, place, opened):
    """The server closes the connection of a waiting write."""
    primary = place.primary(KEY)
    primary.control.delete(KEY)
    client = opened(kind, place.port, **with_retries(kind))
    client.durable().set("{double}other", "v")
    for replica in place.replicas(KEY):
        replica.pause()
    errors = []

    def write():
        try:
            client.durable(timeout_ms=TIMEOUT_MS).incr(KEY)
        except Exception as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    try:
        writer.start()
        eventually("the write to wait", lambda: primary.field("durable_waiters") == 1)
        blocked = [each for each in primary.control.client_list() if "b" in each["flags"]]
        primary.control.client_kill_filter(_id=blocked[0]["id"])
        writer.join()
    finally:
        for node in place.servers.nodes if place.is_cluster else place.servers.replicas:
            node.resume()
    expected = importlib.import_module(f"{kind.library}.exceptions").ConnectionError
    assert isinstance(errors[0], expected)
    assert primary.control.get(KEY) == "1"
    primary.control.delete(KEY)
    place.wait_until_ready()
