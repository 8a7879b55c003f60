"""Texts cut to a number of bytes."""

from __future__ import annotations

_ELLIPSIS = "…"


def cut_text(text: str, most_bytes: int) -> str:
    """A text of at most so many bytes of UTF-8, which ends with an ellipsis where it was longer.

    >>> cut_text("select 1", 8), cut_text("select 'ä'", 8)
    ('select 1', 'selec…')
    """
    # What has no UTF-8, half of a pair, is replaced: JSON couldn't have it.
    encoded = text.encode("utf-8", errors="replace")
    if len(encoded) <= most_bytes:
        return encoded.decode("utf-8")
    room = max(0, most_bytes - len(_ELLIPSIS.encode()))
    return encoded[:room].decode("utf-8", errors="ignore") + (_ELLIPSIS if most_bytes >= 3 else "")
