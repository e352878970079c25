"""Sends a command once, on the clients of asyncio. See `sending.py`."""

from __future__ import annotations

import random
from contextlib import nullcontext
from typing import Any, Protocol

from redis_durable import words as key_places
from redis_durable.libraries import Library
from redis_durable.sending import no_key, pool_arguments
from redis_durable.words import Words


class AsyncSender(Protocol):
    """As `sending.Sender`."""

    async def send(self, words: Words, name: str, options: dict[str, Any], node: Any) -> Any: ...

    async def node_of_key(self, key: Any) -> Any: ...

    async def node_of_words(self, plain: Words) -> Any: ...

    async def any_node(self) -> Any: ...


class AsyncSingleSender:
    """For redis.asyncio.Redis and valkey.asyncio.Valkey."""

    def __init__(self, client: Any, library: Library) -> None:
        self._client = client
        self._read_only: type[Exception] = library.exceptions.ReadOnlyError
        self._response: type[Exception] = library.exceptions.ResponseError
        self._pool_arguments = pool_arguments(client.connection_pool)

    async def send(self, words: Words, name: str, options: dict[str, Any], node: Any) -> Any:
        client = self._client
        await client.initialize()
        own = client.connection
        if own is not None:
            async with getattr(client, "_single_conn_lock", None) or nullcontext():
                return await self._on(own, words, name, options)
        pool = client.connection_pool
        connection = await pool.get_connection(*self._pool_arguments)
        try:
            return await self._on(connection, words, name, options)
        finally:
            await pool.release(connection)

    async def _on(self, connection: Any, words: Words, name: str, options: dict[str, Any]) -> Any:
        try:
            await connection.send_command(*words)
            return await self._client.parse_response(connection, name, **options)
        except self._response as error:
            if isinstance(error, self._read_only):
                await connection.disconnect()
            raise
        except BaseException:
            # The task may be cancelled: do not wait for the other side.
            await connection.disconnect(nowait=True)
            raise

    async def node_of_key(self, key: Any) -> Any:
        return None

    async def node_of_words(self, plain: Words) -> Any:
        return None

    async def any_node(self) -> Any:
        return None


class AsyncClusterSender:
    """For redis.asyncio.RedisCluster and valkey.asyncio.ValkeyCluster."""

    def __init__(self, client: Any, library: Library) -> None:
        self._client = client
        self._cluster_exception = library.cluster_exception

    async def send(self, words: Words, name: str, options: dict[str, Any], node: Any) -> Any:
        reply = await self._client.execute_command(*words, target_nodes=node)
        callbacks = self._client.response_callbacks
        return callbacks[name](reply, **options) if name in callbacks else reply

    async def node_of_key(self, key: Any) -> Any:
        # Before the first command, and after a broken connection, the client has no map, or an
        # old one. It would be read again only after the node was chosen.
        await self._client.initialize()
        return self._client.get_node_from_key(key)

    async def node_of_words(self, plain: Words) -> Any:
        key = key_places.first_key(plain)
        if key is not None:
            return await self.node_of_key(key)
        await self._client.initialize()
        try:
            slot = await self._client._determine_slot(*plain)
        except self._cluster_exception as error:
            raise no_key(plain, error) from error
        return self._client.nodes_manager.get_node_from_slot(slot)

    async def any_node(self) -> Any:
        await self._client.initialize()
        return random.choice(self._client.get_primaries())
