"""Each error of the module is an exception that tells whether something was executed."""

from __future__ import annotations

import functools
import pickle
import socket
import threading
from collections.abc import Iterator

import kinds
import pytest
import redis
import valkey
from servers import eventually

from redis_durable import (
    Closed,
    DurableError,
    NoReplicas,
    OnceTimeout,
    Overloaded,
    Unacked,
    Unblocked,
)
from redis_durable.errors import translated

KEY = "{error}k"


def test_too_few_replicas_raise_no_replicas_and_execute_nothing(kind, place, opened):
    durable = opened(kind, place.port).durable(replicas=5)
    with pytest.raises(NoReplicas) as raised:
        durable.incr(KEY)
    assert raised.value.executed is False
    assert raised.value.connected == len(place.replicas(KEY))
    assert raised.value.required == 5
    assert str(raised.value).startswith("NOREPLICAS ")
    assert not place.primary(KEY).control.exists(KEY)


def test_a_frozen_replica_raises_unacked_and_the_write_is_there(kind, place, opened):
    durable = opened(kind, place.port).durable()
    primary, frozen = place.primary(KEY), place.replicas(KEY)[0]
    primary.control.delete(KEY)
    everyone = len(place.replicas(KEY))
    # All replicas count from here on, and the frozen one makes the only difference.
    durable.set(KEY, 0, replicas=everyone)
    target = {"key": KEY} if kind.cluster else {}

    def unacked(command):
        with pytest.raises(Unacked) as raised:
            command()
        assert raised.value.executed is True
        assert raised.value.required == everyone
        assert raised.value.fsynced is None
        return raised.value.acknowledged

    frozen.pause()
    try:
        for write in (
            lambda: durable.incr(KEY, replicas=everyone, timeout_ms=50),
            lambda: durable.call("INCR", KEY, replicas=everyone, timeout_ms=50),
        ):
            assert unacked(write) < everyone
        # The other replica may need longer.
        fence = functools.partial(durable.wait, replicas=everyone, timeout_ms=50, **target)
        eventually("the other one's word", lambda: unacked(fence) == everyone - 1)
    finally:
        frozen.resume()
    assert primary.control.get(KEY) == "2"
    primary.control.delete(KEY)
    place.wait_until_ready()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "asyncio"])
@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_a_client_that_is_unblocked_raises_unblocked(library, is_async, broken, opened):
    primary = broken.primary
    client = opened(kinds.Kind(library, False, is_async), primary.port)
    durable = client.durable(timeout_ms=50_000)
    for replica in broken.replicas:
        replica.pause()
    errors: list[BaseException] = []
    writer = threading.Thread(target=lambda: errors.append(raised_by(lambda: durable.incr(KEY))))
    writer.start()
    eventually("the write to wait", lambda: primary.field("durable_waiters") == 1)
    waiting = [each for each in primary.control.client_list() if "b" in each["flags"]]
    assert primary.run("CLIENT", "UNBLOCK", waiting[0]["id"], "ERROR")
    writer.join()
    assert type(errors[0]) is Unblocked
    assert errors[0].executed is None


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "asyncio"])
@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_too_many_waits_raise_overloaded(library, is_async, broken, opened):
    primary = broken.primary
    primary.run("CONFIG", "SET", "durable.max-waiters", 1)
    waiting = opened(kinds.Kind(library, False, is_async), primary.port)
    first = waiting.durable(timeout_ms=50_000)
    second = opened(kinds.Kind(library, False, is_async), primary.port).durable()
    for replica in broken.replicas:
        replica.pause()
    errors: list[BaseException] = []
    writer = threading.Thread(target=lambda: errors.append(raised_by(lambda: first.incr(KEY))))
    writer.start()
    eventually("the write to wait", lambda: primary.field("durable_waiters") == 1)
    with pytest.raises(Overloaded) as raised:
        second.incr(KEY)
    assert raised.value.executed is False
    for replica in broken.replicas:
        replica.resume()
    writer.join()
    assert errors == [None]
    assert primary.control.get(KEY) == "1"


@pytest.fixture
def closed_primary() -> Iterator[int]:
    """A server that answers as a primary without a term. `durable.failover` will make real ones."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            while head := stream.readline():
                words = []
                for _ in range(int(head[1:])):
                    length = int(stream.readline()[1:])
                    words.append(stream.read(length + 2)[:-2])
                closed = words[0].startswith(b"DURABLE.")
                stream.write(
                    b"-ERR CLOSED this primary holds no term\r\n" if closed else b"+OK\r\n"
                )
                stream.flush()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "asyncio"])
@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_a_primary_without_a_term_raises_closed(library, is_async, closed_primary, opened):
    client = opened(kinds.Kind(library, False, is_async), closed_primary, protocol=2)
    with pytest.raises(Closed) as raised:
        client.durable().set(KEY, "v")
    assert raised.value.executed is False


def test_other_errors_are_those_of_the_client(kind, place, opened):
    client = opened(kind, place.port)
    place.primary(KEY).control.set(KEY, "text")
    error = raised_by(lambda: client.durable().incr(KEY))
    assert type(error) is type(raised_by(lambda: client.incr(KEY)))
    assert not isinstance(error, DurableError)
    place.primary(KEY).control.delete(KEY)


def test_an_error_leaves_the_connection_usable(kind, place, opened):
    client = opened(kind, place.port)
    durable = client.durable()
    for _ in range(3):
        with pytest.raises(NoReplicas):
            durable.set(KEY, "v", replicas=9)
        assert client.set(KEY, "v") is True
        assert durable.get(KEY) == b"v"
    place.primary(KEY).control.delete(KEY)


@pytest.mark.parametrize("name", [Unacked, NoReplicas, Overloaded, Unblocked, Closed])
def test_code_that_catches_the_libraries_errors_catches_these(name):
    assert issubclass(name, redis.ResponseError)
    assert issubclass(name, valkey.ResponseError)
    assert issubclass(OnceTimeout, redis.TimeoutError)
    assert issubclass(OnceTimeout, valkey.TimeoutError)


def test_what_the_text_does_not_say_is_none():
    error = Unacked("UNACKED the server could not block the client; applied on the primary")
    assert (error.acknowledged, error.required, error.fsynced) == (None, None, None)
    fsync = "UNACKED 2 of 2 replicas acknowledged and 0 of 1 fsynced within 50 ms; applied …"
    assert Unacked(fsync).fsynced == 0
    cluster = "UNACKED 0 of 1 replicas acknowledged; the cluster failed while waiting; applied …"
    assert Unacked(cluster).required == 1
    more = "NOREPLICAS 1 of 2 required replicas are connected, 2 more links do not count (see …"
    assert NoReplicas(more).connected == 1


def test_only_the_first_word_is_the_code():
    assert translated(redis.ResponseError("the script said UNACKED 1 of 2")) is None
    assert translated(redis.ResponseError("UNACKEDLY")) is None


def test_exceptions_can_be_copied_to_other_processes():
    error = pickle.loads(pickle.dumps(Unacked("UNACKED 1 of 2 replicas acknowledged within 5 ms")))
    assert (error.acknowledged, error.required, error.executed) == (1, 2, True)
    late = pickle.loads(pickle.dumps(OnceTimeout("no reply", "an id", False)))
    assert (str(late), late.id, late.executed) == ("no reply", "an id", False)


def raised_by(action) -> BaseException | None:
    try:
        action()
    except Exception as error:
        return error
    return None
