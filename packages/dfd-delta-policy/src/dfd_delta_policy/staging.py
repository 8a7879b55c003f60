"""Writes whose files are staged once, and offered to the table until a commit takes them.

    hooks -> stage: the stream becomes data files, under the rules of one version of the table
    each attempt: fresh handle -> are the rules still those? -> commit at exactly the next version

Staging is dfd-native's; without it a write goes through deltalake, its stream spooled to disk. A
conflict costs a commit of a few kilobytes and reads nothing of the source again.

The files belong to the stage, which deletes them, until they are known to be in the log. Where
that can't be known they stay: an orphan costs space until a full vacuum, a missing file the table.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction, create_table_with_add_actions

from dfd_delta_policy.conflict import Conflict, ConflictFound
from dfd_delta_policy.errors import UnsupportedTable
from dfd_delta_policy.loop import OPERATION_ID, Attempt, Done, is_transient, version_with
from dfd_delta_policy.outcome import Outcome, Status
from dfd_delta_policy.rules import Rules, refuse_odd_paths, refuse_removal
from dfd_delta_policy.source import drained, reopens

logger = logging.getLogger(__name__)

# Writer features that deltalake 1.6.6 commits to (its `transaction/protocol.rs`); it would refuse
# the others after everything was staged.
_COMMITTED = frozenset(
    {
        "appendOnly",
        "changeDataFeed",
        "checkConstraints",
        "checkpointProtection",
        "columnMapping",
        "deletionVectors",
        "generatedColumns",
        "invariants",
        "timestampNtz",
        "v2Checkpoint",
        "variantType",
        "variantType-preview",
    }
)


class StagedFiles(Protocol):
    """What `dfd_native.stage` gives: files that are written and in no log yet."""

    @property
    def read_version(self) -> int | None: ...
    @property
    def schema_json(self) -> str: ...
    @property
    def partition_by(self) -> Sequence[str]: ...
    @property
    def actions(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, int | float]: ...
    @property
    def stage_id(self) -> str: ...
    def release(self) -> None: ...
    def drop(self) -> None: ...


class Stage(Protocol):
    """`dfd_native.stage`."""

    def __call__(
        self,
        uri: str,
        data: Any,
        options: Mapping[str, str] | None = None,
        *,
        partition_by: Sequence[str] | None = None,
        sort_by: Sequence[str] | None = None,
    ) -> StagedFiles: ...


def installed() -> Stage | None:
    """The stage of dfd-native; None where that isn't installed."""
    try:
        import dfd_native
    except ModuleNotFoundError as error:
        if error.name != "dfd_native":
            raise
        return None
    stage: Stage = dfd_native.stage
    return stage


def _changed(reason: str, conflict: Conflict = Conflict.METADATA_CHANGED) -> ConflictFound:
    return ConflictFound(
        conflict,
        f"{reason} after the files were staged",
        "Run it again: its rows are then written under the table's rules of today.",
    )


