"""What is under way as lines on the terminal of stderr, which are gone when it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.progress import Progress as Lines
from rich.progress import SpinnerColumn, TextColumn

from dfd.display.console import output
from dfd.display.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from dfd.progress import Progress

_UNITS = ("B", "kB", "MB", "GB", "TB")


def progress_text(progress: Progress) -> str:
    """One line: what it is, its step, what is known of it, and its seconds."""
    parts = [printable(progress.what)]
    if progress.step not in ("run", "deliver", "begin"):
        parts.append(progress.step)
    if progress.rows_read is not None:
        parts.append(f"{progress.rows_read:,} rows read")
    if progress.bytes_read:
        parts.append(_size(progress.bytes_read))
    if progress.rows:
        parts.append(f"{progress.rows:,} rows out")
    parts.append(f"{progress.elapsed_s:.0f} s")
    return ", ".join(parts)


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


class ProgressLines:
    """Draws a line for all that is under way, and takes it away at its end.

    - `shares_terminal`: whether results go to the same terminal: a line is gone before the first row is there.
    """

    def __init__(self, console: Console, shares_terminal: bool) -> None:
        self._console = console
        self._shares_terminal = shares_terminal
        self._lines: Lines | None = None
        self._tasks: dict[int, TaskID] = {}

    def __call__(self, progress: Progress) -> None:
        """Draw one, or take it away."""
        if progress.is_done or (self._shares_terminal and progress.step == "deliver"):
            self._take_away(progress.id)
            return
        if self._lines is None:
            # Neither stream is redirected: results are written while lines are there.
            self._lines = Lines(
                SpinnerColumn("line"),
                TextColumn("{task.description}", markup=False),
                console=self._console,
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._lines.start()
        text = progress_text(progress)
        if progress.id in self._tasks:
            self._lines.update(self._tasks[progress.id], description=text)
        else:
            self._tasks[progress.id] = self._lines.add_task(text, total=None)
        self._lines.refresh()

    def _take_away(self, id: int) -> None:
        task = self._tasks.pop(id, None)
        if task is None or self._lines is None:
            return
        self._lines.remove_task(task)
        self._lines.refresh()
        if not self._tasks:
            self._lines.stop()
            self._lines = None


def terminal_progress() -> Callable[[Progress], None] | None:
    """What draws progress on stderr; None where that is no terminal."""
    console = output(stderr=True)
    return ProgressLines(console, sys.stdout.isatty()) if console.is_terminal else None
