"""Whether what was typed is a whole statement."""

from __future__ import annotations

import re

# Texts, names in quotes and comments, closed or not: what stands in them ends no statement.
_QUOTED = re.compile(
    r"""'(?:[^']|'')*(?P<text>'|$)|"(?:[^"]|"")*(?P<name>"|$)|`(?:[^`]|``)*(?P<tick>`|$)"""
    r"""|--[^\n]*|/\*(?:.*?)(?P<comment>\*/|$)""",
    re.DOTALL,
)


def is_whole(text: str) -> bool:
    """Whether nothing more is needed: it ends with a semicolon, is a command with a dot, or nothing at all."""
    if not text.strip() or text.lstrip().startswith("."):
        return True
    for found in _QUOTED.finditer(text):
        if "" in found.groupdict().values():
            return False
    return without_quoted(text).rstrip().endswith(";")


def without_quoted(text: str) -> str:
    """The text without comments, and without what stands in quotes."""
    return _QUOTED.sub(" ", text)
