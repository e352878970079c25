"""Requirement options: REPLICAS, FSYNC and TIMEOUT, and whether the client waits long enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, cast

Replicas = int | Literal["majority", "all"]

#: The server's default of `durable.timeout-ms`. A client cannot see whether an operator changed it.
SERVER_TIMEOUT_MS = 1000

_MOST_REPLICAS = 1000
_LONGEST_TIMEOUT_MS = 86_400_000


class Options(TypedDict, total=False):
    """The requirement options that every durable method takes, as keywords."""

    replicas: Replicas | None
    fsync: int | None
    timeout_ms: int | None


NAMES = tuple(Options.__annotations__)


@dataclass(frozen=True)
class Requirement:
    """What a durable command waits for. None: the server's configuration decides."""

    replicas: Replicas | None = None
    fsync: int | None = None
    timeout_ms: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.replicas, str):
            # Any case, as on the server.
            object.__setattr__(self, "replicas", self.replicas.lower())
            if self.replicas not in ("majority", "all"):
                _refuse("replicas", self.replicas, f'0 to {_MOST_REPLICAS}, "majority" or "all"')
        elif self.replicas is not None:
            _check("replicas", self.replicas, _MOST_REPLICAS)
        if self.fsync is not None:
            _check("fsync", self.fsync, _MOST_REPLICAS)
        if self.timeout_ms is not None:
            _check("timeout_ms", self.timeout_ms, _LONGEST_TIMEOUT_MS)

    def with_options(self, options: Options) -> Requirement:
        """This requirement, with the options of one call in place of its own."""
        given = {name: value for name, value in options.items() if value is not None}
        if not given:
            return self
        fsync = self.fsync
        # Without replicas there is no fsync to wait for, and the server refuses FSYNC 1 then.
        if given.get("replicas") == 0:
            fsync = None
        return Requirement(
            replicas=cast(Replicas | None, given.get("replicas", self.replicas)),
            fsync=cast(int | None, given.get("fsync", fsync)),
            timeout_ms=cast(int | None, given.get("timeout_ms", self.timeout_ms)),
        )

    def words(self) -> tuple[str | int, ...]:
        """The words of the command, such as `("REPLICAS", 2, "TIMEOUT", 500)`."""
        words: list[str | int] = []
        for name, value in (
            ("REPLICAS", self.replicas),
            ("FSYNC", self.fsync),
            ("TIMEOUT", self.timeout_ms),
        ):
            if value is not None:
                words += [name, value]
        return tuple(words)

    def check_patience(self, socket_timeout: float | None) -> None:
        """Raises ValueError if the client would give up before the server does."""
        if socket_timeout is None or self.replicas == 0:
            return
        if self.timeout_ms is None:
            wait, origin = SERVER_TIMEOUT_MS, "the server's default of durable.timeout-ms"
        else:
            wait, origin = self.timeout_ms, "timeout_ms"
        if wait != 0 and socket_timeout * 1000 > wait:
            return
        if wait == 0:
            advice = "construct the client with socket_timeout=None, or give a timeout_ms above 0"
        else:
            advice = (
                f"construct the client with socket_timeout={wait / 1000 + 0.5:g} or more, "
                "or give a smaller timeout_ms"
            )
        given = "0 (no limit)" if wait == 0 else f"{wait} ms"
        raise ValueError(
            f"the client's socket_timeout of {socket_timeout:g} s is not above TIMEOUT, which is "
            f"{given} ({origin}): the client would give up while its write waits. "
            f"Nothing was executed. {advice[0].upper()}{advice[1:]}"
        )


def take(options: dict[str, object]) -> Options:
    """Removes the requirement options from the keywords of a call, and returns them."""
    return cast(Options, {name: options.pop(name) for name in NAMES if name in options})


def _check(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        accepted = f"0 to {most}"
        _refuse(name, value, f'{accepted}, "majority" or "all"' if name == "replicas" else accepted)


def _refuse(name: str, value: object, accepted: str) -> None:
    raise ValueError(f"{name} is {value!r}; accepted is {accepted}. Nothing was executed")
