"""The lines of progress in a terminal: what they say, and that they are gone at the end."""

from __future__ import annotations

import io

import pytest
from dfd.display.progress_line import ProgressLines, progress_text
from dfd.progress import Progress
from rich.console import Console

READING = Progress(
    id=1,
    what="SELECT flights",
    step="run",
    rows=0,
    rows_read=1_234_567,
    bytes_read=12_300_000,
    elapsed_s=3.4,
    is_done=False,
)
STAGING = Progress(
    id=2,
    what="append file:///data/\x1b[31mt",
    step="stage",
    rows=None,
    rows_read=None,
    bytes_read=None,
    elapsed_s=1.2,
    is_done=False,
)


def replaced(progress: Progress, **fields: object) -> Progress:
    import msgspec

    return msgspec.structs.replace(progress, **fields)


def test_a_line_says_what_is_known() -> None:
    assert progress_text(READING) == "SELECT flights, 1,234,567 rows read, 12.3 MB, 3 s"
    assert progress_text(replaced(READING, rows=10)).endswith("12.3 MB, 10 rows out, 3 s")
    assert progress_text(STAGING) == "append file:///data/\\x1b[31mt, stage, 1 s"


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def shown(console: Console) -> str:
    """What was written, without the empty line that rich below 14.3 leaves."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().replace("\n", "").rstrip()


def test_lines_are_taken_away(console: Console) -> None:
    lines = ProgressLines(console, shares_terminal=False)
    lines(READING)
    assert "1,234,567 rows read" in shown(console)
    lines(replaced(READING, step="deliver", rows=5))
    assert "5 rows out" in shown(console)
    lines(replaced(READING, is_done=True))
    assert shown(console).endswith("\x1b[2K\x1b[?25h")


def test_a_line_is_gone_before_the_first_row_on_the_same_terminal(console: Console) -> None:
    lines = ProgressLines(console, shares_terminal=True)
    lines(READING)
    lines(replaced(READING, step="deliver"))
    before = shown(console)
    assert before.endswith("\x1b[2K\x1b[?25h")
    lines(replaced(READING, step="deliver", rows=7))
    assert shown(console) == before
