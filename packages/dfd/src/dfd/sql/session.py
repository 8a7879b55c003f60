"""What statements need of the runtime that they are run by."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import dfd_native
from dfd_delta_policy import GuardedTable
from dfd_obs import Observer, Preparation

from dfd.profile import DataFusionRuntimeProfile
from dfd.query import Query
from dfd.session_tables import RegisteredTable
from dfd.table_reference import TableReference


class TableFolders(Protocol):
    """Places of tables that the session hasn't got yet."""

    def location(self, name: str) -> str | None: ...
    def find(self, name: str) -> None: ...
    def find_in(self, text: str) -> None: ...
    def find_all(self) -> None: ...


class SqlSession(Protocol):
    """A `dfd.Runtime`."""

    profile: DataFusionRuntimeProfile
    observer: Observer

    @property
    def folders(self) -> TableFolders: ...
    def preparing(self, text: str) -> AbstractContextManager[Preparation]: ...
    def plan_sql(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        preparation: Preparation | None = None,
    ) -> Query: ...
    def value_of(self, expression: str, params: Mapping[str, Any] | None = None) -> Any: ...
    def register(
        self,
        name: str,
        uri: str | Path,
        version: int | None = None,
        timestamp: datetime | None = None,
        pinned: bool = False,
    ) -> None: ...
    def registered(self, name: str) -> RegisteredTable | None: ...
    def table_reference(self, name: str) -> TableReference: ...
    def tables(self) -> list[RegisteredTable]: ...
    def tables_beneath(self, uri: str) -> list[str]: ...
    def opened(self, uri: str) -> dfd_native.DeltaTable: ...
    def storage_options(self, uri: str) -> dict[str, str]: ...
    def table(
        self, uri: str | Path, *, commit_metadata: Mapping[str, str] | None = None
    ) -> GuardedTable: ...
