"""Commands that change a table: `dfd write`, `optimize`, `vacuum`, `restore`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from dfd.cli.exit_codes import DONE
from dfd.cli.output import console, print_json, print_outcome
from dfd.cli.parameters import (
    JSON,
    InputFormat,
    Profile,
    Tables,
    UserMetadata,
    commit_metadata,
    open_runtime,
    register_tables,
)
from dfd.display.printable import printable

if TYPE_CHECKING:
    from dfd_delta_policy import Outcome

    from dfd.cli.sources import SourceFormat
    from dfd.runtime import Runtime


def write(
    uri: str,
    *files: str,
    query: str | None = None,
    table: Tables = None,
    input_format: InputFormat = None,
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
    """Write files, stdin or the result of a query into a Delta table.

    Files are CSV, TSV, JSON, NDJSON, Parquet and Arrow, also with .gz behind that, patterns, and folders
    with all beneath them. Columns that a file lacks are null.

    For example:

    ```text
    dfd write /data/flights january.csv february.csv.gz
    dfd write /data/flights 'exports/**/*.parquet' --mode overwrite --partition-by month
    curl https://example.org/rows.ndjson | dfd write /data/rows - --app-id feed --app-version 7
    dfd write /data/late --query "select * from f where delay > 60" -t f=/data/flights
    ```

    Parameters
    ----------
    uri
        The table, or its name in the profile; made if it isn't there.
    files
        The sources, read as their endings say; - is stdin.
    query
        The source as SQL over --table, in place of files.
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
    source = given_source(files, query, table, input_format)

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


def given_source(
    files: Sequence[str], query: str | None, table: Tables, format: SourceFormat | None
) -> Callable[[Runtime], Any]:
    """The source that a command is given: files, or a query over tables."""
    from dfd.cli.sources import file_rows
    from dfd.errors import ConfigurationError

    if bool(files) == (query is not None):
        raise ConfigurationError("The source is files, - for stdin, or --query: give one of them.")
    if table and query is None:
        raise ConfigurationError("--table belongs to --query.")
    rows = None if query is not None else file_rows(files, format)

    def source(runtime: Runtime) -> Any:
        register_tables(runtime, table)
        return rows if query is None else runtime.sql(query)

    return source


def optimize(
    uri: str,
    *,
    z_order: Annotated[list[str] | None, Parameter(negative="")] = None,
    user_metadata: UserMetadata = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Compact the small files of a table.

    For example:

    ```text
    dfd optimize /data/flights
    dfd optimize /data/flights --z-order origin --z-order day
    ```

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

    For example:

    ```text
    dfd vacuum /data/flights
    dfd vacuum /data/flights --delete --retention-hours 168
    ```

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

    For example:

    ```text
    dfd restore /data/flights 41
    dfd restore /data/flights --timestamp 2026-01-31T12:00:00+0000
    ```

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


def checkpoint(uri: str, *, profile: Profile = None, json: JSON = False) -> int:
    """Write a checkpoint of a table's newest version, so that readers open it without the commits before.

    For example:

    ```text
    dfd checkpoint /data/flights
    ```

    Parameters
    ----------
    uri
        The table, or its name in the profile.
    """
    return run_mutation(profile, json, lambda runtime: runtime.table(uri).create_checkpoint())


def constraint(
    uri: str,
    *,
    add: str | None = None,
    drop: str | None = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """List the CHECK constraints of a table, add one or drop one.

    For example:

    ```text
    dfd constraint /data/orders
    dfd constraint /data/orders --add "positive=price > 0"
    dfd constraint /data/orders --drop positive
    ```

    Parameters
    ----------
    uri
        The table, or its name in the profile.
    add
        NAME=CONDITION, the condition in Spark's SQL; every row that is there must hold to it.
    drop
        The name of one.
    """
    from dfd.errors import ConfigurationError

    if add is not None and drop is not None:
        raise ConfigurationError("--add and --drop are two commands: give one of them.")
    if drop is not None:
        name = drop
        return run_mutation(profile, json, lambda runtime: runtime.table(uri).drop_constraint(name))
    if add is None:
        return _list_constraints(uri, profile, json)
    name, sign, condition = (part.strip() for part in add.partition("="))
    if not (name and sign and condition):
        raise ConfigurationError(f"--add is NAME=CONDITION, not {add!r}.")
    return run_mutation(
        profile, json, lambda runtime: runtime.table(uri).add_constraint({name: condition})
    )


def _list_constraints(uri: str, profile: Path | None, json: bool) -> int:
    from deltalake import DeltaTable

    prefix = "delta.constraints."
    with open_runtime(profile) as runtime:
        place = runtime.table(uri).uri
        properties = DeltaTable(place, storage_options=runtime.storage_options(place)).metadata()
    found = {
        name.removeprefix(prefix): condition
        for name, condition in sorted(properties.configuration.items())
        if name.startswith(prefix)
    }
    if json:
        print_json(found)
        return DONE
    for name, condition in found.items():
        console().print(f"{printable(name)}: {printable(condition)}", soft_wrap=True)
    return DONE


def run_mutation(profile: Path | None, json: bool, mutate: Callable[[Runtime], Outcome]) -> int:
    """Run a mutation and print its outcome."""
    with open_runtime(profile) as runtime:
        outcome = mutate(runtime)
    print_outcome(outcome, json)
    return DONE
