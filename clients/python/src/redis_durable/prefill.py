"""Fills the slot cache of a cluster's client for a batch of keys, by one SLOTHINT.

The libraries read the whole map of slots when a client starts. After slots have moved, the client
learns of one slot with each MOVED. It reads the whole map again after each fifth MOVED
(`reinitialize_steps`), a broken connection or CLUSTERDOWN. `prefill` corrects the slots of many
keys in one round trip before a batch uses them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, overload

from redis_durable.libraries import Kind, recognize
from redis_durable.replies import Node, Owner, SlotHint, slot_hint
from redis_durable.sending import ClusterSender
from redis_durable.sending_async import AsyncClusterSender

if TYPE_CHECKING:
    from redis_durable.clients import AsyncClient, SyncClient
    from redis_durable.types import Key


@overload
def prefill(cluster: AsyncClient, keys: Iterable[Key]) -> Awaitable[int]: ...
@overload
def prefill(cluster: SyncClient, keys: Iterable[Key]) -> int: ...
def prefill(cluster: Any, keys: Iterable[Key]) -> int | Awaitable[int]:
    """Asks for the owners of these keys, and corrects the client's slot cache for their slots.

    Returns how many slots had another owner in the cache. Other slots are left as they are, and so
    are slots that have no owner. For a client of asyncio, await it. Without keys nothing is sent.

    It gains a round trip for each slot that has moved since the client last saw the map. It gains
    nothing if none has: then it costs one round trip.
    """
    found = recognize(cluster)
    if found.kind is not Kind.CLUSTER:
        raise TypeError(
            f"prefill() takes a client of a cluster, not {type(cluster).__name__}: "
            "a single server has no slots. Nothing was sent"
        )
    batch = tuple(keys)
    if found.is_async:
        return _prefill_async(cluster, AsyncClusterSender(cluster, found.library), batch)
    if not batch:
        return 0
    sender = ClusterSender(cluster, found.library)
    node = sender.any_node()
    hint = slot_hint(sender.send(("SLOTHINT", *batch), "SLOTHINT", {}, node))
    return _fill(cluster, hint, node, {})


async def _prefill_async(cluster: Any, sender: AsyncClusterSender, batch: tuple[Key, ...]) -> int:
    if not batch:
        return 0
    node = await sender.any_node()
    hint = slot_hint(await sender.send(("SLOTHINT", *batch), "SLOTHINT", {}, node))
    return _fill(cluster, hint, node, cluster.nodes_manager.connection_kwargs)


def _fill(cluster: Any, hint: SlotHint, asked: Any, node_settings: dict[str, Any]) -> int:
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
        owners: dict[int, list[Any]] = {}
        for slot, index in dict(hint.hints).items():
            if index is None:
                continue
            if index not in owners:
                owner = hint.owners[index]
                owners[index] = [known(owner, "primary")]
                owners[index] += [known(replica, "replica") for replica in owner.replicas]
            cached = manager.slots_cache.get(slot)
            if not cached or cached[0] != owners[index][0]:
                # A list of its own: after a MOVED the client changes it in place.
                manager.slots_cache[slot] = list(owners[index])
                changed += 1
        return changed
