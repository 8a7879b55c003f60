"""The `dfd` command.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration, 3 incompatible
installation, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number
from rich.console import Console

from dfd.held import native_stderr_held
from dfd.messages import without_traceback
from dfd.printable import one_line, printable

DONE, FAILED, USAGE, INCOMPATIBLE, INTERRUPTED = 0, 1, 2, 3, 130
ROWS_SHOWN = 100

app = App(
    name="dfd",
    help="Delta Lake tables queried with Apache DataFusion, made dependable.",
    version_flags=["--version"],
)

JSON = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Profile = Annotated[
    Path | None, Parameter(name="--profile", help="TOML profile; else $DFD_PROFILE, else defaults.")
]
Tables = Annotated[
    list[str] | None,
    Parameter(name=["--table", "-t"], negative="", help="name=uri or name=uri@version"),
]


def _out(stderr: bool = False) -> Console:
    from dfd.console import output

    return output(stderr)


def _print_json(value: object) -> None:
    from dfd.json_text import json_text

    sys.stdout.write(json_text(value) + "\n")


def _connect(profile: Path | None) -> Any:
    from dfd.runtime import connect

    return connect(profile)


@app.command
def demo(
    *,
    dir: Annotated[Path, Parameter(name="--dir")] = Path("dfd-demo"),
    rows: int = 336_776,
    json: JSON = False,
) -> int:
    """Load, correct and query the flights of New York in 2013.

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
    console = _out(stderr=json)
    try:
        result = run_demo(dir, rows, console)
    except KeyboardInterrupt:
        sys.stderr.write(
            f"dfd: interrupted. What was committed in {dir} reads back; run it again to go on.\n"
        )
        return INTERRUPTED
    if json:
        _print_json(result)
    return DONE


