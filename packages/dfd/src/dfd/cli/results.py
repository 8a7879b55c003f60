"""Options of commands that give rows, and the rows in the format that was asked for."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from dfd.cli.output import console
from dfd.cli.sinks import opened

if TYPE_CHECKING:
    from dfd.query import Query

ROWS_SHOWN = 100
"""The rows of a table in a terminal, unless `--limit` says otherwise."""

Format = Literal["table", "csv", "json", "ndjson", "markdown", "arrow", "parquet"]
_BY_SUFFIX: dict[str, Format] = {
    ".txt": "table",
    ".csv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".md": "markdown",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".parquet": "parquet",
}
_BINARY = ("arrow", "parquet")


@Parameter(name="*")
@dataclass(frozen=True)
class ResultOptions:
    """How rows are given."""

    format: Annotated[
        Format | None,
        Parameter(help="By default a table, or what the ending of --output says."),
    ] = None
    output: Annotated[
        Path | None,
        Parameter(
            name=["--output", "-o"], help="A file, made whole or not at all; .gz compresses it."
        ),
    ] = None
    limit: Annotated[
        int | None,
        Parameter(
            validator=Number(gte=0),
            help=f"At most so many rows. By default all; of a table in a terminal {ROWS_SHOWN}.",
        ),
    ] = None
    json: Annotated[bool, Parameter(name="--json", negative="", help="As --format json.")] = False

    def chosen(self) -> Format:
        """The format.

        Raises:
            ConfigurationError: it can't be told, or is for no terminal.
        """
        from dfd.errors import ConfigurationError

        if self.json and self.format not in (None, "json"):
            raise ConfigurationError(
                f"--json is --format json, not {self.format}: give one of them."
            )
        found = "json" if self.json else self.format or self._of_output()
        if found in _BINARY and self.output is None and sys.stdout.isatty():
            raise ConfigurationError(
                f"{found} is for programs, not for a terminal: give -o FILE, or a pipe."
            )
        return found

    def _of_output(self) -> Format:
        from dfd.errors import ConfigurationError

        if self.output is None:
            return "table"
        name = Path(self.output.stem) if self.output.suffix == ".gz" else self.output
        found = _BY_SUFFIX.get(name.suffix.lower())
        if found is None:
            endings = ", ".join(_BY_SUFFIX)
            raise ConfigurationError(
                f"The ending of {self.output} names no format: give --format, or one of {endings}."
            )
        return found


def print_result(result: Query, options: ResultOptions) -> None:
    """Give the rows of a query as the options say."""
    from dfd.display.export import export

    format = options.chosen()
    if format == "table":
        _print_table(result, options)
        return
    with opened(options.output) as sink:
        export(
            result,
            format,
            sink,
            options.limit,
            shown=options.output is None and sys.stdout.isatty(),
        )


def _print_table(result: Query, options: ResultOptions) -> None:
    from rich.console import Console

    from dfd.display.console import NO_WIDTH
    from dfd.display.result import print_stream

    if options.output is None:
        out = console()
        limit = ROWS_SHOWN if options.limit is None and out.is_terminal else options.limit
        print_stream(result, limit, console=out, count_s=0.5)
        return
    with opened(options.output) as sink:
        text = io.TextIOWrapper(sink, encoding="utf-8")
        print_stream(result, options.limit, console=Console(file=text, width=NO_WIDTH))
        text.detach()
