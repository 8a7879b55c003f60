"""Changes of a table that no new file makes: properties, and the way back to an older version."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dfd_native import _native
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri


class DefinitionChange:
    """What a commit makes of a table's protocol and metadata; made by `add_columns` and `change_properties`."""

    def __init__(self, native: _native.DefinitionChange) -> None:
        self._native = native

    @property
    def is_empty(self) -> bool:
        """Whether the table is like that already."""
        return self._native.is_empty


class Restore:
    """What a commit takes back: files, schema, properties; made by `plan_restore`."""

    def __init__(self, native: _native.Restore) -> None:
        self._native = native

    @property
    def is_empty(self) -> bool:
        """Whether the table is like that already."""
        return self._native.is_empty

    @property
    def missing(self) -> list[str]:
        """Files that would come back, or whose deletion vectors would, and that aren't there any more.

        Their paths from the table's root. Where there is one, a table that is committed so can't be read.
        """
        return self._native.missing

    @property
    def metrics(self) -> dict[str, int]:
        """Counts of files, and their sizes in bytes, under the names of Delta-Spark's RESTORE."""
        return dict(self._native.metrics)


def add_columns(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    schema_json: str,
) -> DefinitionChange:
    """The change by which `version` of a table gets columns after those that it has, with the protocol of their types.

    Every row is null in them. Where columns are mapped they get ids that none had before, and names of their own in
    files.

    - `uri`, `options`: as for `active_files`.
    - `schema_json`: the new columns, in the JSON of Delta's log, as `StagedFiles.schema_json` has it.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        RuleViolation: the table has a column of such a name, in any case, or one takes no nulls.
        StageError: it isn't a schema, there is no such table or version, or its log can't be read.
    """
    ensure_compatible()
    return DefinitionChange(
        _native.add_columns(table_uri(uri), dict(options or {}), version, schema_json)
    )


def change_properties(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    properties: Mapping[str, str | None],
) -> DefinitionChange:
    """The change by which `version` of a table gets properties, or loses them, with the protocol that they ask for.

    Those with None go. `delta.appendOnly`, `delta.enableChangeDataFeed` and `delta.enableDeletionVectors` ask for
    a protocol where they are `true`, CHECK constraints (`delta.constraints.<name>`) always: one that lists features
    gets theirs, an older one the lowest version that knows them. Every row of the version is checked by a new
    constraint. Other names and values are the caller's to check.

    - `uri`, `options`: as for `active_files`.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        RuleViolation: a constraint isn't a condition that means the same here as to Spark, or a row breaks it: the
            `row` of the file at `path`, with its `values`.
        StageError: there is no such table or version, or it can't be read.
    """
    ensure_compatible()
    changes = list(properties.items())
    return DefinitionChange(
        _native.change_properties(table_uri(uri), dict(options or {}), version, changes)
    )


def plan_restore(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    read_version: int,
    version: int,
) -> Restore:
    """What takes a table from `read_version` back to the older `version`.

    Files that are only in the older come back as they were, with statistics and deletion vectors; those that are
    only in the newer go. Schema, partitioning and properties are those of the older. The protocol keeps what
    either has, ids of columns aren't given twice, and in-commit timestamps stay as they are.

    - `uri`, `options`: as for `active_files`.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        TableError: there is no such version, or it can't be read.
    """
    ensure_compatible()
    planned = _native.plan_restore(table_uri(uri), dict(options or {}), read_version, version)
    return Restore(planned)
