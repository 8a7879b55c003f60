"""The tokens of a statement, as DataFusion's own tokenizer (sqlparser, generic dialect) parts them.

Only as fine as a fingerprint needs them: words, quoted names, literals, placeholders, signs.
A text that a quote is left open in is a literal to its end: what isn't understood is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Kind = Literal["word", "name", "literal", "sign"]

# Each alternative that opens a quote takes all to the end of the text where it isn't closed.
_TOKENS = re.compile(
    r"""
    (?:\s+ | --[^\n]*)*
    (
        [eExX]'[^'\\]*(?:(?:''|\\.)[^'\\]*)*(?:'|\\?\Z)
      | (?:[nNbB]|[uU]&)?'[^']*(?:''[^']*)*(?:'|\Z)
      | 0[xX][0-9a-fA-F]+
      | (?:\d+\.?\d* | \.\d+)(?:[eE][+-]?\d+)?
      | \$\w*\$ | \$\w+ | \?
      | [^\W\d][\w$@\#]* | [@\#][\w$@\#]+
      | "[^"]*(?:""[^"]*)*(?:"|\Z) | `[^`]*(?:``[^`]*)*(?:`|\Z)
      | /\*
      | // | <=> | <> | != | <= | >= | \|\| | :: | -> | => | \S
      | \Z
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGES = re.compile(r"/\*|\*/")


def tokens(text: str) -> Iterator[tuple[Kind, str]]:
    """The kinds and texts of a text's tokens in their order. A placeholder is a literal; comments and spaces are none.

    >>> [token for _, token in tokens("select 'it''s', a.b from t -- all")]
    ['select', "'it''s'", ',', 'a', '.', 'b', 'from', 't']
    """
    # Most statements have neither: the pattern alone parts them, without a step of Python for each token.
    is_plain = "/*" not in text and "$" not in text
    for part in _TOKENS.findall(text) if is_plain else _parts(text):
        if part:
            yield _kind(part), part


def _kind(part: str) -> Kind:
    """The kind of a token, by how it begins: no word has a quote in it."""
    first = part[0]
    if first in "'?" or first.isdecimal():
        return "literal"
    if first.isalnum() or first == "_":
        return "literal" if "'" in part else "word"
    if first in '"`':
        return "name"
    if len(part) == 1:
        return "sign"
    return "literal" if first in ".$" else "word" if first in "@#" else "sign"


def _parts(text: str) -> Iterator[str]:
    """The tokens, past what a pattern alone can't pass: comments hold others, and `$tag$` ends by its own tag."""
    place = 0
    while place < len(text):
        for found in _TOKENS.finditer(text, place):
            part = found[1]
            place = found.end()
            if part == "/*":
                place = _end_of_comment(text, place)
                break
            yield part
            if part[:1] == "$" == part[-1:] and len(part) > 1:
                place = _end_of(text, part, place)
                break


def _end_of(text: str, closing: str, place: int) -> int:
    at = text.find(closing, place)
    return len(text) if at < 0 else at + len(closing)


def _end_of_comment(text: str, place: int) -> int:
    """The end of a comment that began before `place`; those within it are passed."""
    depth = 1
    for edge in _COMMENT_EDGES.finditer(text, place):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
