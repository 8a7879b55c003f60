"""Commands that show what tables are: `dfd tables`, `schema`, `files`, `cdf`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dfd.cli.exit_codes import DONE
from dfd.cli.parameters import Profile, TableAt, Tables, open_runtime, register_tables
from dfd.cli.results import ResultOptions, print_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from dfd.query import Query
    from dfd.runtime import Runtime


def tables(
    uri: str | None = None,
    *,
    table: Tables = None,
    profile: Profile = None,
    result: ResultOptions | None = None,
) -> int:
    """List the tables that the profile names, or those beneath a folder.

    For example:

    ```text
    dfd tables --profile dfd.toml
    dfd tables s3://bucket/lake
    ```

    Parameters
    ----------
    uri
        A folder: the tables right beneath it are listed in place of those of the profile.
    """
    with open_runtime(profile) as runtime:
        register_tables(runtime, table)
        if uri is not None:
            root = uri.rstrip("/")
            rows = [_Named(name, f"{root}/{name}") for name in runtime.tables_beneath(uri)]
        else:
            rows = _named(runtime)
        print_result(
            _rows(runtime, ("name", "uri", "version"), ("text", "text", "bigint"), rows),
            result or ResultOptions(),
        )
    return DONE


class _Named(NamedTuple):
    """A table; one that isn't there yet, or wasn't asked for it, has no version."""

    name: str
    uri: str
    version: int | None = None


def _named(runtime: Runtime) -> list[_Named]:
    runtime.folders.find_all()
    found = {table.name: _Named(table.name, table.uri, table.version) for table in runtime.tables()}
    for entry in runtime.profile.tables:
        found.setdefault(entry.name, _Named(entry.name, entry.uri))
    return [found[name] for name in sorted(found)]


def schema(uri: str, *, profile: Profile = None, result: ResultOptions | None = None) -> int:
    """Show the columns of a table: name, type, whether it may be null, partition column, comment.

    For example:

    ```text
    dfd schema /data/flights@3
    ```

    Parameters
    ----------
    uri
        The table, or its name in the profile; @version or @time behind it for an older one.
    """
    from dfd.table_columns import columns_of

    with open_runtime(profile) as runtime:
        columns = columns_of(runtime, *TableAt.parse(uri))
        rows = [
            (found.name, found.type, found.nullable, found.is_partition, found.comment)
            for found in columns
        ]
        names = ("column", "type", "nullable", "partition", "comment")
        kinds = ("text", "text", "boolean", "boolean", "text")
        print_result(_rows(runtime, names, kinds, rows), result or ResultOptions())
    return DONE


def files(uri: str, *, profile: Profile = None, result: ResultOptions | None = None) -> int:
    """Show the data files of a table's newest version, with sizes, rows and statistics.

    For example:

    ```text
    dfd files /data/flights --format csv -o files.csv
    ```

    Parameters
    ----------
    uri
        The table, or its name in the profile.
    """
    with open_runtime(profile) as runtime:
        found = runtime.sql(f"SELECT * FROM delta_files({_quoted(runtime, uri)})")  # noqa: S608
        print_result(found, result or ResultOptions())
    return DONE


def cdf(
    uri: str,
    first: int,
    last: int | None = None,
    *,
    profile: Profile = None,
    result: ResultOptions | None = None,
) -> int:
    """Show the changes of rows that a table has kept, from one version to another.

    The table keeps them where delta.enableChangeDataFeed is true.

    For example:

    ```text
    dfd cdf /data/orders 10 20 --format ndjson
    ```

    Parameters
    ----------
    uri
        The table, or its name in the profile.
    first
        The version whose changes come first.
    last
        The version whose changes come last; the newest by default.
    """
    with open_runtime(profile) as runtime:
        until = "" if last is None else f", {last}"
        found = runtime.sql(
            f"SELECT * FROM read_delta_cdf({_quoted(runtime, uri)}, {first}{until})"  # noqa: S608
        )
        print_result(found, result or ResultOptions())
    return DONE


def _quoted(runtime: Runtime, uri: str) -> str:
    from dfd.sql.literals import quoted_text

    return quoted_text(runtime.table(uri).uri)


def _rows(
    runtime: Runtime, names: Sequence[str], kinds: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> Query:
    """Rows of values as a query, so that every format takes them."""
    from dfd.sql.literals import literal, quoted_name

    columns = ", ".join(
        f"CAST({quoted_name(name)} AS {kind}) AS {quoted_name(name)}"
        for name, kind in zip(names, kinds, strict=True)
    )
    given = rows or [(None,) * len(names)]
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in given)
    listed = ", ".join(map(quoted_name, names))
    where = "" if rows else " WHERE false"
    return runtime.plan_sql(f"SELECT {columns} FROM (VALUES {values}) AS t({listed}){where}")  # noqa: S608
