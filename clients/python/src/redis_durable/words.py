"""From the words of a plain command to those of the durable one, and where its key is.

No server is asked: a client of a cluster would otherwise send COMMAND GETKEYS first.
"""

from __future__ import annotations

from typing import Any

from redis_durable.requirement import Requirement

Words = tuple[Any, ...]

#: These take the requirement options at their end.
WITH_OPTIONS = frozenset(
    "SET GET GETDEL APPEND INCR DECR INCRBY DECRBY INCRBYFLOAT PERSIST RENAME HSETNX HINCRBY LMOVE "
    "ZINCRBY".split()
)
#: These take none: a key or a member may look like an option.
WITHOUT_OPTIONS = frozenset(
    "MSET DEL UNLINK EXPIRE PEXPIRE HSET HDEL LPUSH RPUSH LPOP RPOP SADD SREM ZADD ZREM XADD XDEL "
    "XACK".split()
)
_FAMILY = WITH_OPTIONS | WITHOUT_OPTIONS
_OPTIONS = frozenset(("REPLICAS", "FSYNC", "TIMEOUT"))
#: Their keys follow the script's name and the number of keys.
_SCRIPTS = frozenset("EVAL EVAL_RO EVALSHA EVALSHA_RO FCALL FCALL_RO".split())


def family_words(plain: Words, requirement: Requirement) -> Words:
    """The durable form of a command of the family."""
    name, options = name_of(plain), requirement.words()
    if name in WITH_OPTIONS:
        return (f"DURABLE.{name}", *plain[1:], *options)
    # `DURABLE.SADD k REPLICAS 2` is refused by the server, because it looks like a mistake.
    if name in WITHOUT_OPTIONS and not options and not _ends_like_an_option(plain):
        return (f"DURABLE.{name}", *plain[1:])
    return call_words(plain, requirement)


def call_words(plain: Words, requirement: Requirement) -> Words:
    """`DURABLE.CALL [options] command [arg …]`"""
    return ("DURABLE.CALL", *requirement.words(), *plain)


def once_words(id: str | bytes, plain: Words, requirement: Requirement) -> Words:
    """`DURABLE.ONCE id [options] command [arg …]`"""
    return ("DURABLE.ONCE", id, *requirement.words(), *plain)


def split(plain: Words) -> Words:
    """`("XGROUP CREATE", …)` in two words, as the libraries send it where it comes first."""
    if not plain:
        raise ValueError("there is no command; nothing was executed")
    return (*_text(plain[0]).split(), *plain[1:])


def first_key(plain: Words) -> Any:
    """The first key of a command, or None if this table does not know it."""
    name = name_of(plain)
    if name in _FAMILY:
        return plain[1] if len(plain) > 1 else None
    if name in _SCRIPTS and len(plain) > 3 and _text(plain[2]) not in ("0", ""):
        return plain[3]
    return None


def name_of(plain: Words) -> str:
    return _text(plain[0]).upper()


def _ends_like_an_option(plain: Words) -> bool:
    return len(plain) > 2 and _text(plain[-2]).upper() in _OPTIONS


def _text(word: Any) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
