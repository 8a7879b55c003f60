"""Commands that change a table: `dfd write`, `optimize`, `vacuum`, `restore`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from dfd.cli.exit_codes import DONE
from dfd.cli.output import print_outcome
from dfd.cli.parameters import (
    JSON,
    Profile,
    Tables,
    UserMetadata,
    commit_metadata,
    open_runtime,
    register_tables,
)

if TYPE_CHECKING:
    from dfd_delta_policy import Outcome

    from dfd.runtime import Runtime


def write(
    uri: str,
    file: Path | None = None,
    *,
    query: str | None = None,
    table: Tables = None,
    mode: Literal["append", "overwrite"] = "append",
    predicate: str | None = None,
    schema_mode: Literal["merge", "overwrite"] | None = None,
    partition_overwrite_mode: Literal["static", "dynamic"] = "static",
    partition_by: Annotated[list[str] | None, Parameter(negative="")] = None,
    sort_by: Annotated[list[str] | None, Parameter(negative="")] = None,
    app_id: str | None = None,
    app_version: int | None = None,
    user_metadata: UserMetadata = None,
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
    predicate
        With --mode overwrite: the rows that are replaced, as one SQL condition; all by default.
    schema_mode
        merge: columns that only the source has are added. overwrite: the table's columns become the source's.
    partition_overwrite_mode
        dynamic, with --mode overwrite: the partitions that the source has rows of are replaced, and no others.
    partition_by
        A partition column of a table that is made; may be given several times.
    sort_by
        A column by which each file's rows are sorted; may be given several times.
    app_id
        With --app-version: write once, however often it is sent.
    """
    source = given_source(file, query, table)

    def work(runtime: Runtime) -> Outcome:
        return runtime.write(
            uri,
            source(runtime),
            mode=mode,
            predicate=predicate,
            schema_mode=schema_mode,
            partition_by=partition_by,
            sort_by=sort_by,
            app_id=app_id,
            app_version=app_version,
            partition_overwrite_mode=partition_overwrite_mode,
            commit_metadata=commit_metadata(user_metadata),
        )

    return run_mutation(profile, json, work)


def given_source(file: Path | None, query: str | None, table: Tables) -> Callable[[Runtime], Any]:
    """The source that a command is given: a file, or a query over tables."""
    from dfd.errors import ConfigurationError

    if (file is None) == (query is None):
        raise ConfigurationError("The source is a file or --query, one of the two.")
    if table and query is None:
        raise ConfigurationError("--table belongs to --query.")
    rows = None if file is None else _source(file)

    def source(runtime: Runtime) -> Any:
        register_tables(runtime, table)
        return rows if query is None else runtime.sql(query)

    return source


def _source(file: Path) -> Callable[[], Any]:
    """The rows of a file, from its start each time."""
    import pyarrow.dataset as ds

    from dfd.errors import ConfigurationError

    kind = {".parquet": "parquet", ".csv": "csv", ".arrow": "ipc"}.get(file.suffix)
    if kind is None:
        raise ConfigurationError(f"{file} ends in none of .parquet, .csv, .arrow.")
    dataset = ds.dataset(file, format=kind)
    return lambda: dataset.scanner().to_reader()


def optimize(
    uri: str,
    *,
    z_order: Annotated[list[str] | None, Parameter(negative="")] = None,
    user_metadata: UserMetadata = None,
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
    return run_mutation(
        profile,
        json,
        lambda runtime: runtime.optimize(
            uri, z_order=z_order, commit_metadata=commit_metadata(user_metadata)
        ),
    )


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
    return run_mutation(
        profile,
        json,
        lambda runtime: runtime.vacuum(
            uri, retention_hours=retention_hours, dry_run=not delete, full=full
        ),
    )


def restore(
    uri: str,
    version: int | None = None,
    *,
    timestamp: datetime | None = None,
    user_metadata: UserMetadata = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Make an earlier version of a table the newest.

    Parameters
    ----------
    timestamp
        Instead of a version: the newest that was there then, as 2026-01-31T12:00:00+0000.
    """
    return run_mutation(
        profile,
        json,
        lambda runtime: runtime.restore(
            uri, version, timestamp=timestamp, commit_metadata=commit_metadata(user_metadata)
        ),
    )


def run_mutation(profile: Path | None, json: bool, mutate: Callable[[Runtime], Outcome]) -> int:
    """Run a mutation and print its outcome."""
    with open_runtime(profile) as runtime:
        outcome = mutate(runtime)
    print_outcome(outcome, json)
    return DONE
