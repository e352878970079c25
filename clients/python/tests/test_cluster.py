"""In a cluster every command goes to the owner of its key, without asking a server first."""

from __future__ import annotations

import kinds
import pytest
import redis
from redis.crc import key_slot

from redis_durable import prefill

CLUSTER = [kind for kind in kinds.ALL if kind.cluster]


@pytest.fixture(params=CLUSTER, ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture(params=[2, 3])
def protocol(request, kind):
    old = kind.library == "valkey" or kinds.version("redis") < (6,)
    if old and request.param == 3 and "redirect" in request.node.name:
        pytest.skip("this version does not recognize MOVED in RESP3, of plain commands neither")
    return request.param


def test_commands_go_straight_to_the_owner(kind, cluster, opened):
    client = opened(kind, cluster.nodes[0].port)
    client.get("warm")
    durable = client.durable()
    cluster.reset_statistics()
    for number in range(30):
        key = f"key:{number}"
        assert durable.set(key, number, replicas=1) is True
        assert durable.get(key) == str(number).encode()
        assert durable.delete(key, replicas=1) == 1
        assert durable.sadd(key, "REPLICAS", 1) == 2
        assert durable.call("EVAL", "return redis.call('DEL', KEYS[1])", 1, key) == 1
        assert durable.once("SET", key, "v") is True
        assert durable.call("BITCOUNT", key, key=key) == 5
        assert durable.wait(key=key) >= 1
        assert durable.unlink(key) == 1
    assert cluster.moved() == 0
    assert cluster.calls("command|getkeys") == 0


def test_other_commands_are_found_by_the_client(kind, cluster, opened):
    durable = opened(kind, cluster.nodes[0].port).durable()
    durable.set("{bits}a", "x")
    cluster.reset_statistics()
    assert durable.call("BITOP", "NOT", "{bits}b", "{bits}a") == 1
    assert durable.once("COPY", "{bits}a", "{bits}c") in (1, True)
    assert durable.call("ZUNIONSTORE", "{bits}d", 1, "{bits}none") == 0
    assert cluster.moved() == 0
    cluster.owner_of("{bits}a").control.delete("{bits}a", "{bits}b", "{bits}c")


def test_a_command_without_a_key_is_refused_at_once(kind, cluster, opened):
    durable = opened(kind, cluster.nodes[0].port).durable()
    for send in (durable.call, durable.once):
        with pytest.raises(ValueError, match="RANDOMKEY has no key.*Nothing was executed"):
            send("RANDOMKEY")
        with pytest.raises(ValueError, match="COPY .* keys in several slots"):
            send("COPY", "a", "b")


def test_a_fence_needs_a_node(kind, cluster, opened):
    client = opened(kind, cluster.nodes[0].port)
    durable = client.durable()
    with pytest.raises(ValueError, match="give either key=.* or node="):
        durable.wait()
    with pytest.raises(ValueError, match="give either key=.* or node="):
        durable.wait(key="a", node=client.get_node_from_key("a"))
    with pytest.raises(ValueError, match="DURABLE.REPLICAS goes to one node"):
        durable.replicas()
    for key in ("a", "b", "c", "d"):
        owner = cluster.owner_of(key)
        before = _waits(owner)
        assert durable.wait(key=key) == 1
        client.get("warm")
        assert durable.wait(node=client.client.get_node_from_key(key)) == 1
        assert _waits(owner) == before + 2
        assert durable.replicas(key=key)[0].port == cluster.replica_of(owner).port


def _waits(node):
    return node.info("commandstats").get("cmdstat_durable.wait", {}).get("calls", 0)


def test_slot_hints_are_typed(kind, protocol, cluster, opened):
    client = opened(kind, cluster.nodes[0].port, protocol=protocol)
    durable = client.durable()
    keys = ["a", "b", "c", "{a}x"]
    hint = durable.slothint(*keys)
    for key, (slot, owner) in zip(keys, hint.hints, strict=True):
        assert slot == key_slot(key.encode())
        expected = cluster.owner_of(key)
        assert hint.owners[owner].port == expected.port
        assert hint.owners[owner].replicas[0].port == cluster.replica_of(expected).port
    whole = durable.slothint_map()
    assert whole.token == hint.token
    assert sum(each.last - each.first + 1 for each in whole.ranges) == 16384
    assert len(whole.owners) == 3
    assert durable.slothint_map(whole.token) is None
    rows = durable.slothint_slots()
    ranges = [(each.first, each.last, whole.owners[each.owner]) for each in whole.ranges]
    assert sorted(rows) == sorted(ranges)
    slots = {key_slot(key.encode()): cluster.owner_of(key).port for key in keys}
    asked = durable.slothint_slots(*keys)
    assert {
        slot: row.owner.port for row in asked for slot in range(row.first, row.last + 1)
    } == slots


def keys_of(owner, cluster, count):
    """Keys in different slots that this primary owns."""
    found, slots = [], set()
    number = 0
    own = cluster._own_slots(owner)
    while len(found) < count:
        slot = key_slot(f"moved:{number}".encode())
        if slot in own and slot not in slots:
            found.append(f"moved:{number}")
            slots.add(slot)
        number += 1
    return found, slots


def test_a_redirection_is_followed_and_executed_once(kind, protocol, cluster, opened):
    client = opened(kind, cluster.nodes[0].port, protocol=protocol)
    client.get("warm")
    owner, other = cluster.primaries()[:2]
    (key,), slots = keys_of(owner, cluster, 1)
    cluster.move_slots(slots, owner, other)
    cluster.reset_statistics()
    durable = client.durable()
    assert durable.incr(key) == 1
    assert cluster.moved() == 1
    # Learned.
    assert durable.once("INCR", key) == 2
    assert durable.delete(key, replicas=1) == 1
    assert cluster.moved() == 1
    cluster.move_slots(slots, other, owner)


def test_a_slot_that_is_moving_is_followed(kind, cluster, opened):
    client = opened(kind, cluster.nodes[0].port)
    client.get("warm")
    owner, other = cluster.primaries()[:2]
    (key,), slots = keys_of(owner, cluster, 1)
    slot = slots.pop()
    other.run("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.id_of(owner))
    owner.run("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.id_of(other))
    durable = client.durable()
    # The owner has no such key, and answers ASK.
    assert durable.incr(key) == 1
    cluster.move_slots({slot}, owner, other)
    assert durable.incr(key) == 2
    other.run("DEL", key)
    cluster.move_slots({slot}, other, owner)


def test_prefill_spares_the_redirections(kind, protocol, cluster, opened):
    """Forty slots have moved. One client asks for them, another does not."""
    settings = {"protocol": protocol, "reinitialize_steps": 0}
    asking, not_asking = (opened(kind, cluster.nodes[0].port, **settings) for _ in range(2))
    for client in (asking, not_asking):
        client.get("warm")
    owner, other = cluster.primaries()[1:3]
    keys, slots = keys_of(owner, cluster, 40)
    cluster.move_slots(slots, owner, other)
    cluster.reset_statistics()
    assert asking.run(prefill, asking.client, keys) == 40
    assert [asking.durable().set(key, "v") for key in keys] == [True] * 40
    assert [asking.get(key) for key in keys] == [b"v"] * 40
    assert cluster.moved() == 0
    assert cluster.slot_hints() == 1
    assert [not_asking.get(key) for key in keys] == [b"v"] * 40
    assert cluster.moved() == 40
    # The replicas are known too, and what was right is left alone.
    node = asking.client.get_node_from_key(keys[0])
    assert node.port == other.port
    cached = asking.client.nodes_manager.slots_cache[key_slot(keys[0].encode())]
    assert [each.port for each in cached] == [other.port, cluster.replica_of(other).port]
    assert asking.run(prefill, asking.client, keys) == 0
    assert asking.run(prefill, asking.client, []) == 0
    for key in keys:
        other.control.delete(key)
    cluster.move_slots(slots, other, owner)


def test_prefill_without_keys_corrects_all_slots(kind, protocol, cluster, opened):
    client = opened(kind, cluster.nodes[0].port, protocol=protocol)
    client.get("warm")
    owner, other = cluster.primaries()[1:3]
    keys, slots = keys_of(owner, cluster, 20)
    cluster.move_slots(slots, owner, other)
    cluster.reset_statistics()
    assert client.run(prefill, client.client) == 20
    assert [client.get(key) for key in keys] == [None] * 20
    assert (cluster.moved(), cluster.slot_hints()) == (0, 1)
    assert client.run(prefill, client.client) == 0
    cluster.move_slots(slots, other, owner)


def test_prefill_learns_of_a_failover(kind, cluster, opened):
    client = opened(kind, cluster.nodes[0].port)
    client.get("warm")
    replica = cluster.fail_over(cluster.owner_of("failover"))
    cluster.reset_statistics()
    assert client.run(prefill, client.client, ["failover"]) == 1
    assert client.durable().set("failover", "v") is True
    assert cluster.moved() == 0
    assert client.client.get_node_from_key("failover").server_type == "primary"
    replica.control.delete("failover")


def test_prefill_is_for_clusters(pair):
    with pytest.raises(TypeError, match="a single server has no slots"):
        prefill(redis.Redis(port=pair.primary.port), ["k"])
