"""The loop of the shell: what is typed, done and answered, until somebody ends it."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dfd.cli.exit_codes import DONE, one_line_of
from dfd.cli.results import ResultOptions, print_result
from dfd.cli.shell.completion import Vocabulary

if TYPE_CHECKING:
    from dfd.query import Query
    from dfd.runtime import Runtime


class Shell:
    """A runtime that takes statements by hand.

    - `run_command`: does what begins with a dot.
    - `verbose`: an error's traceback is shown too.
    """

    def __init__(
        self, runtime: Runtime, run_command: Callable[[Shell, str], None], verbose: bool = False
    ) -> None:
        self.runtime = runtime
        self._run_command = run_command
        self.options = ResultOptions()
        self.times = False
        self.ended = False
        self.last: Query | None = None
        self._verbose = verbose
        self._vocabulary: Vocabulary | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """The names that can be completed, as they were after the last statement."""
        if self._vocabulary is None:
            self._vocabulary = Vocabulary.of(self.runtime)
        return self._vocabulary

    def run(self, read: Callable[[], str]) -> int:
        """Do what `read` gives until it ends (`EOFError`) or `.quit`; Ctrl-C stops a statement, not the shell."""
        while not self.ended:
            try:
                text = read()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return DONE
            try:
                self.execute(text)
            except KeyboardInterrupt:
                self._say("interrupted.")
            except Exception as error:  # noqa: BLE001  Whatever it is, the shell goes on.
                self._tell(error)
        return DONE

    def execute(self, text: str) -> None:
        """Do statements, or one command that begins with a dot.

        Raises:
            Exception: what a statement raises; those before it stand.
        """
        if not text.strip():
            return
        if text.lstrip().startswith("."):
            self._run_command(self, text.strip())
            return
        began = time.perf_counter()
        self._vocabulary = None
        for result in self.runtime.results(text):
            self.last = result
            print_result(result, self.options)
        if self.times:
            from dfd.display.footer import time_taken

            self.write(f"Took {time_taken(time.perf_counter() - began)} in all.")

    def write(self, text: str) -> None:
        """Print lines."""
        from dfd.cli.output import console
        from dfd.display.console import write_line

        write_line(console(), text)

    def set_format(self, name: str) -> None:
        """The format of results from now on."""
        self.options = replace(self.options, format=name)  # type: ignore[arg-type]

    def _tell(self, error: Exception) -> None:
        if self._verbose:
            traceback.print_exception(error)
        self._say(one_line_of(error))

    def _say(self, message: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(f"dfd: {message}\n")
