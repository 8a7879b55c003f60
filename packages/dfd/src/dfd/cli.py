"""The `dfd` command.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration, 3 incompatible
installation, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from dfd.held import native_stderr_held

DONE, FAILED, USAGE, INCOMPATIBLE, INTERRUPTED = 0, 1, 2, 3, 130

app = App(
    name="dfd",
    help="Delta Lake tables queried with Apache DataFusion, made dependable.",
    version_flags=["--version"],
)

JSON = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Profile = Annotated[
    Path | None, Parameter(name="--profile", help="TOML profile; else $DFD_PROFILE, else defaults.")
]


def _out() -> Console:
    # Names and values of users are no markup.
    return Console(markup=False)


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")


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
    console = Console(stderr=json, markup=False)
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
def doctor(*, profile: Profile = None, json: JSON = False) -> int:
    """Say what is installed, whether it fits together, and which known defects it has."""
    import dfd_native

    snapshot = dfd_native.capabilities_snapshot()
    misfit: dfd_native.IncompatibleInstallation | None = None
    try:
        dfd_native.ensure_compatible()
    except dfd_native.IncompatibleInstallation as error:
        misfit = error
    else:
        with _connect(profile):
            pass
    if json:
        told = misfit and {
            "installed": misfit.installed,
            "required": misfit.required,
            "command": misfit.command,
        }
        problem = misfit and str(misfit)
        _print_json({"capabilities": snapshot, "problem": problem, "incompatible": told})
    else:
        _print_capabilities(snapshot)
        _out().print(str(misfit or "The installation fits together."), soft_wrap=True)
    return DONE if misfit is None else INCOMPATIBLE


def _print_capabilities(snapshot: dict[str, Any]) -> None:
    from rich.table import Table

    inside = snapshot["datafusion_inside"]
    libraries = Table("library", "installed", "DataFusion inside")
    for name, found in snapshot["libraries"].items():
        libraries.add_row(name, found or "missing", inside.get(name) or "")
    rest = Table("what", "value")
    for key, value in snapshot.items():
        if isinstance(value, str):
            rest.add_row(key, value)
        elif key in ("plugin_abi", "build", "functions"):
            for name, part in value.items():
                rest.add_row(f"{key}.{name}", str(part))
    rest.add_row("features", ", ".join(snapshot["features"]))
    out = _out()
    out.print(libraries)
    out.print(rest)
    for defect in snapshot["known_defects"]:
        out.print(f"{defect['library']}: {defect['defect']}.", soft_wrap=True)
        out.print(f"    {defect['closed_by']} ({defect['evidence']})", soft_wrap=True)


@app.command
def sql(
    query: str,
    *,
    table: Annotated[
        list[str] | None,
        Parameter(name=["--table", "-t"], negative="", help="name=uri or name=uri@version"),
    ] = None,
    limit: int = 100,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Run a query over Delta tables.

    Parameters
    ----------
    query
        The SQL text.
    limit
        Print at most this many rows.
    """
    from dfd.console import print_stream
    from dfd.errors import ConfigurationError

    with _connect(profile) as runtime:
        for entry in table or []:
            name, found, uri = entry.partition("=")
            if not (name and found and uri):
                raise ConfigurationError(f"--table takes name=uri, not {entry!r}.")
            base, at, version = uri.rpartition("@")
            if at and version.isdigit():
                runtime.register(name, base, version=int(version))
            else:
                runtime.register(name, uri)
        result = runtime.sql(query)
        if json:
            _print_json(_rows(result, limit))
        else:
            print_stream(result, limit=limit, console=_out())
    return DONE


def _rows(stream: Any, limit: int) -> list[dict[str, Any]]:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for batch in pa.RecordBatchReader.from_stream(stream):
        rows += batch.slice(0, limit - len(rows)).to_pylist()
        if len(rows) >= limit:
            break
    return rows


@app.command
def write(
    uri: str,
    file: Path,
    *,
    mode: str = "append",
    partition_by: list[str] | None = None,
    app_id: str | None = None,
    app_version: int | None = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Write a Parquet, CSV or Arrow file into a Delta table.

    Parameters
    ----------
    uri
        The table.
    file
        The source, read as its ending says: .parquet, .csv, .arrow.
    mode
        append or overwrite.
    app_id
        With --app-version: append once, however often it is sent.
    """
    import pyarrow.dataset as ds

    from dfd.errors import ConfigurationError

    kind = {".parquet": "parquet", ".csv": "csv", ".arrow": "ipc"}.get(file.suffix)
    if kind is None:
        raise ConfigurationError(f"{file} ends in none of .parquet, .csv, .arrow.")
    if mode not in ("append", "overwrite"):
        raise ConfigurationError(f"--mode is append or overwrite, not {mode!r}.")
    source = ds.dataset(file, format=kind)
    return _mutation(
        profile,
        json,
        lambda runtime: runtime.write(
            uri,
            lambda: source.scanner().to_reader(),
            mode=mode,
            partition_by=partition_by,
            app_id=app_id,
            app_version=app_version,
        ),
    )


@app.command
def history(uri: str, *, limit: int = 20, profile: Profile = None, json: JSON = False) -> int:
    """Show the commits of a table, newest first."""
    from rich.table import Table

    with _connect(profile) as runtime:
        commits = runtime.table(uri).history(limit)
    if json:
        _print_json(commits)
        return DONE
    table = Table("version", "time (UTC)", "operation", "run", "query")
    for commit in commits:
        table.add_row(
            str(commit.get("version", "")),
            _utc(commit.get("timestamp")),
            str(commit.get("dfd.operation") or commit.get("operation", "")),
            str(commit.get("dfd.run_id", "")),
            str(commit.get("dfd.query_id", "")),
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
def optimize(uri: str, *, profile: Profile = None, json: JSON = False) -> int:
    """Compact the small files of a table."""
    return _mutation(profile, json, lambda runtime: runtime.optimize(uri))


@app.command
def vacuum(
    uri: str,
    *,
    retention_hours: int | None = None,
    delete: Annotated[bool, Parameter(negative="")] = False,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """List the files that no version within the retention needs; remove them with --delete."""
    return _mutation(
        profile,
        json,
        lambda runtime: runtime.vacuum(uri, retention_hours=retention_hours, dry_run=not delete),
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
            _out().print(saved, soft_wrap=True)
    return DONE


def _mutation(profile: Path | None, json: bool, work: Callable[[Any], Any]) -> int:
    with _connect(profile) as runtime:
        outcome = work(runtime)
    if json:
        _print_json(outcome)
    else:
        _out().print(
            f"{outcome.status}: version {outcome.version}, {outcome.attempts} attempt(s)",
            soft_wrap=True,
        )
    return DONE


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; errors are one line on stderr."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _fail(error, USAGE)
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
        OSError,
    )
    return FAILED if isinstance(error, failures) else None


def _fail(error: Exception, code: int) -> int:
    line = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"dfd: {line}\n")
    return code


def run() -> None:
    """The console script."""
    with native_stderr_held():
        code = main()
    sys.exit(code)
