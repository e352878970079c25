"""The replies of the SLOTHINT commands and of DURABLE.REPLICAS as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple


class Node(NamedTuple):
    """A node of the cluster."""

    #: None: the address that the client is connected to.
    host: str | None
    port: int
    id: str


class Owner(NamedTuple):
    """A primary, with its replicas."""

    host: str | None
    port: int
    id: str
    replicas: tuple[Node, ...]


class Hint(NamedTuple):
    """The slot of a key, and the place of its owner among the owners; None if it has none."""

    slot: int
    owner: int | None


class SlotHint(NamedTuple):
    """The reply to SLOTHINT: one hint for each key, in the keys' order."""

    token: int
    owners: tuple[Owner, ...]
    hints: tuple[Hint, ...]


class SlotRange(NamedTuple):
    """Slots from first to last, and the place of their owner among the owners."""

    first: int
    last: int
    owner: int


class SlotMap(NamedTuple):
    """The reply to SLOTHINT.MAP."""

    token: int
    owners: tuple[Owner, ...]
    ranges: tuple[SlotRange, ...]


class SlotRow(NamedTuple):
    """A row of SLOTHINT.SLOTS: slots from first to last, and their owner."""

    first: int
    last: int
    owner: Owner


class ReplicaLink(NamedTuple):
    """A replica link of the primary, as docs/commands/durable.replicas.md of the module says."""

    host: str
    port: int
    acked_offset: int
    lag_bytes: int
    ack_age_ms: int
    #: -1: unknown.
    fsynced_offset: int
    #: Whether it counts for a requirement, and if not, why.
    counts: bool
    reason: str


def slot_hint(reply: Any) -> SlotHint:
    token, owners, hints = reply
    return SlotHint(
        int(token),
        _owners(owners),
        tuple(Hint(slot, index if index >= 0 else None) for slot, index in hints),
    )


def slot_map(reply: Any) -> SlotMap | None:
    """None: the token of the request is still current."""
    if reply is None:
        return None
    token, owners, ranges = reply
    return SlotMap(int(token), _owners(owners), tuple(SlotRange(*each) for each in ranges))


def slot_rows(reply: Any) -> tuple[SlotRow, ...]:
    """The rows have the shape of CLUSTER SLOTS: each node with host, port, id and metadata."""
    return tuple(
        SlotRow(first, last, Owner(*_node(owner[:3]), tuple(_node(each[:3]) for each in replicas)))
        for first, last, owner, *replicas in reply
    )


def replica_links(reply: Any) -> list[ReplicaLink]:
    links = []
    for entry in reply:
        # A map in RESP3, a flat array in RESP2.
        pairs = (
            entry.items() if isinstance(entry, dict) else zip(entry[::2], entry[1::2], strict=True)
        )
        fields = {_text(name): value for name, value in pairs}
        links.append(
            ReplicaLink(
                host=_text(fields["host"]),
                port=int(fields["port"]),
                acked_offset=int(fields["acked-offset"]),
                lag_bytes=int(fields["lag-bytes"]),
                ack_age_ms=int(fields["ack-age-ms"]),
                fsynced_offset=int(fields["fsynced-offset"]),
                counts=bool(int(fields["counts"])),
                reason=_text(fields["reason"]),
            )
        )
    return links


def _owners(reply: Any) -> tuple[Owner, ...]:
    return tuple(
        Owner(_host(host), int(port), _text(id), tuple(_node(each) for each in replicas))
        for host, port, id, replicas in reply
    )


def _node(reply: Any) -> Node:
    host, port, id = reply
    return Node(_host(host), int(port), _text(id))


def _host(host: Any) -> str | None:
    # nil, an empty name and "?" (a missing host name) mean the host of this connection.
    return None if host is None or _text(host) in ("", "?") else _text(host)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
