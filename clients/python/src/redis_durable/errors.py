"""What the module's errors say, as exceptions.

They are subclasses of redis-py's ResponseError, and of valkey-py's if that is installed. So code
that catches ResponseError catches them too. The wrapper translates errors by their first word;
nothing in redis-py is patched.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from redis_durable.libraries import exceptions_of

if TYPE_CHECKING:
    from redis.exceptions import ResponseError, TimeoutError
else:

    def _common(name: str) -> type[Exception]:
        """The exception of this name in redis-py, or one of both libraries."""
        return type(name, tuple(getattr(library, name) for library in exceptions_of()), {})

    ResponseError = _common("ResponseError")
    TimeoutError = _common("TimeoutError")


class DurableError(ResponseError):
    """An error of the module. `executed` tells whether the command was executed.

    True: it was. False: nothing was. None: unknown.
    """

    executed: ClassVar[bool | None]

    def __str__(self) -> str:
        return str(self.args[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class Unacked(DurableError):
    """The write is applied on the primary, but too few replicas have acknowledged it in time.

    It may still reach the replicas, or be lost in a failover. `wait()` confirms it. After a durable
    read: too few replicas have acknowledged the value.
    """

    executed = True
    #: How many replicas acknowledged, or None if the text does not say it.
    acknowledged: int | None
    #: How many were required, or None.
    required: int | None
    #: With a requirement FSYNC: how many have it on disk, otherwise None.
    fsynced: int | None

    def __init__(self, message: str, *more: Any) -> None:
        super().__init__(message, *more)
        counts = re.match(r"UNACKED (\d+) of (\d+) replicas acknowledged", message)
        fsyncs = re.search(r" and (\d+) of \d+ fsynced", message)
        self.acknowledged = int(counts[1]) if counts else None
        self.required = int(counts[2]) if counts else None
        self.fsynced = int(fsyncs[1]) if fsyncs else None


class NoReplicas(DurableError):
    """Fewer replicas are connected than required. Nothing was executed."""

    executed = False
    #: How many replicas count, or None if the text does not say it.
    connected: int | None
    #: How many are required, or None.
    required: int | None

    def __init__(self, message: str, *more: Any) -> None:
        super().__init__(message, *more)
        counts = re.match(r"NOREPLICAS (\d+) of (\d+) required", message)
        self.connected = int(counts[1]) if counts else None
        self.required = int(counts[2]) if counts else None


class Overloaded(DurableError):
    """Too many clients wait already. Nothing was executed."""

    executed = False


class Unblocked(DurableError):
    """The wait ended, and it is unknown whether the write survives.

    The primary was demoted, or an operator sent CLIENT UNBLOCK id ERROR. The command was executed
    there, but the new primary may not have it.
    """

    executed = None


class Closed(DurableError):
    """This primary may not serve durable commands (`ERR CLOSED`). Nothing was executed."""

    executed = False


class OnceTimeout(TimeoutError):
    """The deadline of `once()` is over, and there is no reply.

    Call `once()` again with the same `id`, before its record expires (`durable.once-ttl-ms`).
    `__cause__` is the error of the last try.
    """

    #: The id of the operation.
    id: str
    #: False: the server refused every try. Otherwise None: unknown.
    executed: bool | None

    def __init__(self, message: str, id: str = "", executed: bool | None = None) -> None:
        super().__init__(message)
        self.id = id
        self.executed = executed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self.args[0]), self.id, self.executed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


_BY_CODE: dict[str, type[DurableError]] = {
    "UNACKED": Unacked,
    "NOREPLICAS": NoReplicas,
    "OVERLOADED": Overloaded,
    "UNBLOCKED": Unblocked,
    # `ERR CLOSED …`; the libraries leave out the word ERR.
    "CLOSED": Closed,
}


def translated(error: Exception) -> DurableError | None:
    """The exception for an error reply of the module, or None for any other error."""
    text = str(error)
    found = _BY_CODE.get(text.partition(" ")[0])
    return found(text) if found else None
