"""The options of a call, and the client's patience."""

from __future__ import annotations

import kinds
import pytest
import redis
import valkey

from redis_durable import durable
from redis_durable.requirement import Requirement
from redis_durable.words import call_words, family_words, first_key, once_words

KEY = "{option}k"


def test_options_of_a_call_come_before_the_defaults():
    defaults = Requirement(replicas=2, fsync=1, timeout_ms=500)
    assert defaults.words() == ("REPLICAS", 2, "FSYNC", 1, "TIMEOUT", 500)
    assert defaults.with_options({"replicas": "ALL"}).words()[:2] == ("REPLICAS", "all")
    assert defaults.with_options({"timeout_ms": 0}).words()[-1] == 0
    assert defaults.with_options({"replicas": None}) is defaults
    # No replicas: no fsync either.
    assert defaults.with_options({"replicas": 0}).words() == ("REPLICAS", 0, "TIMEOUT", 500)


@pytest.mark.parametrize(
    "options",
    [
        {"replicas": -1},
        {"replicas": 1001},
        {"replicas": "most"},
        {"replicas": 1.5},
        {"replicas": True},
        {"fsync": -1},
        {"fsync": "1"},
        {"timeout_ms": -1},
        {"timeout_ms": 0.5},
        {"timeout_ms": 86_400_001},
    ],
)
def test_a_bad_option_is_refused_before_anything_is_sent(options):
    with pytest.raises(ValueError, match="accepted is .* Nothing was executed"):
        Requirement(**options)


def test_the_words_of_commands():
    none, two = Requirement(), Requirement(replicas=2)
    assert family_words(("SET", "k", "v"), none) == ("DURABLE.SET", "k", "v")
    assert family_words(("SET", "k", "v"), two) == ("DURABLE.SET", "k", "v", "REPLICAS", 2)
    assert family_words(("DEL", "k"), none) == ("DURABLE.DEL", "k")
    assert family_words(("DEL", "k"), two) == ("DURABLE.CALL", "REPLICAS", 2, "DEL", "k")
    # The twin would be refused: it looks as if an option was meant.
    assert family_words(("SADD", "k", "fsync", 1), none) == (
        "DURABLE.CALL",
        "SADD",
        "k",
        "fsync",
        1,
    )
    # Not of the family, from a later version of a library.
    assert family_words(("HSETEX", "k"), none) == ("DURABLE.CALL", "HSETEX", "k")
    assert call_words(("DEL", "k"), none) == ("DURABLE.CALL", "DEL", "k")
    assert once_words("7", ("INCR", "k"), two) == (
        "DURABLE.ONCE",
        "7",
        "REPLICAS",
        2,
        "INCR",
        "k",
    )


def test_the_first_key():
    assert first_key((b"set", "k", "v")) == "k"
    assert first_key(("XACK", "k", "group", "1-1")) == "k"
    assert first_key(("EVAL", "return 1", 2, "a", "b")) == "a"
    assert first_key(("EVAL", "return 1", "0", "a")) is None
    assert first_key(("BITOP", "AND", "a", "b")) is None


def test_options_reach_the_server(kind, place, opened):
    client = opened(kind, place.port)
    primary = place.primary(KEY)
    everyone = len(place.replicas(KEY))
    expected = primary.run("CONFIG", "GET", "durable.expected-replicas")
    for node in place.servers.nodes if place.is_cluster else [primary]:
        node.run("CONFIG", "SET", "durable.expected-replicas", everyone)
    durable = client.durable(replicas="all", timeout_ms=40_000)
    try:
        assert durable.set(KEY, "v") is True
        assert durable.set(KEY, "v", replicas="MAJORITY") is True
        assert durable.sadd("{option}s", "a", replicas="all") in (0, 1)
        target = {"key": KEY} if kind.cluster else {}
        assert durable.wait(**target) == everyone
        assert durable.wait(replicas=0, **target) in range(everyone + 1)
        for send in (
            lambda: durable.append(KEY, "w", replicas=everyone, fsync=1, timeout_ms=50),
            lambda: durable.rpush("{option}l", "w", replicas=everyone, fsync=1, timeout_ms=50),
        ):
            # Redis 7.0 has no fsync reports; later versions need an append-only file.
            try:
                send()
            except Exception as error:
                assert "FSYNC" in str(error) or "fsynced" in str(error)
    finally:
        value = next(iter(expected.values())) if isinstance(expected, dict) else expected[1]
        for node in place.servers.nodes if place.is_cluster else [primary]:
            node.run("CONFIG", "SET", "durable.expected-replicas", value)
        primary.control.delete(KEY, "{option}s", "{option}l")


def test_a_client_that_is_too_impatient_is_refused(kind, place, opened, impatience):
    # `impatience` lets it connect on a busy machine all the same.
    short = {"socket_timeout": 0.5, "socket_connect_timeout": 60}
    with pytest.raises(ValueError, match="durable.timeout-ms.*socket_timeout=1.5 or more"):
        opened(kind, place.port, **short).durable()
    client = opened(kind, place.port, socket_timeout=50)
    with pytest.raises(ValueError, match=r"socket_timeout of 50 s .* 50000 ms \(timeout_ms\)"):
        client.durable(timeout_ms=50_000)
    durable = client.durable(timeout_ms=30_000)
    primary = place.primary(KEY)
    primary.control.delete(KEY)
    with pytest.raises(ValueError, match="Nothing was executed"):
        durable.incr(KEY, timeout_ms=70_000)
    with pytest.raises(ValueError, match="socket_timeout=None"):
        durable.once("INCR", KEY, timeout_ms=0)
    with pytest.raises(ValueError, match="is not above TIMEOUT"):
        durable.wait(timeout_ms=70_000, **({"key": KEY} if kind.cluster else {}))
    assert not primary.control.exists(KEY)
    # It does not wait at all.
    assert durable.incr(KEY, timeout_ms=70_000, replicas=0) == 1
    assert durable.incr(KEY, timeout_ms=40_000) == 2
    primary.control.delete(KEY)


def test_a_client_without_a_timeout_may_wait_for_ever(kind, place, opened):
    client = opened(kind, place.port, socket_timeout=None)
    assert client.durable(timeout_ms=0).set(KEY, "v") is True
    place.primary(KEY).control.delete(KEY)


def test_the_librarys_default_timeout_is_known(kind, place, opened):
    client = kind.open(place.port)
    if kind.library == "redis" and kinds.version("redis") >= (8,):
        with pytest.raises(ValueError, match="socket_timeout of 5 s"):
            client.durable(timeout_ms=5000)
    client.durable(timeout_ms=4000)
    client.close()


def test_what_is_not_a_client_is_refused(pair):
    for wrong in (object(), "127.0.0.1", redis.Redis, redis.ConnectionPool()):
        with pytest.raises(TypeError, match="takes a client of redis-py or valkey-py"):
            durable(wrong)
    for client in (redis.Redis(port=pair.primary.port), valkey.Valkey(port=pair.primary.port)):
        with client.pipeline() as pipeline, pytest.raises(TypeError, match="a pipeline has no"):
            durable(pipeline)
        client.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_links_of_a_primary_are_typed(pair, opened, protocol):
    for kind in kinds.ALL:
        if kind.cluster:
            continue
        durable = opened(kind, pair.primary.port, protocol=protocol).durable()
        links = durable.replicas()
        assert {link.port for link in links} == {each.port for each in pair.replicas}
        assert all(link.counts is True and link.reason == "" for link in links)
        assert all(link.host == "127.0.0.1" for link in links)
        with pytest.raises(ValueError, match="node is for clients of a cluster"):
            durable.replicas(node="127.0.0.1")
