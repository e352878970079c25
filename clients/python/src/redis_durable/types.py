"""Types of arguments and replies, and the options of commands that have some of their own."""

from __future__ import annotations

from datetime import datetime, timedelta

from redis_durable.requirement import Options

Key = str | bytes | memoryview
Value = str | bytes | memoryview | int | float
#: bytes, or str with decode_responses=True.
Reply = bytes | str


class SetOptions(Options, total=False):
    """Those of the client's `set`, as keywords. Some need a new server and library (`ifeq` …)."""

    ex: int | timedelta | None
    px: int | timedelta | None
    nx: bool
    xx: bool
    keepttl: bool
    get: bool
    exat: int | datetime | None
    pxat: int | datetime | None
    ifeq: bytes | str | None
    ifne: bytes | str | None
    ifdeq: str | None
    ifdne: str | None


class ExpireOptions(Options, total=False):
    nx: bool
    xx: bool
    gt: bool
    lt: bool


class ZaddOptions(Options, total=False):
    nx: bool
    xx: bool
    ch: bool
    incr: bool
    gt: bool
    lt: bool


class XaddOptions(Options, total=False):
    maxlen: int | None
    approximate: bool
    nomkstream: bool
    minid: str | int | None
    limit: int | None
