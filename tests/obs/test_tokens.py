"""The tokens that fingerprints are made of, beside those of DataFusion's own tokenizer."""

from __future__ import annotations

import dfd_native
from dfd_obs.tokens import tokens
from hypothesis import example, given
from hypothesis import strategies as st

# What opens and closes, and what stands between.
PIECES = [
    "'",
    "''",
    '"',
    "`",
    "$",
    "$$",
    "$a$",
    "--",
    "/*",
    "*/",
    "\n",
    "e'",
    "N'",
    "x'",
    "\\",
    "a",
    " ",
    "1",
    "/",
    "*",
    "?",
    "b'",
    "U&'",
    ".",
]


@example(
    ["a", ";", "'", ";", "'", ";", "--", ";", "\n", ";", "/*", "/*", ";", "*/", ";", "*/", ";"]
)
@given(st.lists(st.sampled_from([*PIECES, ";", ";"]), max_size=12))
def test_tokens_end_where_those_of_datafusion_do(pieces: list[str]) -> None:
    """A semicolon parts statements where it stands in no text, name or comment: dfd-native says where that is."""
    text = "".join(pieces)
    try:
        judged = dfd_native.sql_script(text)
    except dfd_native.SqlSyntaxError:
        return  # No tokens of SQL: a quote is open.
    ours: list[list[str]] = [[]]
    for kind, part in tokens(text):
        if (kind, part) == ("sign", ";"):
            ours.append([])
        else:
            ours[-1].append(part)
    theirs = [[part for _, part in tokens(one["text"])] for one in judged]
    assert [one for one in ours if one] == theirs
