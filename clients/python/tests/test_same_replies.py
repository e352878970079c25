"""Each method answers what the client's own method answers, in value and type."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import kinds
import pytest
from servers import raw

from redis_durable import AsyncDurable, Durable, words

# method, arguments, options, commands that come before. All keys are in one slot.
K, L = "{same}k", "{same}l"
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], list[tuple[Any, ...]]]] = [
    ("set", (K, "v"), {}, []),
    ("set", (K, "v"), {"nx": True}, [("SET", K, "old")]),
    ("set", (K, "v"), {"get": True}, [("SET", K, "old")]),
    ("set", (K, "v"), {"get": True, "px": 100_000}, []),
    ("set", (K, "v"), {"ex": timedelta(seconds=100)}, []),
    ("set", (K, "v"), {"xx": True, "keepttl": True}, [("SET", K, "old", "EX", 100)]),
    ("get", (K,), {}, [("SET", K, "v")]),
    ("get", (K,), {}, []),
    ("getdel", (K,), {}, [("SET", K, "v")]),
    ("mset", ({K: "1", L: "2"},), {}, []),
    ("append", (K, "v"), {}, [("SET", K, "v")]),
    ("incr", (K,), {}, []),
    ("incrby", (K, 5), {}, []),
    ("decr", (K,), {}, []),
    ("decrby", (K, 5), {}, []),
    ("incrbyfloat", (K, 0.5), {}, []),
    ("delete", (K, L), {}, [("SET", K, "v")]),
    ("unlink", (K,), {}, [("SET", K, "v")]),
    ("expire", (K, 100), {}, [("SET", K, "v")]),
    ("expire", (K, timedelta(minutes=1)), {"nx": True}, [("SET", K, "v", "EX", 100)]),
    ("pexpire", (K, 100_000), {}, [("SET", K, "v")]),
    ("persist", (K,), {}, [("SET", K, "v", "EX", 100)]),
    ("rename", (K, L), {}, [("SET", K, "v")]),
    ("hset", (K, "f", "v"), {}, []),
    ("hset", (K,), {"mapping": {"f": "v", "g": 1}}, []),
    ("hsetnx", (K, "f", "v"), {}, []),
    ("hdel", (K, "f", "g"), {}, [("HSET", K, "f", "v")]),
    ("hincrby", (K, "f", 3), {}, []),
    ("lpush", (K, "a", "b"), {}, []),
    ("rpush", (K, "a", "b"), {}, []),
    ("lpop", (K,), {}, [("RPUSH", K, "a", "b")]),
    ("lpop", (K, 2), {}, [("RPUSH", K, "a", "b", "c")]),
    ("rpop", (K,), {}, []),
    ("rpop", (K, 2), {}, [("RPUSH", K, "a", "b", "c")]),
    ("lmove", (K, L), {}, [("RPUSH", K, "a")]),
    ("lmove", (K, L, "RIGHT", "LEFT"), {}, []),
    ("sadd", (K, "a", "b"), {}, []),
    ("srem", (K, "a", "b"), {}, [("SADD", K, "a")]),
    ("zadd", (K, {"a": 1.5, "b": 2}), {}, []),
    ("zadd", (K, {"a": 1.5}), {"incr": True}, [("ZADD", K, 1, "a")]),
    ("zadd", (K, {"a": 1.5}), {"nx": True, "incr": True}, [("ZADD", K, 1, "a")]),
    ("zrem", (K, "a"), {}, [("ZADD", K, 1, "a")]),
    ("zincrby", (K, 2.5, "a"), {}, []),
    ("xadd", (K, {"f": "v"}), {"id": "1-1"}, []),
    ("xadd", (K, {"f": "v"}), {"id": "1-1", "nomkstream": True}, []),
    ("xadd", (K, {"f": "v"}), {"id": "1-1", "maxlen": 5}, []),
    ("xdel", (K, "1-1"), {}, [("XADD", K, "1-1", "f", "v")]),
    (
        "xack",
        (K, "group", "1-1"),
        {},
        [
            ("XADD", K, "1-1", "f", "v"),
            ("XGROUP", "CREATE", K, "group", "0"),
            ("XREADGROUP", "GROUP", "group", "me", "STREAMS", K, ">"),
        ],
    ),
]
CALLS: list[tuple[tuple[Any, ...], list[tuple[Any, ...]]]] = [
    (("HGETALL", K), [("HSET", K, "f", "v", "g", "w")]),
    (("SMEMBERS", K), [("SADD", K, "a")]),
    (("ZSCORE", K, "a"), [("ZADD", K, "1.5", "a")]),
    (("SETEX", K, 100, "v"), []),
    (("BITOP", "AND", L, K), [("SET", K, "v")]),
    (("EVAL", "return redis.call('INCR', KEYS[1])", 1, K), []),
    (("XINFO STREAM", K), [("XADD", K, "1-1", "f", "v")]),
    (("XRANGE", K, "-", "+"), [("XADD", K, "1-1", "f", "v")]),
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "str"])
def test_every_method_answers_like_the_plain_one(kind, place, opened, protocol, decode):
    client = opened(kind, place.port, protocol=protocol, decode_responses=decode)
    durable = client.durable()
    control = place.primary(K).control

    def prepare(commands):
        control.delete(K, L)
        for command in commands:
            control.execute_command(*command)

    for method, arguments, options, before in CASES:
        prepare(before)
        plain = getattr(client, method)(*arguments, **options)
        # Without options, and with: the variadic ones then go through DURABLE.CALL.
        for requirement in ({}, {"replicas": 1, "timeout_ms": 40_000}):
            prepare(before)
            found = getattr(durable, method)(*arguments, **options, **requirement)
            what = (method, arguments, options, requirement)
            assert (found, type(found)) == (plain, type(plain)), what
    for command, before in CALLS:
        prepare(before)
        plain = client.execute_command(*command)
        for send in (durable.call, durable.once):
            prepare(before)
            found = send(*command)
            assert (found, type(found)) == (plain, type(plain)), (send, command)


def test_every_command_of_the_module_has_a_method(pair):
    listed = raw(pair.primary, "COMMAND", "LIST", "FILTERBY", "MODULE", "durable")
    others = {"CALL", "ONCE", "WAIT", "REPLICAS", "HELP", "FAILOVER"}
    names = {name.upper() for name in listed if name.upper().startswith("DURABLE.")}
    family = {name.removeprefix("DURABLE.") for name in names} - others
    assert family == words.WITH_OPTIONS | words.WITHOUT_OPTIONS
    methods = {"DEL": "delete"}
    for name in family:
        for wrapper in (Durable, AsyncDurable):
            assert hasattr(wrapper, methods.get(name, name.lower()))


def test_members_that_look_like_options_are_members(kind, place, opened):
    durable = opened(kind, place.port).durable()
    place.primary(K).control.delete(K)
    assert durable.sadd(K, "REPLICAS", 2) == 2
    assert durable.rpush(L, b"timeout", 100) in (2, 4)
    assert place.primary(K).control.smembers(K) == {"REPLICAS", "2"}
    place.primary(K).control.delete(K, L)


def test_a_client_with_a_connection_of_its_own(pair, opened):
    for is_async in (False, True):
        for library in ("redis", "valkey"):
            kind = kinds.Kind(library, False, is_async)
            client = opened(kind, pair.primary.port, single_connection_client=True)
            durable = client.durable()
            pair.primary.control.delete(K)
            assert [durable.incr(K), durable.incr(K), client.incr(K)] == [1, 2, 3]


def test_callbacks_of_the_user_are_kept(kind, place, opened):
    client = opened(kind, place.port)
    client.set_response_callback("GETDEL", lambda reply, **options: ("mine", reply))
    durable = client.durable()
    place.primary(K).control.set(K, "v")
    assert durable.getdel(K) == ("mine", b"v")
