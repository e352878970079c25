"""Fills the slot cache of a cluster's client in one round trip.

The libraries read the whole map of slots when a client starts. After slots have moved, the client
learns of one slot with each MOVED. It reads the whole map again after each fifth MOVED
(`reinitialize_steps`), a broken connection or CLUSTERDOWN. `prefill` corrects it before that:

* The slots of a batch of keys, by SLOTHINT: its reply names each owner once.
* All slots, by SLOTHINT.SLOTS: its reply has a row for each range of slots.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, overload

from redis_durable.libraries import Kind, recognize
from redis_durable.replies import Node, Owner, slot_hint, slot_rows
from redis_durable.sending import ClusterSender
from redis_durable.sending_async import AsyncClusterSender
from redis_durable.words import Words

if TYPE_CHECKING:
    from redis_durable.clients import AsyncClient, SyncClient
    from redis_durable.types import Key


@overload
def prefill(cluster: AsyncClient, keys: Iterable[Key] | None = None) -> Awaitable[int]: ...
@overload
def prefill(cluster: SyncClient, keys: Iterable[Key] | None = None) -> int: ...
def prefill(cluster: Any, keys: Iterable[Key] | None = None) -> int | Awaitable[int]:
    """Asks for the owners of these keys, and corrects the client's slot cache for their slots.

    Without `keys` it does so for all slots. Returns how many slots had another owner in the cache.
    Other slots are left as they are, and so are slots that have no owner. For a client of asyncio,
    await it. With an empty batch nothing is sent.

    It gains a round trip for each slot that has moved since the client last saw the map. It gains
    nothing if none has: then it costs one round trip.
    """
    found = recognize(cluster)
    if found.kind is not Kind.CLUSTER:
        raise TypeError(
            f"prefill() takes a client of a cluster, not {type(cluster).__name__}: "
            "a single server has no slots. Nothing was sent"
        )
    words: Words = ("SLOTHINT.SLOTS",) if keys is None else ("SLOTHINT", *keys)
    if found.is_async:
        return _prefill_async(cluster, AsyncClusterSender(cluster, found.library), words)
    if words == ("SLOTHINT",):
        return 0
    sender = ClusterSender(cluster, found.library)
    node = sender.any_node()
    reply = sender.send(words, words[0], {}, node)
    return _fill(cluster, _owned(words, reply), node, {})


async def _prefill_async(cluster: Any, sender: AsyncClusterSender, words: Words) -> int:
    if words == ("SLOTHINT",):
        return 0
    node = await sender.any_node()
    reply = await sender.send(words, words[0], {}, node)
    return _fill(cluster, _owned(words, reply), node, cluster.nodes_manager.connection_kwargs)


def _owned(words: Words, reply: Any) -> list[tuple[Owner, Iterable[int]]]:
    """The owners in the reply, each with slots that it owns."""
    if words[0] == "SLOTHINT.SLOTS":
        return [(row.owner, range(row.first, row.last + 1)) for row in slot_rows(reply)]
    hint = slot_hint(reply)
    slots: list[set[int]] = [set() for _ in hint.owners]
    for slot, index in hint.hints:
        if index is not None:
            slots[index].add(slot)
    return list(zip(hint.owners, slots, strict=True))


def _fill(
    cluster: Any,
    owned: list[tuple[Owner, Iterable[int]]],
    asked: Any,
    node_settings: dict[str, Any],
) -> int:
    """Writes the owners into the cache. `asked` is the node that gave them."""
    manager = cluster.nodes_manager
    # Another thread may be replacing the whole map. The clients of asyncio have no lock for it, and
    # need none here.
    with getattr(manager, "_lock", None) or nullcontext():

        def known(place: Owner | Node, role: str) -> Any:
            host, port = place.host or asked.host, place.port
            if getattr(manager, "address_remap", None):
                host, port = manager.remap_host_port(host, port)
            node = manager.get_node(host=host, port=port)
            if node is None:
                node = type(asked)(host, port, role, **node_settings)
                manager.nodes_cache[node.name] = node
            # A failover may have changed it.
            node.server_type = role
            return node

        changed = 0
        for owner, slots in owned:
            nodes = [known(owner, "primary")]
            nodes += [known(replica, "replica") for replica in owner.replicas]
            for slot in slots:
                cached = manager.slots_cache.get(slot)
                if not cached or cached[0] != nodes[0]:
                    # A list of its own: after a MOVED the client changes it in place.
                    manager.slots_cache[slot] = list(nodes)
                    changed += 1
        return changed
