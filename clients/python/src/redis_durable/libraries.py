"""What redis-py and valkey-py call the same things: client classes, exceptions, commands."""

from __future__ import annotations

import importlib
import inspect
import sys
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

# The names of the clients: for one server, for a cluster.
_CLIENTS = {"redis": ("Redis", "RedisCluster"), "valkey": ("Valkey", "ValkeyCluster")}


def exceptions_of() -> list[ModuleType]:
    """The modules of exceptions of the installed libraries. redis-py is always there."""
    modules = [importlib.import_module("redis.exceptions")]
    try:
        modules.append(importlib.import_module("valkey.exceptions"))
    except ImportError:
        pass
    return modules


class Library(NamedTuple):
    """redis-py or valkey-py."""

    #: `redis` or `valkey`.
    name: str

    @property
    def exceptions(self) -> Any:
        return importlib.import_module(f"{self.name}.exceptions")

    @property
    def cluster_exception(self) -> type[Exception]:
        """What the cluster client raises when it reaches no node, knows no owner, and so on."""
        name = {"redis": "RedisClusterException", "valkey": "ValkeyClusterException"}[self.name]
        found: type[Exception] = getattr(self.exceptions, name)
        return found

    def plain_commands(self) -> Any:
        return _plain_commands(self.name)


@cache
def _plain_commands(library: str) -> Any:
    core = importlib.import_module(f"{library}.commands.core")

    def execute_command(_self: object, *words: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
        # `keys` is for the client's cache of plain reads.
        options.pop("keys", None)
        return words, options

    # Not the methods of a cluster's client: its DEL of many keys is many commands.
    return type("PlainCommands", (core.CoreCommands,), {"execute_command": execute_command})()


class Kind(Enum):
    SINGLE = "single"
    CLUSTER = "cluster"


class Found(NamedTuple):
    """What kind of client an object is."""

    library: Library
    kind: Kind
    is_async: bool


def recognize(client: object) -> Found:
    """Tells what kind of client this is. Raises TypeError for anything else."""
    for library, names in _CLIENTS.items():
        # An object of a library's class exists only where the library was imported.
        sync = sys.modules.get(library)
        if sync is None:
            continue
        module = importlib.import_module(f"{library}.asyncio")
        if isinstance(client, _pipelines(library)):
            raise TypeError(
                "a pipeline has no durable commands: use durable() on the client itself, or send "
                "plain writes in pipeline(transaction=False) and then durable(client).wait()"
            )
        for is_async, place in ((False, sync), (True, module)):
            for kind, name in zip(Kind, names, strict=True):
                if isinstance(client, getattr(place, name)):
                    return Found(Library(library), kind, is_async)
    raise TypeError(
        f"durable() takes a client of redis-py or valkey-py (Redis, RedisCluster, Valkey, "
        f"ValkeyCluster, or one of redis.asyncio or valkey.asyncio), not {type(client).__name__}"
    )


@cache
def _pipelines(library: str) -> tuple[type, ...]:
    places = ("client.Pipeline", "cluster.ClusterPipeline")
    found = []
    for prefix in (library, f"{library}.asyncio"):
        for place in places:
            module, _, name = place.partition(".")
            found.append(getattr(importlib.import_module(f"{prefix}.{module}"), name))
    return tuple(found)


def socket_timeout(client: Any, found: Found) -> float | None:
    """The seconds after which a connection of this client gives up a reply, or None for never."""
    if found.kind is Kind.CLUSTER:
        settings = client.get_connection_kwargs()
        module = importlib.import_module(
            f"{found.library.name}.asyncio.connection"
            if found.is_async
            else f"{found.library.name}.connection"
        )
        connection_class = module.Connection
    else:
        settings = client.connection_pool.connection_kwargs
        connection_class = client.connection_pool.connection_class
    if "socket_timeout" in settings:
        return _number(settings["socket_timeout"])
    # Some classes hand their arguments on to their base as **kwargs.
    for base in connection_class.__mro__:
        if "__init__" in vars(base):
            argument = inspect.signature(base.__init__).parameters.get("socket_timeout")
            if argument is not None and argument.default is not inspect.Parameter.empty:
                return _number(argument.default)
    return None


def _number(seconds: Any) -> float | None:
    return None if seconds is None else float(seconds)
