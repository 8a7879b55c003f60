"""The page of the command names all commands; its examples run in `tests/docs`."""

from __future__ import annotations

from pathlib import Path

from dfd.cli.app import app

PAGE = Path(__file__).parents[4] / "docs" / "command.md"


def test_the_page_has_every_command() -> None:
    text = PAGE.read_text(encoding="utf-8")
    names = [name for name in app if not name.startswith("-")]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_script_that_completes_has_every_command() -> None:
    script = app.meta.generate_completion(shell="bash")
    names = [name for name in app if not name.startswith("-")]
    assert [name for name in names if name not in script] == []
