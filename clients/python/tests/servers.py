"""Real servers with the module: one, a primary with replicas, a cluster.

Ports come from the kernel, files are in temporary directories, and the kernel kills a server when
the tests end, however they end. Waits are for conditions, never for time to pass.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from redis_durable.replies import replica_links
from redis_durable.sending import pool_arguments

REPOSITORY = Path(__file__).resolve().parents[3]
# The kernel kills the process when the one that started it ends.
KILLED_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
PATIENCE = 60  # seconds; as long as a very busy machine needs


def server_binary() -> str:
    named = os.environ.get("DURABLE_TEST_SERVER")
    for name in [named] if named else ["redis-server", "valkey-server"]:
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError(
        f"DURABLE_TEST_SERVER names {named!r}, which does not exist"
        if named
        else "neither redis-server nor valkey-server is on PATH: install one, or name it in "
        "DURABLE_TEST_SERVER"
    )


def module_path() -> str:
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    path = os.environ.get("DURABLE_TEST_MODULE", str(target / "release/libredis_durable.so"))
    if not Path(path).is_file():
        raise RuntimeError(f"there is no module at {path}: make build, or set DURABLE_TEST_MODULE")
    return path


def eventually(what: str, condition: Callable[[], Any]) -> Any:
    """Waits until the condition holds, and returns what it returned."""
    end = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} s for {what}")
        time.sleep(0.01)


class Port:
    """A free port. The socket stays bound and never listens, so that nobody else gets the port."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def free(self) -> None:
        self._socket.close()


