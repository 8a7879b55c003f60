"""Nothing that is shown moves the cursor."""

from __future__ import annotations

import unicodedata

import pytest
from dfd.display.printable import one_line, printable, printable_lines
from hypothesis import given
from hypothesis import strategies as st

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(st.characters(codec=None)))
def test_no_control_is_left(text: str) -> None:
    for character in printable(text):
        assert unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
        assert character not in BIDI


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_other_text_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("a\u202eb", r"a\u202eb"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("日本 ü", "日本 ü"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines() -> None:
    assert printable_lines("a\x1b\n  b") == "a\\x1b\n  b"
    assert one_line(" a\n\n  b\x1b ") == r"a b\x1b"
