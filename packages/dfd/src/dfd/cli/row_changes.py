"""Commands that change rows: `dfd delete`, `update`, `merge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dfd.cli.mutations import given_source, run_mutation
from dfd.cli.parameters import (
    JSON,
    InputFormat,
    Profile,
    Tables,
    UserMetadata,
    commit_metadata,
)

if TYPE_CHECKING:
    from dfd_delta_policy import Outcome

    from dfd.runtime import Runtime


def delete(
    uri: str,
    predicate: str | None = None,
    *,
    all: Annotated[bool, Parameter(negative="")] = False,
    app_id: str | None = None,
    app_version: int | None = None,
    user_metadata: UserMetadata = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Delete the rows of a table for which a predicate is true.

    For example:

    ```text
    dfd delete /data/orders "day < '2020-01-01'"
    dfd delete /data/orders "id = 7" --user-metadata "asked by the customer"
    ```

    Parameters
    ----------
    predicate
        One SQL condition over the table's columns.
    all
        All rows, in place of a predicate.
    app_id
        With --app-version: delete once, however often it is sent.
    """
    from dfd.errors import ConfigurationError

    if (predicate is None) != all:
        raise ConfigurationError("What is deleted is a predicate or --all, one of the two.")
    return run_mutation(
        profile,
        json,
        lambda runtime: runtime.delete(
            uri,
            predicate,
            app_id=app_id,
            app_version=app_version,
            commit_metadata=commit_metadata(user_metadata),
        ),
    )


def update(
    uri: str,
    *,
    set: Annotated[list[str], Parameter(negative="")],
    predicate: str | None = None,
    app_id: str | None = None,
    app_version: int | None = None,
    user_metadata: UserMetadata = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Give columns of a table other values.

    For example:

    ```text
    dfd update /data/orders --set "price=price * 2" --set "note='doubled'" --predicate "id = 7"
    ```

    Parameters
    ----------
    set
        COLUMN=VALUE, the value one SQL expression over the columns as they were; may be given several times.
    predicate
        One SQL condition: of which rows. Default: of all.
    app_id
        With --app-version: update once, however often it is sent.
    """
    updates = dict(_assigned(text) for text in set)
    return run_mutation(
        profile,
        json,
        lambda runtime: runtime.update(
            uri,
            updates,
            predicate,
            app_id=app_id,
            app_version=app_version,
            commit_metadata=commit_metadata(user_metadata),
        ),
    )


def merge(
    uri: str,
    *files: str,
    on: str,
    query: str | None = None,
    table: Tables = None,
    input_format: InputFormat = None,
    delete: str | None = None,
    update: Annotated[bool, Parameter(negative="")] = False,
    insert: Annotated[bool, Parameter(negative="")] = False,
    delete_missing: Annotated[bool, Parameter(negative="")] = False,
    merge_schema: Annotated[bool, Parameter(negative="")] = False,
    app_id: str | None = None,
    app_version: int | None = None,
    user_metadata: UserMetadata = None,
    profile: Profile = None,
    json: JSON = False,
) -> int:
    """Merge files, stdin or the result of a query into a Delta table.

    For example:

    ```text
    dfd merge /data/orders changes.csv --on "t.id = s.id" --update --insert
    ```

    Parameters
    ----------
    uri
        The table, or its name in the profile.
    files
        The sources, as for `dfd write`. Their name in SQL is s, the table's t.
    on
        One SQL condition: which rows belong together, like "t.id = s.id".
    query
        The source as SQL over --table, in place of files.
    delete
        One SQL condition: of which pairs the table's row goes.
    update
        All columns of the other pairs become those of the source.
    insert
        Rows of the source that match none are inserted.
    delete_missing
        Rows of the table that match none go.
    merge_schema
        With --update or --insert: columns that only the source has are added to the table.
    app_id
        With --app-version: merge once, however often it is sent.
    """
    from dfd.errors import ConfigurationError

    if delete is None and not (update or insert or delete_missing):
        raise ConfigurationError(
            "A merge does something: --update, --insert, --delete or --delete-missing."
        )
    source = given_source(files, query, table, input_format)

    def work(runtime: Runtime) -> Outcome:
        found = source(runtime)
        merging = runtime.merge(
            uri,
            found,
            on,
            merge_schema=merge_schema,
            app_id=app_id,
            app_version=app_version,
            commit_metadata=commit_metadata(user_metadata),
        )
        if delete is not None:
            merging = merging.when_matched_delete(delete)
        if update:
            merging = merging.when_matched_update_all()
        if insert:
            merging = merging.when_not_matched_insert_all()
        if delete_missing:
            merging = merging.when_not_matched_by_source_delete()
        return merging.execute()

    return run_mutation(profile, json, work)


def _assigned(text: str) -> tuple[str, str]:
    from dfd.errors import ConfigurationError

    column, sign, value = text.partition("=")
    if not (sign and column.strip() and value.strip()):
        raise ConfigurationError(f"--set is COLUMN=VALUE, not {text!r}.")
    return column.strip(), value.strip()