class Server:
    """One server. It is killed by `stop`, or when this process ends."""

    def __init__(self, **settings: Any) -> None:
        self._port, self._bus = Port(), Port()
        self.port = self._port.number
        self._directory = tempfile.mkdtemp(prefix="redis-durable-python-")
        self._settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self._directory,
            "save": "",
            "repl-diskless-sync-delay": 0,
            "repl-ping-replica-period": 1,
            "loadmodule": module_path(),
            # A busy machine needs longer than the default of a second.
            "durable.timeout-ms": 50_000,
        }
        if settings.get("cluster-enabled"):
            self._settings["cluster-port"] = self._bus.number
        self._settings.update(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self.control = redis.Redis(
            port=self.port,
            socket_timeout=PATIENCE,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        self.start()

    @property
    def bus_port(self) -> int:
        return self._bus.number

    def start(self) -> None:
        file = Path(self._directory, "server.conf")
        if not file.exists():
            lines = [
                f"{name} {value if value != '' else chr(34) * 2}"
                for name, value in self._settings.items()
            ]
            file.write_text("\n".join(lines) + "\n")
        log = Path(self._directory, "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [*KILLED_WITH_US, server_binary(), str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually("the server to answer", self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(Path(self._directory, "log").read_text())
        try:
            return bool(self.control.ping())
        except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
            return False

    def run(self, *words: Any) -> Any:
        return self.control.execute_command(*words)

    def info(self, section: str) -> dict[str, Any]:
        return self.control.info(section)

    def field(self, name: str) -> Any:
        return self.info("durable")[name]

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        eventually("the server to stand still", self._is_paused)

    def _is_paused(self) -> bool:
        assert self._process is not None
        for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
            if not thread.joinpath("stat").read_text().rsplit(") ", 1)[1].startswith("T"):
                return False
        return True

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self.kill()
        self.control.close()
        self._port.free()
        self._bus.free()
        shutil.rmtree(self._directory, ignore_errors=True)

    def online_replicas(self) -> int:
        """The replicas that have acknowledged something, as the module counts them."""
        links = replica_links(self.run("DURABLE.REPLICAS"))
        return sum(link.counts and link.acked_offset > 0 for link in links)

    def only_control_is_connected(self) -> bool:
        return len(self.control.client_list(_type="normal")) == 1


class Replicated:
    """A primary and its replicas."""

    def __init__(self, replicas: int, **settings: Any) -> None:
        self.primary = Server(**settings)
        self.replicas = [
            Server(**{"replicaof": f"127.0.0.1 {self.primary.port}"}, **settings)
            for _ in range(replicas)
        ]
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        eventually(
            "the replicas to count",
            lambda: self.primary.online_replicas() == len(self.replicas),
        )

    def stop(self) -> None:
        for server in [*self.replicas, self.primary]:
            server.stop()


class Sentinel:
    """A Sentinel that knows a primary as `main` and its replicas."""

    def __init__(self, primary: Server) -> None:
        self._port = Port()
        self.port = self._port.number
        self._directory = tempfile.mkdtemp(prefix="redis-durable-python-")
        file = Path(self._directory, "sentinel.conf")
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self._directory}\n"
            f"sentinel monitor main 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds main 60000\n"
        )
        with Path(self._directory, "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*KILLED_WITH_US, server_binary(), str(file), "--sentinel"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.control = redis.Redis(port=self.port, decode_responses=True)
        eventually("the Sentinel to answer", self._answers)
        # It asks for the replicas every ten seconds otherwise, and hurries after a failover.
        for what in ("info-period", "ping-period", "publish-period", "ask-period"):
            self.control.execute_command("SENTINEL DEBUG", what, 100)
        replicas = primary.info("replication")["connected_slaves"]
        eventually("the Sentinel to know all", lambda: self._knows(replicas))

    def _answers(self) -> bool:
        try:
            return bool(self.control.execute_command("PING"))
        except redis.ConnectionError:
            return False

    def _knows(self, replicas: int) -> bool:
        return int(self.main()["num-slaves"]) == replicas

    def main(self) -> dict[str, Any]:
        """What it knows of the primary."""
        # In two words: the library's callback for one differs between its versions.
        reply = self.control.execute_command("SENTINEL", "MASTER", "main")
        return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))

    def fail_over(self) -> None:
        """Promotes a replica, and returns when it has begun."""
        before = self.main()["port"]
        eventually("the Sentinel to begin", self._begins)
        eventually("the Sentinel to promote", lambda: self.main()["port"] != before)

    def _begins(self) -> bool:
        try:
            return bool(self.control.execute_command("SENTINEL FAILOVER", "main"))
        except redis.ResponseError:
            # It has not asked the replicas yet.
            return False

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self.control.close()
        self._port.free()
        shutil.rmtree(self._directory, ignore_errors=True)


