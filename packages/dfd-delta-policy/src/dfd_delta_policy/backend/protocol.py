"""The functions that writes ask of a backend, as dfd-native has them where it is installed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, cast

FileAction = Mapping[str, Any]
"""An add action as the log has it: its `path` still encoded, partition values as texts."""

Work: TypeAlias = Literal["stage", "rewrite", "commit"]
"""Work that a table feature may ask something of."""


class OperationInfo(NamedTuple):
    """What a commit says of the operation that made it, in the words of Delta-Spark.

    - `operation_id`, `metadata`: what tells it from others, and the entries of its user's.
    - `transactions`: ids of applications, and the version of each.
    """

    operation: str
    engine: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, Any]
    isolation_level: Literal["Serializable", "SnapshotIsolation"]
    is_blind_append: bool
    operation_id: str
    metadata: Mapping[str, str]
    transactions: Sequence[tuple[str, int]]


class TableDescription(NamedTuple):
    """What a table is made, or replaced, with: texts for people, table properties and metadata of columns."""

    name: str | None = None
    description: str | None = None
    properties: Mapping[str, str] = {}
    columns: Mapping[str, Mapping[str, str]] = {}

    def parameters(self) -> dict[str, Any]:
        """As the commit says it."""
        said = {"name": self.name, "description": self.description}
        if self.properties:
            said["properties"] = json.dumps(dict(self.properties))
        return {key: text for key, text in said.items() if text is not None}


PLAIN = TableDescription()


class LoggedCommit(NamedTuple):
    """A commit of the log, and its commitInfo: empty where it has none."""

    version: int
    info: Mapping[str, Any]


class StagedFiles(Protocol):
    """Files that are written and in no log yet."""

    @property
    def read_version(self) -> int | None: ...
    @property
    def schema_json(self) -> str: ...
    @property
    def partition_by(self) -> Sequence[str]: ...
    @property
    def actions(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def file_bytes(self) -> Sequence[int]: ...
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


class LiveStage(Protocol):
    """A process at work that has staged files which no commit names yet."""

    @property
    def stage_id(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def started(self) -> datetime: ...


class ActiveFiles(Protocol):
    """Files of one version, all of them or some."""

    @property
    def version(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def actions(self) -> Sequence[FileAction]: ...
    def only(self, paths: Sequence[str]) -> ActiveFiles: ...
    def __len__(self) -> int: ...


class DefinitionChange(Protocol):
    """What a commit makes of a table's protocol and metadata."""

    @property
    def is_empty(self) -> bool: ...


class Restore(Protocol):
    """What a commit takes back: files, schema, properties."""

    @property
    def is_empty(self) -> bool: ...
    @property
    def missing(self) -> Sequence[str]: ...
    @property
    def metrics(self) -> Mapping[str, int]: ...


class MergeClause(NamedTuple):
    """What becomes of some rows in a MERGE: they get `values`, or go without any."""

    rows: Literal["matched", "not_matched", "not_matched_by_source"]
    predicate: str | None
    values: Mapping[str, str] | None


class RowChange(Protocol):
    """What a commit has to say, so that rows are changed."""

    @property
    def is_empty(self) -> bool: ...
    @property
    def staged(self) -> StagedFiles | None: ...
    @property
    def removes(self) -> ActiveFiles: ...
    @property
    def marked(self) -> object: ...
    @property
    def metrics(self) -> Mapping[str, int]: ...
    def rebased_on(self, version: int) -> RowChange | None: ...


