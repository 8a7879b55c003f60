"""Text of data and errors, safe to show: nothing in it moves the cursor or turns the line around."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, line and paragraph separators, what changes the direction of writing, lone surrogates.
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def printable(text: str) -> str:
    """The text with characters that a terminal would obey as escapes, as in `\\x1b[31m`."""
    return HIDDEN.sub(_escape, text)


def printable_lines(text: str) -> str:
    """The text as `printable` gives it, line by line: a plan stays a plan."""
    return "\n".join(map(printable, text.split("\n")))


def one_line(text: str) -> str:
    """The text as `printable` gives it, in one line, white space joined."""
    return printable(" ".join(text.split()))


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
