"""Rows of a table, deleted, updated and merged: worked out by the engine, and committed by `commit_files`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from dfd_native import _native
from dfd_native._native import EngineRun
from dfd_native.frames import readable
from dfd_native.handshake import ensure_compatible
from dfd_native.location import table_uri
from dfd_native.log import ActiveFiles
from dfd_native.stage import StagedFiles
from dfd_native.streams import ArrowStream


class MarkedFiles:
    """Files of a version that come back with another deletion vector; of a `RowChange`."""

    def __init__(self, native: _native.MarkedFiles) -> None:
        self._native = native


class RowChange:
    """What the next version has to say, so that rows are changed; made by `delete_rows`, `update_rows` and `merge_rows`.

    - `staged`: the new files, as those of `stage`: drop or release them. None where no row changes.
    - `removes`: the files that go, and those that come back with another deletion vector.
    """

    def __init__(self, native: _native.RowChange, staged: StagedFiles | None = None) -> None:
        self._native = native
        taken = native.take_staged()
        self.staged = staged if taken is None else StagedFiles(taken)
        self.removes = ActiveFiles(native.removes)

    @property
    def is_empty(self) -> bool:
        """Whether no row changes."""
        return self.staged is None

    @property
    def marked(self) -> MarkedFiles:
        """The files that come back."""
        return MarkedFiles(self._native.marked)

    @property
    def metrics(self) -> dict[str, int]:
        """Counts: `num_deleted_rows` or `num_updated_rows`, `num_copied_rows`, files and deletion vectors.

        `num_added_files`, `num_removed_files`: those that come back aren't among them.
        `num_deletion_vectors_added`, `_updated` (of those, over one that was there), `_removed`.
        Of a MERGE they are named as Delta-Spark's are: `num_source_rows`, `num_output_rows`, `num_target_rows_inserted`,
        `_updated`, `_deleted`, `_copied`, `num_target_files_added` and so on.
        """
        return self._native.metrics

    def rebased_on(self, version: int) -> RowChange | None:
        """The same change on top of a later version, with the same new files.

        None where it has to be worked out again: a file is gone, or one of the rows that it takes out is, or there
        are rows now that may change too (only files that came since are read). Where only other rows of its files
        went by deletion vectors, both are merged. This one can't be committed any more then. That the table has the
        same columns is the caller's to know.

        Raises:
            TableError: there is no such version, or it can't be read.
            StageError: a file can't be read, or a deletion vector can't be written.
        """
        rebased = self._native.rebased_on(version)
        return None if rebased is None else RowChange(rebased, self.staged)


def delete_rows(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    predicate: str | None = None,
    inserted: StagedFiles | None = None,
    compression: Literal["zstd", "snappy", "none"] = "zstd",
    target_file_bytes: int | None = None,
    writers: int | None = None,
) -> RowChange:
    """Work out what the table is without the rows for which `predicate` is true, or without any.

    A file of which all rows go is removed. Of the others, rows go by a deletion vector where the table has
    `delta.enableDeletionVectors` and the feature; else the rows that are left are written into new files, which
    keep their order. Nothing is committed; after an error nothing is left.

    - `uri`, `options`: as for `stage`.
    - `version`: of which the rows go.
    - `predicate`: one condition in DataFusion's SQL over the table's columns, whose names are found without regard
      to case. No subquery, aggregate or window.
    - `inserted`: files that the same commit adds: where the table keeps its changes, their rows are changes too.
    - `compression`, `target_file_bytes`, `writers`: as for `stage`.

    Raises:
        IncompatibleInstallation: the installed libraries don't fit together.
        StatementError: the predicate isn't one condition over the table's columns.
        RuleViolation: the table has a feature that can't be honoured.
        StageError: a file can't be read, or the store or the disk failed.
        TableError: the location or an option is refused, or there is no such table or version.
    """
    ensure_compatible()
    return RowChange(
        _native.delete_rows(
            table_uri(uri),
            dict(options or {}),
            version,
            predicate,
            None if inserted is None else inserted._native,
            compression,
            target_file_bytes,
            writers,
        )
    )


def update_rows(
    uri: str | os.PathLike[str],
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    updates: Mapping[str, str],
    predicate: str | None = None,
    compression: Literal["zstd", "snappy", "none"] = "zstd",
    target_file_bytes: int | None = None,
    writers: int | None = None,
) -> RowChange:
    """Work out what the table is with other values where `predicate` is true, or everywhere.

    The rows that change are written once, under the table's rules, as `stage` does, and taken out of their files
    as by `delete_rows`. A generated column that gets no value is computed anew.

    - `updates`: by column, as the table spells it, one expression over the columns as they were.
    - the others: as for `delete_rows`.

    Raises:
        as `delete_rows`, and
        StatementError: there is no such column, or a value isn't one expression over the table's columns.
        RuleViolation: a value isn't of the column's type, or breaks a rule of the table; its row is counted among
            those that change.
    """
    ensure_compatible()
    return RowChange(
        _native.update_rows(
            table_uri(uri),
            dict(options or {}),
            version,
            list(updates.items()),
            predicate,
            compression,
            target_file_bytes,
            writers,
        )
    )


class MergeClause(NamedTuple):
    """What becomes of some rows in a MERGE.

    - `rows`: of which: pairs that match, rows of the source without one of the table, or rows of the table without
      one of the source.
    - `predicate`: SQL over the columns that these rows have; all of them, without.
    - `values`: by column, as the table spells it, one expression over the columns as they were. Without, rows go.
    """

    rows: Literal["matched", "not_matched", "not_matched_by_source"]
    predicate: str | None = None
    values: Mapping[str, str] | None = None


def merge_rows(
    uri: str | os.PathLike[str],
    source: ArrowStream | EngineRun,
    options: Mapping[str, str] | None = None,
    *,
    version: int,
    predicate: str,
    clauses: Sequence[MergeClause],
    source_alias: str = "source",
    target_alias: str = "target",
    merge_schema: bool = False,
    compression: Literal["zstd", "snappy", "none"] = "zstd",
    target_file_bytes: int | None = None,
    writers: int | None = None,
) -> RowChange:
    """Work out what the table is with the rows of a source merged into it.

    The first clause that applies to a row says what becomes of it. Each column of a new row is what its clause says;
    without a value there, an updated row keeps what it has, and an inserted one has the column's default, or null. The
    source is read once, and kept in memory. The rest is as for `update_rows`.

    - `source`: anything with `__arrow_c_stream__`; an `EngineRun` runs inside, no batch crosses Python.
    - `predicate`: one condition over the columns of both: which rows belong together.
    - `clauses`: in order.
    - `source_alias`, `target_alias`: what texts name them. Texts of a clause for rows of one side name columns of that
      side alone.
    - `merge_schema`: whether columns that the table lacks are added to it, where a clause sets them and the source has
      them under this name; so are fields of a column that is set from the source's of its name. The commit of the
      files changes the table.
    - the others: as for `delete_rows`.

    Raises:
        as `update_rows`, and
        StatementError: several rows of the source would change one row of the table; its `values` tell which. That
            several match is no error where the only clause for pairs deletes them all.
        SourceError: the source failed.
        TypeError: `source` has no `__arrow_c_stream__`.
    """
    ensure_compatible()
    return RowChange(
        _native.merge_rows(
            table_uri(uri),
            dict(options or {}),
            version,
            readable(source),
            predicate,
            source_alias,
            target_alias,
            [
                (rows, condition, None if values is None else list(values.items()))
                for rows, condition, values in clauses
            ],
            merge_schema,
            compression,
            target_file_bytes,
            writers,
        )
    )
