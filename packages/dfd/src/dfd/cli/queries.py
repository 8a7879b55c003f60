"""Commands that run queries: `dfd sql`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dfd.cli.exit_codes import DONE
from dfd.cli.parameters import STDIN, Profile, Tables, open_runtime, register_tables
from dfd.cli.results import ResultOptions, print_result


def sql(
    query: str | None = None,
    *,
    file: Annotated[Path | None, Parameter(name=["--file", "-f"])] = None,
    table: Tables = None,
    plan: Annotated[bool, Parameter(negative="")] = False,
    profile: Profile = None,
    result: ResultOptions | None = None,
) -> int:
    """Run SQL over Delta tables.

    In a terminal a table has the first 100 rows, and says how many there are; everywhere else all rows are
    given, while they come. Of several statements each shows its table; in every other format there is the
    result of the last. Nothing is rounded: JSON has decimals, and what it has no number for, as texts.

    For example:

    ```text
    dfd sql "select * from delta.`/data/flights` limit 5"
    dfd sql "select carrier, count(*) as n from f group by 1" -t f=/data/flights@2026-01-31 -o n.csv
    dfd sql -f report.sql --format markdown
    echo "select 1 as n" | dfd sql - --json
    ```

    Parameters
    ----------
    query
        SQL, of one statement or several; - is stdin.
    file
        A file of SQL, in place of it.
    plan
        After each query its plan as a tree, on stderr, with rows and shares of time.
    """
    options = result or ResultOptions()
    format = options.chosen()
    text = _text(query, file)
    with open_runtime(profile) as runtime:
        register_tables(runtime, table)
        left_out = 0
        last = None
        for found in runtime.results(text):
            if format == "table" and options.output is None:
                print_result(found, options)
                _print_plan(found, plan)
                continue
            left_out += last is not None and last.outcome is None and bool(last.schema.names)
            last = found
        if last is not None:
            print_result(last, options)
            _print_plan(last, plan)
        if left_out:
            sys.stderr.write(
                f"dfd: {format} has the result of the last statement; {left_out} before it had rows too.\n"
            )
    return DONE


def _print_plan(found: object, wanted: bool) -> None:
    from dfd.cli.output import console
    from dfd.query import Query

    if wanted and isinstance(found, Query) and found.metrics():
        sys.stderr.write(found.plan().draw(console(stderr=True).width) + "\n")


def _text(query: str | None, file: Path | None) -> str:
    """The SQL that a command is given: as an argument, in a file, or on stdin.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    from dfd.errors import ConfigurationError

    if (query is None) == (file is None):
        raise ConfigurationError("Give a query as one argument, - for stdin, or -f FILE.")
    if file is None and query != STDIN:
        return query or ""
    try:
        return sys.stdin.buffer.read().decode() if file is None else file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file or 'stdin'} isn't UTF-8: {error}.") from error
