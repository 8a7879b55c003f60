"""The fingerprint of a statement: its shape without literals, hashed with a key.

Statements that differ in their literals alone have one fingerprint, and nobody without the key
can look up what has it.
"""

from __future__ import annotations

import functools
import hashlib
import os

from dfd_obs.tokens import tokens

_BYTES = 16
# Of the process, and of those that are forked from it.
_KEY_OF_PROCESS = os.urandom(32)
# A statement beyond so much of its shape is told by that beginning.
_MOST_PARTS = 4096
_SHORT = 4096
_SIGNS = ("-", "+")
_TWO_ROWS = ["(", "?", ")", ",", "(", "?", ")"]
# Words that a value begins after, so that a sign there is its own.
_NO_VALUES = frozenset(
    [
        "and", "between", "by", "case", "distinct", "else", "in", "interval", "is", "like", "limit", "not",
        "offset", "or", "returning", "select", "set", "then", "values", "when", "where",
    ]
)  # fmt: skip


def key_of(shared: str | None) -> bytes:
    """The key of fingerprints: made of what several processes share, or the one of this process."""
    return _KEY_OF_PROCESS if shared is None else hashlib.sha256(shared.encode()).digest()


def fingerprint(text: str, key: bytes) -> str:
    """The fingerprint of a statement, 32 hexadecimal digits after `fp:`."""
    return _of_short(text, key) if len(text) <= _SHORT else _made(text, key)


def _made(text: str, key: bytes) -> str:
    made = hashlib.blake2b(shape(text).encode(), digest_size=_BYTES, key=key)
    return f"fp:{made.hexdigest()}"


# The same statement is often run again.
_of_short = functools.lru_cache(maxsize=256)(_made)


def shape(text: str) -> str:
    """A statement without its literals, comments and spaces, words in small letters.

    A list of literals is one, however long; so are rows of VALUES.

    >>> shape("SELECT a FROM t WHERE b IN (1, 2, -3) AND c = 'x' -- now")
    'select a from t where b in ( ? ) and c = ?'
    """
    parts: list[str] = []
    # Whether a sign stands last that is a part of the literal after it.
    is_signed = False
    for kind, part in tokens(text):
        if kind == "literal":
            if is_signed:
                parts.pop()
            if parts[-2:] != ["?", ","]:
                parts.append("?")
            else:
                parts.pop()
        elif kind == "word":
            parts.append(part.lower())
        else:
            is_signed = part in _SIGNS and not _ends_a_value(parts)
            parts.append(part)
            if part == ")" and parts[-7:] == _TWO_ROWS:
                del parts[-4:]
            if len(parts) > _MOST_PARTS:
                break
            continue
        is_signed = False
    return " ".join(parts)


def _ends_a_value(parts: list[str]) -> bool:
    """Whether a sign after these parts stands between two values."""
    if not parts:
        return False
    last = parts[-1]
    return last in ("?", ")", "]") or (
        (last[0].isalnum() or last[0] in '_"`') and last not in _NO_VALUES
    )
