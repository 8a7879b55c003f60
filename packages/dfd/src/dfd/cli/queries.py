"""Commands that run queries: `dfd sql`."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from dfd.cli.exit_codes import DONE
from dfd.cli.output import console
from dfd.cli.parameters import JSON, Profile, Tables, open_runtime, register_tables

ROWS_SHOWN = 100


def sql(
    query: str,
    *,
    table: Tables = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Run a query over Delta tables.

    With --json all rows are written, while they come; a table in the terminal has the first 100.

    Parameters
    ----------
    query
        The SQL text.
    limit
        Print at most this many rows, in either form.
    """
    from dfd.display.console import print_stream
    from dfd.display.json_text import json_rows

    with open_runtime(profile) as runtime:
        register_tables(runtime, table)
        result = runtime.sql(query)
        if json:
            sys.stdout.writelines(json_rows(result, limit))
        else:
            print_stream(result, limit=ROWS_SHOWN if limit is None else limit, console=console())
    return DONE
