"""Durable commands on the clients of asyncio. `durable.py` explains the design."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis_durable import words as form
from redis_durable.commands_async import AsyncCommands
from redis_durable.durable import Settings, _name
from redis_durable.errors import translated
from redis_durable.libraries import Kind
from redis_durable.once import Attempts, new_id
from redis_durable.replies import (
    ReplicaLink,
    SlotHint,
    SlotMap,
    SlotRow,
    replica_links,
    slot_hint,
    slot_map,
    slot_rows,
)
from redis_durable.requirement import Requirement, take
from redis_durable.sending_async import AsyncClusterSender, AsyncSender, AsyncSingleSender
from redis_durable.words import Words

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from redis_durable.requirement import Options, Replicas
    from redis_durable.types import Key, Value


class AsyncDurable(AsyncCommands):
    """Durable commands of a client of asyncio, made by `durable(client)`. As `Durable`."""

    def __init__(
        self,
        client: Any,
        *,
        replicas: Replicas | None = None,
        fsync: int | None = None,
        timeout_ms: int | None = None,
    ) -> None:
        defaults = Requirement(replicas, fsync, timeout_ms)
        self._settings = Settings(client, True, defaults)
        #: The client as it was given.
        self.client = client
        self._sender: AsyncSender = (
            AsyncClusterSender(client, self._settings.found.library)
            if self._settings.found.kind is Kind.CLUSTER
            else AsyncSingleSender(client, self._settings.found.library)
        )

    async def call(
        self, *command: Value, key: Key | None = None, **options: Unpack[Options]
    ) -> Any:
        """DURABLE.CALL, as `Durable.call`."""
        requirement = self._settings.requirement(options)
        plain = form.split(command)
        words = form.call_words(plain, requirement)
        return await self._send(words, _name(command), {}, await self._node(plain, key))

    async def once(
        self,
        *command: Value,
        id: str | None = None,
        deadline: float = 60.0,
        key: Key | None = None,
        **options: Unpack[Options],
    ) -> Any:
        """DURABLE.ONCE, as `Durable.once`. When the task is cancelled, the outcome is unknown: give
        an `id` of your own if you want to try again."""
        requirement = self._settings.requirement(options)
        plain = form.split(command)
        operation = new_id() if id is None else id
        words = form.once_words(operation, plain, requirement)
        attempts = Attempts(operation, deadline, self._settings.found.library)
        while True:
            try:
                return await self._send(words, _name(command), {}, await self._node(plain, key))
            except Exception as error:
                pause = attempts.pause_after(error)
            await asyncio.sleep(pause)

    async def wait(
        self, *, key: Key | None = None, node: Any = None, **options: Unpack[Options]
    ) -> int:
        """DURABLE.WAIT, as `Durable.wait`."""
        requirement = self._settings.requirement(options)
        words = ("DURABLE.WAIT", *requirement.words())
        target = await self._node_of(key, node, "DURABLE.WAIT")
        return int(await self._send(words, "DURABLE.WAIT", {}, target))

    async def replicas(self, *, key: Key | None = None, node: Any = None) -> list[ReplicaLink]:
        """DURABLE.REPLICAS, as `Durable.replicas`."""
        words = ("DURABLE.REPLICAS",)
        target = await self._node_of(key, node, "DURABLE.REPLICAS")
        return replica_links(await self._send(words, "DURABLE.REPLICAS", {}, target))

    async def slothint(self, *keys: Key) -> SlotHint:
        """SLOTHINT, as `Durable.slothint`."""
        words = ("SLOTHINT", *keys)
        return slot_hint(await self._send(words, "SLOTHINT", {}, await self._sender.any_node()))

    async def slothint_map(self, token: int | None = None) -> SlotMap | None:
        """SLOTHINT.MAP, as `Durable.slothint_map`."""
        words = ("SLOTHINT.MAP",) if token is None else ("SLOTHINT.MAP", token)
        return slot_map(await self._send(words, "SLOTHINT.MAP", {}, await self._sender.any_node()))

    async def slothint_slots(self, *keys: Key) -> tuple[SlotRow, ...]:
        """SLOTHINT.SLOTS, as `Durable.slothint_slots`."""
        words = ("SLOTHINT.SLOTS", *keys)
        return slot_rows(
            await self._send(words, "SLOTHINT.SLOTS", {}, await self._sender.any_node())
        )

    async def _family(self, method: str, *arguments: Any, **options: Any) -> Any:
        requirement = self._settings.requirement(take(options))
        plain, decoding = getattr(self._settings.plain, method)(*arguments, **options)
        words = form.family_words(plain, requirement)
        return await self._send(words, plain[0], decoding, await self._node(plain, None))

    async def _node(self, plain: Words, key: Key | None) -> Any:
        if key is not None:
            return await self._sender.node_of_key(key)
        return await self._sender.node_of_words(plain)

    async def _node_of(self, key: Key | None, node: Any, what: str) -> Any:
        if not self._settings.chosen(key, node, what):
            return None
        return node if node is not None else await self._sender.node_of_key(key)

    async def _send(self, words: Words, name: str, decoding: dict[str, Any], node: Any) -> Any:
        try:
            return await self._sender.send(words, name, decoding, node)
        except self._settings.response_error as error:
            known = translated(error)
            if known is None:
                raise
            raise known from error
