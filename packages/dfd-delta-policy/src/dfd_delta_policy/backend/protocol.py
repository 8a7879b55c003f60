"""The functions that writes ask of a backend, as dfd-native has them where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

FileAction = Mapping[str, Any]
"""An add action as the log has it: its `path` still encoded, partition values as texts."""


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
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, int | float]: ...
    @property
    def stage_id(self) -> str: ...
    def release(self) -> None: ...
    def drop(self) -> None: ...


class ActiveFiles(Protocol):
    """The files of one version."""

    @property
    def version(self) -> int: ...
    @property
    def actions(self) -> Sequence[FileAction]: ...


class Native(Protocol):
    """The functions of the module `dfd_native` that writes are made of."""

    def stage(
        self,
        uri: str,
        data: Any,
        options: Mapping[str, str] | None = None,
        *,
        partition_by: Sequence[str] | None = None,
        sort_by: Sequence[str] | None = None,
    ) -> StagedFiles: ...

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

    def commit(
        self,
        uri: str,
        options: Mapping[str, str] | None = None,
        *,
        version: int,
        actions: bytes,
    ) -> None: ...


def installed() -> Native | None:
    """dfd-native; None where it isn't installed."""
    try:
        import dfd_native
    except ModuleNotFoundError as error:
        if error.name != "dfd_native":
            raise
        return None
    return cast(Native, dfd_native)
