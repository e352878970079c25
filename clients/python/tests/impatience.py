"""Clients that give up at once where no answer can come, and are patient with everything else.

A client with a short socket timeout would also give up where a busy machine is slow: while it
connects, or reads the map of a cluster. What a test then sees depends on the machine. Here only the
answers that a test names are awaited for a short time, and the servers cannot give them: they are
frozen, or wait for replicas that are. So the client gives up on any machine, by its own timeout.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

#: No answer comes, so any time will do.
SHORT = 0.05
LONG = 60.0


class Impatience:
    def __init__(self) -> None:
        self._command: bytes | None = None
        self._ports: set[int] = set()

    def with_command(self, name: str) -> None:
        """Replies to this command are not awaited."""
        self._command = name.encode()

    def with_servers(self, servers: list[Any]) -> None:
        """Replies of these servers, which are frozen, are not awaited. They are not by the test's
        own connections either."""
        self._ports = {server.port for server in servers}

    def end(self) -> None:
        """From here on every reply is awaited."""
        self._command, self._ports = None, set()

    def seconds(self, connection: Any, command: Any) -> float:
        """How long the connection waits for the reply to this command."""
        packed = b"".join(command) if isinstance(command, list) else bytes(command)
        named = self._command is not None and self._command in packed
        return SHORT if named or connection.port in self._ports else LONG


def install(monkeypatch: pytest.MonkeyPatch) -> Impatience:
    """Sets the timeout of each connection anew after each command that it sends."""
    impatience = Impatience()
    for library in ("redis", "valkey"):
        sync = importlib.import_module(f"{library}.connection").AbstractConnection
        monkeypatch.setattr(sync, "send_packed_command", _sync(sync, impatience))
        asynchronous = importlib.import_module(f"{library}.asyncio.connection").AbstractConnection
        monkeypatch.setattr(asynchronous, "send_packed_command", _async(asynchronous, impatience))
    return impatience


def _sync(connection_class: Any, impatience: Impatience) -> Any:
    original = connection_class.send_packed_command

    def send(self: Any, command: Any, *arguments: Any, **options: Any) -> None:
        original(self, command, *arguments, **options)
        self._sock.settimeout(impatience.seconds(self, command))

    return send


def _async(connection_class: Any, impatience: Impatience) -> Any:
    original = connection_class.send_packed_command

    async def send(self: Any, command: Any, *arguments: Any, **options: Any) -> None:
        # It bounds the sending as well.
        self.socket_timeout = LONG
        await original(self, command, *arguments, **options)
        self.socket_timeout = impatience.seconds(self, command)

    return send
