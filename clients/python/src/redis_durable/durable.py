"""Durable commands on a client for one server or for a cluster.

How the words of a command are made. Two designs were compared:

1. The library's own command methods build the words. They run on an object whose
   `execute_command` returns the words instead of sending them. The words get the prefix DURABLE.,
   or DURABLE.CALL in front, and the reply goes through the library's callback for the plain
   command.
2. This package builds the words of each command by itself, and decodes each reply.

It is the first. Arguments, checks and results are the library's in each version, also those that
it gets in the future (`set(…, ifeq=…)`). The second is independent of how the library's methods
work inside, but repeats about 600 lines of them and can differ from them. What the first needs
from a library is one thing: that the methods of `CoreCommands` call `self.execute_command(*words,
**options)`. The tests compare every method with the plain one.

A third one was rejected: a copy of the client whose `execute_command` adds the prefix. It has
hundreds of methods that cannot be durable, and keeps the retries.

How the words are sent: see `sending.py`. `durable_async.py` has the same for asyncio.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from redis_durable import words as form
from redis_durable.commands import Commands
from redis_durable.errors import translated
from redis_durable.libraries import Kind, recognize, socket_timeout
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
from redis_durable.sending import ClusterSender, Sender, SingleSender
from redis_durable.words import Words

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from redis_durable.requirement import Options, Replicas
    from redis_durable.types import Key, Value


class Settings:
    """What both kinds of wrapper know about their client."""

    def __init__(self, client: Any, is_async: bool, defaults: Requirement) -> None:
        self.found = recognize(client)
        if self.found.is_async != is_async:
            right = "AsyncDurable" if self.found.is_async else "Durable"
            raise TypeError(f"this is a client for {right}; durable() chooses by itself")
        self.plain = self.found.library.plain_commands()
        self.response_error: type[Exception] = self.found.library.exceptions.ResponseError
        self.socket_timeout = socket_timeout(client, self.found)
        self.defaults = defaults
        defaults.check_patience(self.socket_timeout)

    def requirement(self, options: Options) -> Requirement:
        requirement = self.defaults.with_options(options)
        if requirement is not self.defaults:
            requirement.check_patience(self.socket_timeout)
        return requirement

    def chosen(self, key: Any, node: Any, what: str) -> bool:
        """Whether there is a node to choose. Raises ValueError if too few or too much is named."""
        if self.found.kind is Kind.SINGLE:
            if node is not None:
                raise ValueError("node is for clients of a cluster; nothing was executed")
            return False
        if (key is None) == (node is None):
            raise ValueError(
                f"in a cluster {what} goes to one node: give either key=, for its owner, or node=, "
                "a node of the client such as client.get_node_from_key(…). Nothing was executed"
            )
        return True


class Durable(Commands):
    """Durable commands of a sync client, made by `durable(client)`.

    The options `replicas`, `fsync` and `timeout_ms` are the defaults of all calls. Safe for threads
    as far as the client is.
    """

    def __init__(
        self,
        client: Any,
        *,
        replicas: Replicas | None = None,
        fsync: int | None = None,
        timeout_ms: int | None = None,
    ) -> None:
        defaults = Requirement(replicas, fsync, timeout_ms)
        self._settings = Settings(client, False, defaults)
        #: The client as it was given.
        self.client = client
        self._sender: Sender = (
            ClusterSender(client, self._settings.found.library)
            if self._settings.found.kind is Kind.CLUSTER
            else SingleSender(client, self._settings.found.library)
        )

    def call(self, *command: Value, key: Key | None = None, **options: Unpack[Options]) -> Any:
        """DURABLE.CALL: any command that reads or writes data, in words: `call("BITOP", …)`.

        The reply is decoded as the client's `execute_command` decodes that of the plain command. In
        a cluster the client finds the first key of a command that is not of the family, and asks
        the server where its position varies; `key` spares that. Errors are as for the family.
        """
        requirement = self._settings.requirement(options)
        plain = form.split(command)
        words = form.call_words(plain, requirement)
        return self._send(words, _name(command), {}, self._node(plain, key))

    def once(
        self,
        *command: Value,
        id: str | None = None,
        deadline: float = 60.0,
        key: Key | None = None,
        **options: Unpack[Options],
    ) -> Any:
        """DURABLE.ONCE: sends the command until there is a reply, and it is executed once.

        `id` names the operation; it is a new UUID unless given. Tries go on through timeouts,
        broken connections, failovers, Unacked and the like, for `deadline` seconds. Keep it below
        `durable.once-ttl-ms`, 10 minutes by default. The reply is that of the first execution,
        decoded as that of the plain command.

        Raises OnceTimeout, with the id, when the deadline is over; an error of the command itself
        (WRONGTYPE …) at once.
        """
        requirement = self._settings.requirement(options)
        plain = form.split(command)
        operation = new_id() if id is None else id
        words = form.once_words(operation, plain, requirement)
        attempts = Attempts(operation, deadline, self._settings.found.library)
        while True:
            try:
                # The owner of the key may change between two tries.
                return self._send(words, _name(command), {}, self._node(plain, key))
            except Exception as error:
                pause = attempts.pause_after(error)
            time.sleep(pause)

    def wait(self, *, key: Key | None = None, node: Any = None, **options: Unpack[Options]) -> int:
        """DURABLE.WAIT: waits for everything that the server has executed so far, for any client.

        Returns how many replicas acknowledged it. It waits for the writes of one node. In a
        cluster this is the owner of `key`, or `node`, a node of the client.
        """
        requirement = self._settings.requirement(options)
        words = ("DURABLE.WAIT", *requirement.words())
        target = self._node_of(key, node, "DURABLE.WAIT")
        return int(self._send(words, "DURABLE.WAIT", {}, target))

    def replicas(self, *, key: Key | None = None, node: Any = None) -> list[ReplicaLink]:
        """DURABLE.REPLICAS: every replica link of a node, chosen as for `wait`."""
        words = ("DURABLE.REPLICAS",)
        target = self._node_of(key, node, "DURABLE.REPLICAS")
        return replica_links(self._send(words, "DURABLE.REPLICAS", {}, target))

    def slothint(self, *keys: Key) -> SlotHint:
        """SLOTHINT: the owners of these keys, as one of the cluster's primaries sees them."""
        words = ("SLOTHINT", *keys)
        return slot_hint(self._send(words, "SLOTHINT", {}, self._sender.any_node()))

    def slothint_map(self, token: int | None = None) -> SlotMap | None:
        """SLOTHINT.MAP: the whole map; None if `token` is still current."""
        words = ("SLOTHINT.MAP",) if token is None else ("SLOTHINT.MAP", token)
        return slot_map(self._send(words, "SLOTHINT.MAP", {}, self._sender.any_node()))

    def slothint_slots(self, *keys: Key) -> tuple[SlotRow, ...]:
        """SLOTHINT.SLOTS: the owners of these keys' slots, or of all slots without keys."""
        words = ("SLOTHINT.SLOTS", *keys)
        return slot_rows(self._send(words, "SLOTHINT.SLOTS", {}, self._sender.any_node()))

    def _family(self, method: str, *arguments: Any, **options: Any) -> Any:
        requirement = self._settings.requirement(take(options))
        plain, decoding = getattr(self._settings.plain, method)(*arguments, **options)
        words = form.family_words(plain, requirement)
        return self._send(words, plain[0], decoding, self._node(plain, None))

    def _node(self, plain: Words, key: Key | None) -> Any:
        if key is not None:
            return self._sender.node_of_key(key)
        return self._sender.node_of_words(plain)

    def _node_of(self, key: Key | None, node: Any, what: str) -> Any:
        if not self._settings.chosen(key, node, what):
            return None
        return node if node is not None else self._sender.node_of_key(key)

    def _send(self, words: Words, name: str, decoding: dict[str, Any], node: Any) -> Any:
        try:
            return self._sender.send(words, name, decoding, node)
        except self._settings.response_error as error:
            known = translated(error)
            if known is None:
                raise
            raise known from error


def _name(command: Words) -> str:
    """The name under which the client decodes the reply."""
    name = command[0]
    return (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)).upper()