class StagedWrite:
    """One append or full overwrite: `stage` and `commit` are given to the loop, `close` ends it."""

    def __init__(
        self,
        stage: Stage,
        mode: Literal["append", "overwrite"],
        data: Any,
        *,
        uri: str,
        storage_options: dict[str, str],
        local: bool,
        open_table: Callable[[], DeltaTable],
        commit_metadata: Callable[[], Mapping[str, str]] | None,
        partition_by: list[str] | None,
        sort_by: list[str] | None,
    ) -> None:
        self._stage = stage
        self._mode = mode
        self._data = data
        self._uri = uri
        self._options = storage_options
        self._local = local
        self._open = open_table
        self._commit_metadata = commit_metadata
        self._partition_by = partition_by
        self._sort_by = sort_by
        self._staged: StagedFiles | None = None
        self._rules: Rules | None = None
        self._metadata: dict[str, str] = {}
        # The newest version that a commit of these files may be, and the id that tells; and
        # whether its request may still be on its way.
        self._offered: tuple[int, str] | None = None
        self._on_its_way = False

    @property
    def metrics(self) -> dict[str, Any]:
        """What was staged."""
        return {} if self._staged is None else dict(self._staged.metrics)

    def stage(self, table: DeltaTable | None) -> None:
        """Write the files; what can't be committed is refused before anything is read."""
        if table is not None:
            _refuse_features(table)
            if self._mode == "overwrite":
                _refuse_overwrite(table)
        with drained(self._data) as stream:
            self._staged = staged = self._stage(
                self._uri,
                stream,
                self._options,
                partition_by=self._partition_by,
                sort_by=self._sort_by,
            )
            # Asked while the run is still current: its query id belongs into the commit.
            if self._commit_metadata is not None:
                self._metadata = dict(self._commit_metadata())
        if staged.read_version is None:
            self._rules = None
        elif table is not None and table.version() == staged.read_version:
            self._rules = Rules.of(table)
        else:
            then = self._open()
            if then.version() != staged.read_version:
                then.load_as_version(staged.read_version)
            self._rules = Rules.of(then)

    def commit(self, attempt: Attempt) -> Done:
        """Commit the files at exactly the next version, if the table's rules are what they were."""
        table, staged = attempt.table, self._files()
        if (
            table is not None
            and staged.read_version is None
            and not self._is_as_made(table, staged)
        ):
            # Another writer made the table meanwhile, and otherwise.
            if not reopens(self._data):
                raise _changed("another process made the table otherwise")
            self._drop()
            self.stage(table)
            staged = self._files()
        version = 0 if table is None else table.version() + 1
        if self._rules is not None:
            if table is None:
                raise _changed("another process removed the table")
            if (change := self._rules.change(Rules.of(table))) is not None:
                raise _changed(change[1], change[0])
        if table is not None and self._mode == "overwrite":
            _refuse_overwrite(table)
        adds = [AddAction(**action, data_change=True) for action in staged.actions]
        properties = self._properties(attempt.commit, staged)
        self._offered = version, (attempt.commit.custom_metadata or {})[OPERATION_ID]
        self._on_its_way = True
        try:
            if table is None:
                create_table_with_add_actions(
                    self._uri,
                    Schema.from_json(json.dumps(self._schema(staged))),
                    adds,
                    # Strict for the first version too: who comes second must look again.
                    mode="error",
                    partition_by=list(staged.partition_by),
                    storage_options=self._options,
                    commit_properties=properties,
                )
            else:
                # An overwrite derives the removes from this very snapshot, with their deletion
                # vectors, which a RemoveAction can't carry.
                table.create_write_transaction(
                    [*adds],
                    self._mode,
                    table.schema(),
                    table.metadata().partition_columns,
                    commit_properties=properties,
                )
        except Exception as error:
            self._on_its_way = is_transient(error)
            raise
        return Done(version, self.metrics)

    def close(self, outcome: Outcome | None) -> None:
        """Leave the files to the table if they are, or may be, in its log; else delete them."""
        if self._staged is None:
            return
        done = (Status.COMMITTED, Status.LANDED_AFTER_ERROR)
        committed = True if outcome is not None and outcome.status in done else self._committed()
        if committed is False:
            self._drop()
            return
        if committed is None:
            logger.warning(
                "Whether stage %s is committed to %s can't be known: its files stay",
                self._staged.stage_id,
                self._uri,
            )
        try:
            self._staged.release()
        except Exception:  # the commit stands; only the lease is left, and it expires
            logger.warning("The lease of stage %s is left", self._staged.stage_id, exc_info=True)

    def _files(self) -> StagedFiles:
        if self._staged is None:
            raise RuntimeError("a commit without a stage")
        return self._staged

    def _schema(self, staged: StagedFiles) -> Any:
        """The schema of the table that these files make."""
        schema = json.loads(staged.schema_json)
        # What a query's plan knows of nulls is no promise of the next plan's.
        return _nullable(schema) if hasattr(self._data, "__dfd_run__") else schema

    def _is_as_made(self, table: DeltaTable, staged: StagedFiles) -> bool:
        """Whether a table is the one that these files would have made."""
        metadata = table.metadata()
        return (
            not metadata.configuration
            and metadata.partition_columns == list(staged.partition_by)
            and json.loads(table.schema().to_json()) == self._schema(staged)
        )

    def _properties(self, commit: CommitProperties, staged: StagedFiles) -> CommitProperties:
        return CommitProperties(
            custom_metadata={
                **self._metadata,
                **(commit.custom_metadata or {}),
                # As Delta-Spark has them: texts.
                "operationMetrics": {
                    "numFiles": str(len(staged.actions)),
                    "numOutputRows": str(staged.rows),
                    "numOutputBytes": str(staged.bytes),
                },
            },
            max_commit_retries=commit.max_commit_retries,
            app_transactions=commit.app_transactions,
        )

    def _committed(self) -> bool | None:
        """Whether a commit of the files is in the log; None where that can't be known.

        A version that is another's can't become ours any more. One that nobody took can, by a request
        that is still on its way; on a local disk there is none.
        """
        if self._offered is None:
            return False
        version, operation_id = self._offered
        may_come = self._on_its_way and not self._local
        first = self._files().read_version
        try:
            table = self._open()
            commits = table.history(max(table.version() - (-1 if first is None else first), 1))
        except TableNotFoundError:
            return None if may_come else False
        except Exception:  # noqa: BLE001  whatever keeps the log from being read
            return None
        if version_with(commits, operation_id) is not None:
            return True
        return None if may_come and table.version() < version else False

    def _drop(self) -> None:
        try:
            self._files().drop()
        except Exception:  # the store may be gone; what stopped the write is said, not this
            logger.warning(
                "Stage %s of %s could not be deleted; `dfd doctor --table` finds it",
                self._files().stage_id,
                self._uri,
                exc_info=True,
            )
        self._staged = None


def _nullable(kind: Any) -> Any:
    """A type, or a field, of Delta's schema JSON in which every value may be null."""
    if not isinstance(kind, dict):
        return kind
    loose = {"nullable": True, "containsNull": True, "valueContainsNull": True}
    found = {key: loose.get(key, _nullable(value)) for key, value in kind.items()}
    if "fields" in found:
        found["fields"] = [_nullable(field) for field in found["fields"]]
    return found


def _refuse_features(table: DeltaTable) -> None:
    protocol = table.protocol()
    if protocol.min_writer_version >= 7:
        missing = {*(protocol.writer_features or ())} - _COMMITTED
    else:
        missing = {"identityColumns"} if protocol.min_writer_version == 6 else set()
    if missing:
        raise UnsupportedTable(
            f"The table has {', '.join(sorted(missing))}, to which deltalake can't commit. "
            "Nothing was read or written."
        )


def _refuse_overwrite(table: DeltaTable) -> None:
    refuse_removal(table)
    refuse_odd_paths(table)
