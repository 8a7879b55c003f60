"""The command `dfd demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dfd.cli.exit_codes import DONE, INTERRUPTED, USAGE
from dfd.cli.output import console, print_json
from dfd.cli.parameters import JSON


def demo(
    *,
    dir: Annotated[Path, Parameter(name="--dir")] = Path("dfd-demo"),
    rows: int = 336_776,
    json: JSON = False,
) -> int:
    """Load, correct and query the flights of New York in 2013.

    For example:

    ```text
    dfd demo --dir /tmp/flights --rows 10000
    ```

    Parameters
    ----------
    dir
        Where the tables and the report go; made if it isn't there.
    rows
        How many flights to take, 1 to 336776.
    """
    from dfd.demo import run_demo
    from dfd.demo.source import FLIGHTS

    if not 1 <= rows <= FLIGHTS:
        sys.stderr.write(f"dfd: --rows is 1 to {FLIGHTS}, not {rows}.\n")
        return USAGE
    out = console(stderr=json)
    try:
        result = run_demo(dir, rows, out)
    except KeyboardInterrupt:
        sys.stderr.write(
            f"dfd: interrupted. What was committed in {dir} reads back; run it again to go on.\n"
        )
        return INTERRUPTED
    if json:
        print_json(result)
    return DONE
