"""Every kind of client, so that one test runs on all of them."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from typing import Any, NamedTuple

from redis_durable import durable


class Kind(NamedTuple):
    library: str
    cluster: bool
    is_async: bool

    @property
    def name(self) -> str:
        return (
            f"{self.library}-{'cluster' if self.cluster else 'single'}"
            f"-{'asyncio' if self.is_async else 'sync'}"
        )

    def client_class(self) -> Any:
        names = {"redis": ("Redis", "RedisCluster"), "valkey": ("Valkey", "ValkeyCluster")}
        module = importlib.import_module(self.library + (".asyncio" if self.is_async else ""))
        return getattr(module, names[self.library][self.cluster])

    def open(self, port: int, **settings: Any) -> Blocking:
        """A client of this kind."""
        return Blocking(lambda: self.client_class()(host="127.0.0.1", port=port, **settings))


ALL = [
    Kind(library, cluster, is_async)
    for library in ("redis", "valkey")
    for cluster in (False, True)
    for is_async in (False, True)
]


def version(library: str) -> tuple[int, ...]:
    """The version of a library, as far as tests ask for it."""
    text = importlib.import_module(library).__version__
    return tuple(int(part) for part in text.split(".")[:2])


class Blocking:
    """A client, with or without asyncio, whose methods return when there is a result."""

    def __init__(self, make: Any) -> None:
        self.loop = asyncio.new_event_loop()
        # Clients of asyncio are made where they run.
        self.client = self.run(make)
        self._wrapped = self.client

    def run(self, function: Any, *arguments: Any, **options: Any) -> Any:
        async def inside() -> Any:
            result = function(*arguments, **options)
            return await result if inspect.isawaitable(result) else result

        if not hasattr(self, "client") or inspect.iscoroutinefunction(
            getattr(self.client, "execute_command", None)
        ):
            return self.loop.run_until_complete(inside())
        return function(*arguments, **options)

    def durable(self, **defaults: Any) -> Any:
        """The wrapper of this client, in the same form."""
        made = durable(self.client, **defaults)
        copy = object.__new__(Blocking)
        copy.loop, copy.client, copy._wrapped = self.loop, self.client, made
        return copy

    def __getattr__(self, name: str) -> Any:
        if name in ("client", "_wrapped", "loop"):
            raise AttributeError(name)
        found = getattr(self._wrapped, name)
        if not callable(found):
            return found
        return lambda *arguments, **options: self.run(found, *arguments, **options)

    def close(self) -> None:
        if self.loop.is_closed():
            return
        close = getattr(self.client, "aclose", None) or self.client.close
        self.run(close)
        self.loop.close()
