"""Sends a command once, and decodes its reply as that of the plain command.

redis-py sends a command again by itself after a timeout or a broken connection: up to ten times by
default since 8, three times since 6, in clusters in every version. The server executes each of
them. So nothing here goes through that code:

* For one server, a connection is taken from the client's pool, and the command is written and read
  on it, as the libraries' own locks and pipelines do. Only establishing the connection is retried,
  by the client's own settings.
* For a cluster, `execute_command` gets the node as `target_nodes`. Then the libraries do not retry,
  because the node may be another one after a refresh. They still follow MOVED and ASK, and wait
  after TRYAGAIN: these mean that nothing was executed.

`sending_async.py` has the same for asyncio.
"""

from __future__ import annotations

import inspect
import random
from contextlib import nullcontext
from typing import Any, Protocol

from redis_durable import words as key_places
from redis_durable.libraries import Library
from redis_durable.words import Words


class Sender(Protocol):
    """One try of a command, on a client for one server or for a cluster."""

    def send(self, words: Words, name: str, options: dict[str, Any], node: Any) -> Any:
        """Sends the words once. The reply is decoded as that of the plain command `name`."""

    def node_of_key(self, key: Any) -> Any:
        """The node that owns this key; None if there is only one server."""

    def node_of_words(self, plain: Words) -> Any:
        """The node that owns the first key of a plain command."""

    def any_node(self) -> Any:
        """A node for commands that any node answers."""


class SingleSender:
    """For redis.Redis and valkey.Valkey."""

    def __init__(self, client: Any, library: Library) -> None:
        self._client = client
        self._read_only: type[Exception] = library.exceptions.ReadOnlyError
        self._response: type[Exception] = library.exceptions.ResponseError
        self._pool_arguments = pool_arguments(client.connection_pool)

    def send(self, words: Words, name: str, options: dict[str, Any], node: Any) -> Any:
        client = self._client
        own = client.connection
        if own is not None:
            # A client with a connection of its own has a lock for it, except in old versions.
            with getattr(client, "single_connection_lock", None) or nullcontext():
                return self._on(own, words, name, options)
        pool = client.connection_pool
        connection = pool.get_connection(*self._pool_arguments)
        try:
            return self._on(connection, words, name, options)
        finally:
            pool.release(connection)

    def _on(self, connection: Any, words: Words, name: str, options: dict[str, Any]) -> Any:
        try:
            connection.send_command(*words)
            return self._client.parse_response(connection, name, **options)
        except self._response as error:
            # This server is a replica now. A new connection may lead to the new primary.
            if isinstance(error, self._read_only):
                connection.disconnect()
            raise
        except BaseException:
            # The reply may still come. It must not answer the next command.
            connection.disconnect()
            raise

    def node_of_key(self, key: Any) -> Any:
        return None

    def node_of_words(self, plain: Words) -> Any:
        return None

    def any_node(self) -> Any:
        return None


class ClusterSender:
    """For redis.RedisCluster and valkey.ValkeyCluster."""

    def __init__(self, client: Any, library: Library) -> None:
        self._client = client
        self._cluster_exception = library.cluster_exception
        # The node's client; the methods have the library's name.
        self._node_client = getattr(
            client, "get_redis_connection", getattr(client, "get_valkey_connection", None)
        )
        self._broken = (library.exceptions.ConnectionError, library.exceptions.TimeoutError)

    def send(self, words: Words, name: str, options: dict[str, Any], node: Any) -> Any:
        client = self._client
        try:
            reply = client.execute_command(*words, target_nodes=node)
        except self._cluster_exception as error:
            # After a broken connection the client looks for the cluster. If it finds none, that
            # error hides the one that tells what happened to the command.
            if isinstance(error.__context__, self._broken):
                raise error.__context__ from None
            raise
        assert self._node_client is not None
        for callbacks in (
            self._node_client(node).response_callbacks,
            client.cluster_response_callbacks,
        ):
            if name in callbacks:
                reply = callbacks[name](reply, **options)
        return reply

    def node_of_key(self, key: Any) -> Any:
        return self._client.get_node_from_key(key)

    def node_of_words(self, plain: Words) -> Any:
        key = key_places.first_key(plain)
        if key is not None:
            return self.node_of_key(key)
        # The client knows the commands of the server, and asks it if a key may be anywhere.
        try:
            slot = self._client.determine_slot(*plain)
        except self._cluster_exception as error:
            raise no_key(plain, error) from error
        return self._client.nodes_manager.get_node_from_slot(slot)

    def any_node(self) -> Any:
        # A primary: replicas need not have the module.
        return random.choice(self._client.get_primaries())


def no_key(plain: Words, error: Exception) -> ValueError:
    return ValueError(
        f"{key_places.name_of(plain)} has no key to choose a node by, or keys in several slots: "
        f"in a cluster it needs one, or key=. Nothing was executed ({error})"
    )


def pool_arguments(pool: Any) -> tuple[str, ...]:
    """The arguments of the pool's get_connection: old versions want the name of a command."""
    argument = inspect.signature(pool.get_connection).parameters.get("command_name")
    required = argument is not None and argument.default is inspect.Parameter.empty
    return ("DURABLE",) if required else ()