class Backend(Protocol):
    """The functions that writes are made of, as deltalake and dfd-native have them."""

    def stage(
        self,
        uri: str,
        data: Any,
        options: Mapping[str, str] | None = None,
        *,
        partition_by: Sequence[str] | None = None,
        sort_by: Sequence[str] | None = None,
        target_file_bytes: int | None = None,
    ) -> StagedFiles: ...

    def live_stages(
        self, uri: str, options: Mapping[str, str] | None = None
    ) -> Sequence[LiveStage]: ...

    def active_files(
        self, uri: str, options: Mapping[str, str] | None = None, version: int | None = None
    ) -> ActiveFiles: ...

    def misread_columns(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        predicate: str | None = None,
    ) -> Mapping[str, str]: ...

    def rewrite(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        paths: Sequence[str],
        z_order_by: Sequence[str] | None = None,
        target_file_bytes: int | None = None,
    ) -> StagedFiles: ...

    def commit_files(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        read_version: int,
        info: OperationInfo,
        adds: Sequence[StagedFiles] = (),
        removes: ActiveFiles | None = None,
        keeps_rows: bool = False,
        in_commit_timestamp: bool = False,
    ) -> int: ...

    def create_table(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        schema_json: str,
        partition_by: Sequence[str] = (),
        description: TableDescription = PLAIN,
        info: OperationInfo,
        adds: Sequence[StagedFiles] = (),
    ) -> int: ...

    def commits_since(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        last: int | None = None,
    ) -> Sequence[LoggedCommit]: ...

    def unsupported_features(self, features: Iterable[str], *work: Work) -> Sequence[str]: ...


class LogLength(Protocol):
    """What has to be read of a log beside its checkpoint."""

    @property
    def bytes(self) -> int: ...


class Native(Backend, Protocol):
    """The functions of the module `dfd_native` that writes are made of."""

    def log_length(self, uri: str, options: Mapping[str, str] | None = None) -> LogLength: ...

    def stage(
        self,
        uri: str,
        data: Any,
        options: Mapping[str, str] | None = None,
        *,
        partition_by: Sequence[str] | None = None,
        schema_mode: Literal["merge", "overwrite", "replace"] | None = None,
        all_nullable: bool = False,
        description: TableDescription = PLAIN,
        sort_by: Sequence[str] | None = None,
        predicate: str | None = None,
        target_file_bytes: int | None = None,
    ) -> StagedFiles: ...

    def active_files(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        version: int | None = None,
        *,
        beside: StagedFiles | None = None,
    ) -> ActiveFiles: ...

    def commit_files(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        read_version: int,
        info: OperationInfo,
        adds: Sequence[StagedFiles] = (),
        removes: ActiveFiles | None = None,
        marked: object | None = None,
        restore: Restore | None = None,
        definition: DefinitionChange | None = None,
        keeps_rows: bool = False,
        in_commit_timestamp: bool = False,
    ) -> int: ...

    def add_columns(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        schema_json: str,
    ) -> DefinitionChange: ...

    def change_properties(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        properties: Mapping[str, str | None],
    ) -> DefinitionChange: ...

    def version_at(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        timestamp: datetime,
    ) -> int: ...

    def plan_restore(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        read_version: int,
        version: int,
    ) -> Restore: ...

    def delete_rows(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        predicate: str | None = None,
        inserted: StagedFiles | None = None,
        target_file_bytes: int | None = None,
    ) -> RowChange: ...

    def merge_rows(
        self,
        uri: str,
        source: Any,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        predicate: str,
        clauses: Sequence[MergeClause],
        source_alias: str = "source",
        target_alias: str = "target",
        merge_schema: bool = False,
        target_file_bytes: int | None = None,
    ) -> RowChange: ...

    def update_rows(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        updates: Mapping[str, str],
        predicate: str | None = None,
        target_file_bytes: int | None = None,
    ) -> RowChange: ...

    def list_files(
        self, uri: str, options: Mapping[str, str] | None = None, folder: str = ""
    ) -> Sequence[str]: ...

    def read_file(
        self, uri: str, options: Mapping[str, str] | None = None, *, path: str
    ) -> bytes: ...


def installed() -> Native | None:
    """dfd-native; None where it isn't installed."""
    try:
        import dfd_native
    except ModuleNotFoundError as error:
        if error.name != "dfd_native":
            raise
        return None
    return cast(Native, dfd_native)
