"""A durable write is sent once, whatever the client's own retries are."""

from __future__ import annotations

import importlib
import inspect
import threading

import pytest
import redis
from servers import eventually, patiently

from redis_durable import requirement

KEY = "{double}k"
SOCKET_TIMEOUT = 0.25


def with_retries(kind, **more):
    """Settings of a client that gives up quickly and sends again eagerly."""
    settings = {"socket_timeout": SOCKET_TIMEOUT, "socket_connect_timeout": 10, **more}
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


@pytest.fixture
def impatient(monkeypatch):
    """Lets a client have a socket timeout below the server's timeout of a second."""
    monkeypatch.setattr(requirement, "SERVER_TIMEOUT_MS", 50)


def is_timeout(error, kind):
    return isinstance(error, importlib.import_module(f"{kind.library}.exceptions").TimeoutError)


def wait_until_executed(place, primary, client):
    """Waits until the server has executed all that was sent: connections end after that."""
    client.close()
    eventually("the client to be gone", primary.only_control_is_connected)


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "plain"])
def test_with_frozen_replicas(kind, place, opened, impatient, durable):
    """The primary executes the write, the client gives up. Without the wrapper it sends again."""
    primary = place.primary(KEY)
    primary.control.delete(KEY)
    client = opened(kind, place.port, **with_retries(kind))
    patiently(lambda: client.durable().set("{double}other", "v"))
    for replica in place.replicas(KEY):
        replica.pause()
    try:
        with pytest.raises(Exception) as raised:
            if durable:
                client.durable().incr(KEY)
            else:
                client.execute_command("DURABLE.INCR", KEY)
        # The plain client may fail while it connects again.
        assert is_timeout(raised.value, kind) or not durable
    finally:
        for replica in place.replicas(KEY) if not place.is_cluster else place.servers.nodes:
            replica.resume()
    wait_until_executed(place, primary, client)
    executed = int(primary.control.get(KEY) or 0)
    assert executed == 1 if durable else executed > 1
    primary.control.delete(KEY)
    place.wait_until_ready()


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "plain"])
def test_with_a_frozen_primary(kind, place, opened, impatient, durable):
    """The primary executes the write when it runs again."""
    primary = place.primary(KEY)
    primary.control.delete(KEY)
    # A connection that says nothing when it is made can be made to a frozen server.
    client = opened(kind, place.port, protocol=2, **with_retries(kind), **silent(kind))
    patiently(lambda: client.durable().set("{double}other", "v"))
    primary.pause()
    try:
        with pytest.raises(Exception) as raised:
            if durable:
                client.durable().incr(KEY)
            else:
                client.incr(KEY)
        # The plain client may fail while it connects again.
        assert is_timeout(raised.value, kind) or not durable
    finally:
        primary.resume()
    wait_until_executed(place, primary, client)
    executed = int(primary.control.get(KEY) or 0)
    if durable:
        assert executed == 1
    elif not kind.cluster:
        # In a cluster the plain client may not reach the frozen node a second time.
        assert executed > 1
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
    client = opened(kind, place.port, **with_retries(kind) | {"socket_timeout": 60})
    client.durable().set("{double}other", "v")
    for replica in place.replicas(KEY):
        replica.pause()
    errors = []

    def write():
        try:
            client.durable(timeout_ms=50_000).incr(KEY)
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
