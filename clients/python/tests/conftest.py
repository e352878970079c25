from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import impatience as patience
import kinds
import pytest
from servers import PATIENCE, Cluster, Replicated


@pytest.fixture(scope="session")
def pair() -> Iterator[Replicated]:
    """A primary with two replicas, for tests that break nothing."""
    servers = Replicated(2)
    yield servers
    servers.stop()


@pytest.fixture
def broken() -> Iterator[Replicated]:
    """A primary with two replicas of a test's own."""
    servers = Replicated(2)
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three primaries with a replica each. A test leaves it as healthy as it was."""
    nodes = Cluster()
    yield nodes
    nodes.stop()


@pytest.fixture
def opened() -> Iterator[Callable[..., kinds.Blocking]]:
    """Opens clients, and closes them after the test. They wait as long as a busy machine needs."""
    clients: list[kinds.Blocking] = []

    def open(kind: kinds.Kind, port: int, **settings: Any) -> kinds.Blocking:
        clients.append(kind.open(port, **{"socket_timeout": PATIENCE, **settings}))
        return clients[-1]

    yield open
    for client in clients:
        client.close()


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> patience.Impatience:
    """Lets clients give up where the test says so."""
    return patience.install(monkeypatch)


@pytest.fixture(params=kinds.ALL, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> kinds.Kind:
    return request.param


@pytest.fixture
def place(kind: kinds.Kind, request: pytest.FixtureRequest) -> Place:
    """Where a test on this kind of client runs."""
    if kind.cluster:
        return Place(request.getfixturevalue("cluster"))
    return Place(request.getfixturevalue("pair"))


class Place:
    """A primary with two replicas, or a cluster, seen alike."""

    def __init__(self, servers: Any) -> None:
        self.servers = servers
        self.is_cluster = isinstance(servers, Cluster)

    @property
    def port(self) -> int:
        return self.servers.nodes[0].port if self.is_cluster else self.servers.primary.port

    def primary(self, key: str) -> Any:
        return self.servers.owner_of(key) if self.is_cluster else self.servers.primary

    def replicas(self, key: str) -> list[Any]:
        if self.is_cluster:
            return [self.servers.replica_of(self.primary(key))]
        return self.servers.replicas

    def wait_until_ready(self) -> None:
        if self.is_cluster:
            self.servers.wait_until_agreed()
        else:
            self.servers.wait_until_ready()