@app.command
def doctor(
    *,
    table: Annotated[list[str] | None, Parameter(negative="")] = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Say what is installed, whether it fits together, and which known defects it has.

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
    examined: dict[str, Any] = {}
    try:
        dfd_native.ensure_compatible()
    except dfd_native.IncompatibleInstallation as error:
        misfit = error
    else:
        with _connect(profile) as runtime:
            examined = {uri: examine(runtime, uri) for uri in table or []}
    if json:
        told = misfit and {
            "installed": misfit.installed,
            "required": misfit.required,
            "command": misfit.command,
        }
        problem = misfit and str(misfit)
        _print_json(
            {
                "capabilities": snapshot,
                "problem": problem,
                "incompatible": told,
                "abandoned_stages": {uri: found.abandoned for uri, found in examined.items()},
                "audits": {uri: found.audit for uri, found in examined.items()},
            }
        )
    else:
        out = _out()
        print_capabilities(snapshot, out)
        out.print(str(misfit or "The installation fits together."), soft_wrap=True)
        for uri, found in examined.items():
            print_examined(uri, found, out)
    if misfit is not None:
        return INCOMPATIBLE
    return DONE if all(found.is_sound for found in examined.values()) else FAILED


@app.command
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
    from dfd.console import print_stream
    from dfd.json_text import json_rows

    with _connect(profile) as runtime:
        _register(runtime, table)
        result = runtime.sql(query)
        if json:
            sys.stdout.writelines(json_rows(result, limit))
        else:
            print_stream(result, limit=ROWS_SHOWN if limit is None else limit, console=_out())
    return DONE


def _register(runtime: Any, tables: list[str] | None) -> None:
    from dfd.errors import ConfigurationError

    for entry in tables or []:
        name, found, uri = entry.partition("=")
        if not (name and found and uri):
            raise ConfigurationError(f"--table takes name=uri, not {entry!r}.")
        base, at, version = uri.rpartition("@")
        if at and version.isdigit():
            runtime.register(name, base, version=int(version))
        else:
            runtime.register(name, uri)


@app.command
def write(
    uri: str,
    file: Path | None = None,
    *,
    query: str | None = None,
    table: Tables = None,
    mode: Literal["append", "overwrite"] = "append",
    partition_by: Annotated[list[str] | None, Parameter(negative="")] = None,
    sort_by: Annotated[list[str] | None, Parameter(negative="")] = None,
    app_id: str | None = None,
    app_version: int | None = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Write a Parquet, CSV or Arrow file, or the result of a query, into a Delta table.

    Parameters
    ----------
    uri
        The table; made if it isn't there.
    file
        The source, read as its ending says: .parquet, .csv, .arrow.
    query
        The source as SQL over --table, in place of a file.
    mode
        append or overwrite.
    partition_by
        A partition column of a table that is made; may be given several times.
    sort_by
        A column by which each file's rows are sorted; may be given several times.
    app_id
        With --app-version: append once, however often it is sent.
    """
    from dfd.errors import ConfigurationError

    if (file is None) == (query is None):
        raise ConfigurationError("The source is a file or --query, one of the two.")
    if table and query is None:
        raise ConfigurationError("--table belongs to --query.")
    source = None if file is None else _source(file)

    def work(runtime: Any) -> Any:
        _register(runtime, table)
        return runtime.write(
            uri,
            source or runtime.sql(query),
            mode=mode,
            partition_by=partition_by,
            sort_by=sort_by,
            app_id=app_id,
            app_version=app_version,
        )

    return _mutation(profile, json, work)


def _source(file: Path) -> Callable[[], Any]:
    """The rows of a file, from its start each time."""
    import pyarrow.dataset as ds

    from dfd.errors import ConfigurationError

    kind = {".parquet": "parquet", ".csv": "csv", ".arrow": "ipc"}.get(file.suffix)
    if kind is None:
        raise ConfigurationError(f"{file} ends in none of .parquet, .csv, .arrow.")
    dataset = ds.dataset(file, format=kind)
    return lambda: dataset.scanner().to_reader()


@app.command
def history(uri: str, *, limit: int = 20, profile: Profile = None, json: JSON = False) -> int:
    """Show the commits of a table, newest first, with the ids of those that dfd made."""
    from dfd.console import table_of

    with _connect(profile) as runtime:
        commits = runtime.table(uri).history(limit)
    if json:
        _print_json(commits)
        return DONE
    table = table_of("version", "time (UTC)", "operation", "ids")
    for commit in commits:
        ids = (
            f"{name} {commit[key]}"
            for name, key in (
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
            "\n".join(map(printable, ids)),
        )
    _out().print(table)
    return DONE


def _utc(milliseconds: object) -> str:
    from datetime import datetime, timezone

    if not isinstance(milliseconds, int):
        return ""
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


@app.command
def optimize(
    uri: str,
    *,
    z_order: Annotated[list[str] | None, Parameter(negative="")] = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Compact the small files of a table.

    Parameters
    ----------
    z_order
        A column of the curve along which all files are rewritten, so that filters on any of them skip files;
        may be given several times.
    """
    return _mutation(profile, json, lambda runtime: runtime.optimize(uri, z_order=z_order))


@app.command
def vacuum(
    uri: str,
    *,
    retention_hours: int | None = None,
    delete: Annotated[bool, Parameter(negative="")] = False,
    full: Annotated[bool, Parameter(negative="")] = False,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """List the files that no version within the retention needs; remove them with --delete.

    Parameters
    ----------
    full
        Files that were never committed too, as a killed writer leaves them.
    """
    return _mutation(
        profile,
        json,
        lambda runtime: runtime.vacuum(
            uri, retention_hours=retention_hours, dry_run=not delete, full=full
        ),
    )


@app.command
def restore(uri: str, version: int, *, profile: Profile = None, json: JSON = False) -> int:
    """Make an earlier version of a table the newest."""
    return _mutation(profile, json, lambda runtime: runtime.restore(uri, version))


@app.command
def report(path: Path = Path("dfd-report"), *, profile: Profile = None, json: JSON = False) -> int:
    """Write the diagnostics report (JSON, Markdown, HTML) into a directory."""
    with _connect(profile) as runtime:
        paths = [str(saved) for saved in runtime.report().save(path)]
    if json:
        _print_json(paths)
    else:
        for saved in paths:
            _out().print(printable(saved), soft_wrap=True)
    return DONE


def _mutation(profile: Path | None, json: bool, work: Callable[[Any], Any]) -> int:
    with _connect(profile) as runtime:
        outcome = work(runtime)
    if json:
        _print_json(outcome)
    else:
        out = _out()
        listed = outcome.metrics.get("files")
        for path in listed if isinstance(listed, list) else ():
            out.print(printable(path), soft_wrap=True)
        out.print(
            f"{outcome.status}: version {outcome.version}, {outcome.attempts} attempt(s)"
            f"{_counted(outcome.metrics)}",
            soft_wrap=True,
        )
    return DONE


def _counted(metrics: Mapping[str, Any]) -> str:
    """What an operation did, from what it counted."""
    if "dry_run" in metrics:
        would = "would go" if metrics["dry_run"] else "gone"
        return f", {len(metrics['files'])} file(s) {would}"
    if "rows" in metrics:
        return f", {metrics['rows']} row(s) in {metrics['files']} file(s)"
    if "numFilesRemoved" in metrics:
        return f", {metrics['numFilesRemoved']} file(s) into {metrics['numFilesAdded']}"
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; errors are one line on stderr."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        return _fail(error, USAGE)
    except BrokenPipeError:
        # Who reads has seen enough, like `head`; what is still buffered would fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("dfd: interrupted.\n")
        return INTERRUPTED
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        return _fail(error, code)
    return code if isinstance(code, int) else DONE


def _code_of(error: Exception) -> int | None:
    """The exit code of an error that is the user's or the world's; None for a defect of ours."""
    import dfd_cache
    import dfd_delta_policy
    import dfd_native
    import dfd_obs
    import dfd_storage
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    from dfd.errors import ConfigurationError, DfdError

    if isinstance(error, dfd_native.IncompatibleInstallation):
        return INCOMPATIBLE
    if isinstance(error, ConfigurationError):
        return USAGE
    if isinstance(error, (dfd_storage.StorageFailure, dfd_storage.CredentialsUnavailable)):
        return FAILED
    if isinstance(error, (dfd_storage.StorageError, dfd_cache.CacheError)):
        return USAGE
    failures = (
        DfdError,
        dfd_delta_policy.DeltaPolicyError,
        dfd_native.NativeError,
        dfd_obs.ObservabilityError,
        DeltaError,
        pa.ArrowException,
        OSError,
    )
    return FAILED if isinstance(error, failures) else None


def _fail(error: Exception, code: int) -> int:
    message = one_line(without_traceback(str(error)))
    sys.stderr.write(f"dfd: {message or type(error).__name__}\n")
    return code


def run() -> None:
    """The console script."""
    with native_stderr_held():
        code = main()
    sys.exit(code)
