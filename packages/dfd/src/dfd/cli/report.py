"""`dfd report`: the diagnostics report, of this moment or of what another process recorded, and two compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dfd.cli.exit_codes import DONE
from dfd.cli.output import console, print_json
from dfd.cli.parameters import JSON, Profile, open_runtime
from dfd.display.printable import printable

if TYPE_CHECKING:
    from dfd_obs import Comparison, DiagnosticsReport, StatementChange
    from rich.table import Table

_MOST_STATEMENTS = 50

From = Annotated[
    Path | None,
    Parameter(
        name="--from",
        help="Records of another process: the file that `sink` names, a report.json, or the directory of a report.",
    ),
]
Diff = Annotated[
    tuple[Path, Path] | None,
    Parameter(name="--diff", negative="", help="Two of these, before and after, to be compared."),
]


def report(
    path: Path = Path("dfd-report"),
    *,
    from_: From = None,
    diff: Diff = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Write the diagnostics report (JSON, Markdown, HTML, a trace) into a directory, or compare two.

    A new process has run no query: `--from` takes the records that another one wrote (`sink` in `[observability]`
    of its profile). `--diff` says which statements became slower, which fail, and whose plan is another.

    For example:

    ```text
    dfd report /tmp/report --profile dfd.toml
    dfd report /tmp/report --from records.jsonl
    dfd report --diff before.jsonl after.jsonl
    ```
    """
    if diff is not None:
        return _compare(*diff, json=json)
    if from_ is not None:
        paths = [str(saved) for saved in _recorded(from_).save(path)]
    else:
        with open_runtime(profile) as runtime:
            paths = [str(saved) for saved in runtime.report().save(path)]
    if json:
        print_json(paths)
    else:
        for saved in paths:
            console().print(printable(saved), soft_wrap=True)
    return DONE


def _recorded(path: Path) -> DiagnosticsReport:
    from dfd_obs import DiagnosticsReport, Recorded

    found = Recorded.read(path)
    if found.unreadable:
        console(stderr=True).print(
            printable(f"{path}: {found.unreadable} line(s) are no records, and left out."),
            soft_wrap=True,
        )
    return DiagnosticsReport.of_recorded(found)


def _compare(before: Path, after: Path, json: bool) -> int:
    from dfd_obs import Recorded, compare

    found = compare(Recorded.read(before), Recorded.read(after))
    if json:
        print_json(found)
        return DONE
    out = console()
    out.print(printable(f"before  {found.before}"), soft_wrap=True)
    out.print(printable(f"after   {found.after}"), soft_wrap=True)
    if found.by == "summary":
        out.print(
            "No fingerprint is in both: statements are compared by their summaries. "
            "With one `fingerprint_key` for both they are told apart.",
            soft_wrap=True,
        )
    out.print(_table(found))
    left = len(found.statements) - _MOST_STATEMENTS
    if left > 0:
        out.print(f"And {left:,} more, which --json has.")
    return DONE


def _table(found: Comparison) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("statement", overflow="fold")
    table.add_column("change")
    for name in ("runs", "failed", "p50", "p95"):
        table.add_column(name, justify="right")
    for one in found.statements[:_MOST_STATEMENTS]:
        table.add_row(*_row(one))
    return table


def _row(one: StatementChange) -> tuple[str, ...]:
    from dfd_obs.told import seconds

    def both(name: str) -> str:
        values = [None if side is None else getattr(side, name) for side in (one.before, one.after)]
        shown = [
            "none"
            if value is None
            else seconds(value)
            if isinstance(value, float)
            else f"{value:,}"
            for value in values
        ]
        return shown[0] if shown[0] == shown[1] else " → ".join(shown)

    ratio = "" if one.ratio is None or one.change == "same" else f" {one.ratio:.2g}x"
    plan = ", other plan" if one.plan_changed else ""
    figures = (both(name) for name in ("runs", "failed", "p50_s", "p95_s"))
    return (printable(one.summary or "?"), f"{one.change}{ratio}{plan}", *figures)
