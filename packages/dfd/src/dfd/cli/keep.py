"""The command `dfd keep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dfd.cli.exit_codes import DONE, FAILED
from dfd.cli.output import console, print_json
from dfd.cli.parameters import JSON, Profile, open_runtime
from dfd.display.printable import one_line, printable

if TYPE_CHECKING:
    from dfd.keeping import Kept


def keep(
    *tables: str,
    run: Annotated[bool, Parameter(negative="")] = False,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Look after all tables of the profile: say which want OPTIMIZE, a checkpoint or VACUUM, and do it with --run.

    An operation is due when the thresholds of [keep] in the profile are reached: optimize_files (16),
    checkpoint_commits (100), vacuum_files (100). Logs are audited too, unless [keep] has audit = false. The exit
    code is 1 where a table can't be looked at, its log isn't sound, or an operation failed; the others are done
    all the same.

    For example:

    ```text
    dfd keep --profile dfd.toml
    dfd keep orders s3://bucket/lake/items --run --json
    ```

    Parameters
    ----------
    tables
        Names or URIs, in place of all tables of the profile and its folders.
    run
        Do what is due. VACUUM removes the files that no version within the table's retention needs.
    """
    from dfd.keeping import keep as kept

    with open_runtime(profile) as runtime:
        found = []
        for entry in kept(runtime, tables, run):
            found.append(entry)
            if not json:
                _print(entry)
    if json:
        print_json([{"well": entry.is_well, **_fields(entry)} for entry in found])
    elif not found:
        console().print("The profile names no table: [[table]] and [[schema]] do.", soft_wrap=True)
    return DONE if all(entry.is_well for entry in found) else FAILED


def _fields(entry: Kept) -> dict[str, object]:
    return {"name": entry.name, "found": entry.found, "done": entry.done, "error": entry.error}


def _print(entry: Kept) -> None:
    out = console()
    for line in _lines(entry):
        out.print(printable(f"{entry.name}: {line}"), soft_wrap=True)


def _lines(entry: Kept) -> list[str]:
    lines = []
    if entry.found is not None:
        counts = (
            (entry.found.files_to_compact, "file(s) to compact"),
            (entry.found.commits_since_checkpoint, "commit(s) since the last checkpoint"),
            (entry.found.unneeded_files, "unneeded file(s)"),
        )
        shown = ", ".join(f"{count:,} {what}" for count, what in counts if count is not None)
        due = ", ".join(map(str, entry.found.due)) or "nothing"
        lines.append(f"version {entry.found.version}: {shown}. Due: {due}.".replace(": .", "."))
        if entry.found.is_sound is False:
            lines.append("the log isn't sound: `dfd doctor --table` says what is wrong.")
    lines += [f"{done.operation}: {done.status}, version {done.version}." for done in entry.done]
    if entry.error is not None:
        lines.append(one_line(entry.error))
    return lines
