"""When `once()` tries again, and when it gives up. The loops are in `durable.py`."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable

from redis_durable.errors import DurableError, OnceTimeout
from redis_durable.libraries import Library

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0

#: Errors that the libraries have classes for, after which another try may succeed.
_AGAIN = (
    "ConnectionError TimeoutError ReadOnlyError TryAgainError ClusterDownError MasterDownError "
    "OutOfMemoryError ClusterError SlotNotCoveredError".split()
)
#: Errors of a connection that another try does not cure.
_NEVER = ("AuthenticationError", "AuthorizationError")
#: Errors that the libraries have no class for, by their first word.
_AGAIN_CODES = frozenset(("MISCONF", "BUSY", "LOADING"))
#: After these the server has executed nothing. A lost connection tells nothing.
_REFUSED = (
    "ReadOnlyError TryAgainError MasterDownError OutOfMemoryError BusyLoadingError "
    "SlotNotCoveredError".split()
)


def new_id() -> str:
    return str(uuid.uuid4())


class Attempts:
    """The tries of one operation."""

    def __init__(
        self,
        id: str,
        deadline: float,
        library: Library,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if deadline < 0:
            raise ValueError(f"deadline is {deadline!r}; accepted are seconds from 0 up")
        self._id = id
        self._seconds = deadline
        self._clock = clock
        self._end = clock() + deadline
        self._tries = 0
        self._all_refused = True
        classes = library.exceptions
        self._again = tuple(getattr(classes, name) for name in _AGAIN)
        # A cluster client that reaches no node raises this.
        self._again += (library.cluster_exception,)
        self._never = tuple(getattr(classes, name) for name in _NEVER)
        self._refused = tuple(getattr(classes, name) for name in _REFUSED)

    def pause_after(self, error: Exception) -> float:
        """The seconds before the next try. Raises if there is none: the error itself if another
        try does not help, OnceTimeout if the time is over."""
        self._tries += 1
        if not self._helps_after(error):
            raise error
        if not self._was_refused(error):
            self._all_refused = False
        left = self._end - self._clock()
        if left <= 0:
            executed = False if self._all_refused else None
            outcome = "nothing was executed" if self._all_refused else "the outcome is unknown"
            raise OnceTimeout(
                f"no reply to {self._id} within {self._seconds:g} s and {self._tries} tries; "
                f"{outcome}. The same id may be used again until its record expires. "
                f"The last error: {error}",
                self._id,
                executed,
            ) from error
        longest = min(_FIRST_PAUSE * 2 ** (self._tries - 1), _LONGEST_PAUSE)
        # Many clients lose the same primary at the same moment.
        return min(random.uniform(longest / 2, longest), left)

    def _helps_after(self, error: Exception) -> bool:
        if isinstance(error, self._never):
            return False
        if isinstance(error, DurableError) or isinstance(error, self._again):
            return True
        return str(error).partition(" ")[0] in _AGAIN_CODES

    def _was_refused(self, error: Exception) -> bool:
        if isinstance(error, DurableError):
            return error.executed is False
        return isinstance(error, self._refused) or (str(error).partition(" ")[0] in _AGAIN_CODES)
