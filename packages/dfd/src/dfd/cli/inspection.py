"""Commands that look and change nothing: `dfd doctor`, `history`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dfd.cli.exit_codes import DONE, FAILED, INCOMPATIBLE
from dfd.cli.output import console, print_json
from dfd.cli.parameters import JSON, Profile, open_runtime
from dfd.display.printable import printable

if TYPE_CHECKING:
    import dfd_native

    from dfd.doctor import Examined


def doctor(
    *,
    table: Annotated[list[str] | None, Parameter(negative="")] = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Say what is installed, whether it fits together, and which known defects it has.

    For example:

    ```text
    dfd doctor --table /data/flights --table s3://bucket/lake/orders
    ```

    Parameters
    ----------
    table
        A table whose log to audit, and in which to look for files that killed writers left; may be given
        several times. A log that isn't sound, and a table that isn't there, are exit code 1.
    """
    import dfd_native

    from dfd.doctor import examine, print_capabilities, print_examined

    snapshot = dfd_native.capabilities_snapshot()
    misfit: dfd_native.IncompatibleInstallation | None = None
    examined: dict[str, Examined] = {}
    try:
        dfd_native.ensure_compatible()
    except dfd_native.IncompatibleInstallation as error:
        misfit = error
    else:
        with open_runtime(profile) as runtime:
            examined = {uri: examine(runtime, uri) for uri in table or []}
    if json:
        incompatible = misfit and {
            "installed": misfit.installed,
            "required": misfit.required,
            "command": misfit.command,
        }
        print_json(
            {
                "capabilities": snapshot,
                "problem": misfit and str(misfit),
                "incompatible": incompatible,
                "abandoned_stages": {uri: found.abandoned for uri, found in examined.items()},
                "audits": {uri: found.audit for uri, found in examined.items()},
            }
        )
    else:
        out = console()
        print_capabilities(snapshot, out)
        out.print(str(misfit or "The installation fits together."), soft_wrap=True)
        for uri, found in examined.items():
            print_examined(uri, found, out)
    if misfit is not None:
        return INCOMPATIBLE
    return DONE if all(found.is_sound for found in examined.values()) else FAILED


def history(uri: str, *, limit: int = 20, profile: Profile = None, json: JSON = False) -> int:
    """Show the commits of a table, newest first, with their users' metadata, and of those that dfd made the SQL and the ids.

    For example:

    ```text
    dfd history /data/flights --limit 5
    ```
    """
    from dfd.display.console import table_of

    with open_runtime(profile) as runtime:
        commits = runtime.table(uri).history(limit)
    if json:
        print_json(commits)
        return DONE
    table = table_of("version", "time (UTC)", "operation", "metadata")
    for commit in commits:
        metadata = (
            f"{name} {commit[key]}".lstrip()
            for name, key in (
                ("", "userMetadata"),
                ("sql", "sql"),
                ("sql fingerprint", "sql_fingerprint"),
                ("operation", "dfd.operation_id"),
                ("run", "dfd.run_id"),
                ("query", "dfd.query_id"),
            )
            if key in commit
        )
        table.add_row(
            str(commit.get("version", "")),
            _utc(commit.get("timestamp")),
            printable(str(commit.get("dfd.operation") or commit.get("operation", ""))),
            "\n".join(map(printable, metadata)),
        )
    console().print(table)
    return DONE


def _utc(milliseconds: object) -> str:
    from datetime import datetime, timezone

    if not isinstance(milliseconds, int):
        return ""
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