class Cluster:
    """Three primaries with one replica each."""

    PRIMARIES = 3

    def __init__(self) -> None:
        settings = {
            "cluster-enabled": "yes",
            # Nodes with a short timeout exchange news more often.
            "cluster-node-timeout": 2000,
            "cluster-replica-no-failover": "yes",
            "appendonly": "yes",
            # Otherwise a hint may be older than a change that all nodes know.
            "durable.slothint-max-age-ms": 0,
        }
        self.nodes = [Server(**settings) for _ in range(2 * self.PRIMARIES)]
        self._form()

    def _form(self) -> None:
        for number, node in enumerate(self.nodes):
            # Otherwise two nodes may begin with the same epoch.
            node.run("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < self.PRIMARIES:
                first, last = (16384 * (number + more) // self.PRIMARIES for more in (0, 1))
                node.run("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
        for node in self.nodes[1:]:
            self.nodes[0].run("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus_port)
        eventually("the nodes to meet", lambda: all(len(self._known(n)) == 6 for n in self.nodes))
        for number in range(self.PRIMARIES):
            replica = self.nodes[self.PRIMARIES + number]
            replica.run("CLUSTER", "REPLICATE", self.id_of(self.nodes[number]))
        self.wait_until_agreed()
        for node in self.nodes:
            # No busy machine is silent for so long.
            node.run("CONFIG", "SET", "cluster-node-timeout", 60000)

    @staticmethod
    def _known(node: Server) -> list[str]:
        lines = raw(node, "CLUSTER", "NODES").splitlines()
        return [line for line in lines if "handshake" not in line and "noaddr" not in line]

    def wait_until_agreed(self) -> None:
        """All nodes see the same owners and replicas, and each primary counts its replica."""
        eventually("the nodes to agree", self._agree)

    def _agree(self) -> bool:
        views = [sorted(map(_row, raw(node, "CLUSTER", "SLOTS"))) for node in self.nodes]
        if any(view != views[0] for view in views):
            return False
        if any("cluster_state:ok" not in raw(node, "CLUSTER", "INFO") for node in self.nodes):
            return False
        if len(self.primaries()) != self.PRIMARIES:
            return False
        return all(node.online_replicas() == 1 for node in self.primaries())

    def primaries(self) -> list[Server]:
        return [node for node in self.nodes if node.run("ROLE")[0] == "master"]

    def id_of(self, node: Server) -> str:
        return str(raw(node, "CLUSTER", "MYID"))

    def by_port(self, port: int) -> Server:
        return next(node for node in self.nodes if node.port == port)

    def owner_of(self, key: str) -> Server:
        """The primary that owns the slot of this key."""
        slot = key_slot(key.encode())
        return next(node for node in self.primaries() if slot in self._own_slots(node))

    def _own_slots(self, node: Server) -> set[int]:
        slots: set[int] = set()
        line = next(line for line in self._known(node) if "myself" in line)
        for word in line.split()[8:]:
            if not word.startswith("["):
                first, _, last = word.partition("-")
                slots.update(range(int(first), int(last or first) + 1))
        return slots

    def replica_of(self, primary: Server) -> Server:
        links = eventually("the replica to be linked", lambda: primary.run("ROLE")[2])
        return self.by_port(int(links[0][1]))

    def fail_over(self, primary: Server) -> Server:
        """Makes the replica of a running primary the primary, and returns it."""
        replica = self.replica_of(primary)
        # Without a vote: nodes vote for the same primary only once in two node timeouts.
        replica.run("CLUSTER", "FAILOVER", "TAKEOVER")
        eventually("the primary to step down", lambda: primary.run("ROLE")[0] == "slave")
        self.wait_until_agreed()
        return replica

    def move_slots(self, slots: set[int], owner: Server, other: Server) -> None:
        """Gives slots to another primary, without their keys. Returns when all nodes know it."""
        for slot in slots:
            # Also records of DURABLE.ONCE.
            for key in owner.run("CLUSTER", "GETKEYSINSLOT", slot, 1000):
                owner.control.delete(key)
            # A node that was importing the slot tells everybody at once.
            other.run("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(owner))
            for node in (other, owner):
                node.run("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(other))
        self.wait_until_agreed()

    def reset_statistics(self) -> None:
        for node in self.nodes:
            node.run("CONFIG", "RESETSTAT")

    def moved(self) -> int:
        """How many commands the nodes have answered with MOVED."""
        found = (node.info("errorstats").get("errorstat_MOVED") for node in self.nodes)
        return sum(each["count"] for each in found if each)

    def calls(self, command: str) -> int:
        """How often the nodes have run a command, such as `command|getkeys`."""
        found = (node.info("commandstats").get(f"cmdstat_{command}") for node in self.nodes)
        return sum(each["calls"] for each in found if each)

    def slot_hints(self) -> int:
        """How many SLOTHINT commands of clients they have answered. The module sends some of its
        own, so the statistics of commands do not tell it."""
        return sum(node.field("durable_slothint_requests_total") for node in self.nodes)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def raw(server: Server, *words: Any) -> Any:
    """The reply without the client's decoding."""
    pool = server.control.connection_pool
    connection = pool.get_connection(*pool_arguments(pool))
    try:
        connection.send_command(*words)
        return connection.read_response()
    finally:
        pool.release(connection)


def _row(row: Any) -> str:
    first, last, *nodes = row
    return repr((first, last, [node[:3] for node in nodes]))
