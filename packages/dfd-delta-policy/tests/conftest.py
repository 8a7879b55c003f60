"""Tables on disk, and time that a test owns."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Schema
from deltalake.exceptions import TableNotFoundError
from dfd_delta_policy import Clock, GuardedTable
from dfd_delta_policy.backend.pyarrow import PlainTables
from dfd_delta_policy.commit.committer import PlainCommitter

with contextlib.suppress(ModuleNotFoundError):
    import dfd_native

Rows = list[tuple[Any, ...]]


class FakeClock:
    """Time passes by sleeping only; chance always takes the upper bound."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def as_clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self.sleep, uniform=lambda low, high: high)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table(tmp_path: Path, clock: FakeClock) -> GuardedTable:
    """A table of `id` 0 to 3 and `s`, one row to each."""
    made = GuardedTable(tmp_path / "t", clock=clock.as_clock())
    made.append(pa.table({"id": [0, 1, 2, 3], "s": ["a", "b", "c", "d"]}))
    return made


@pytest.fixture
def rows() -> Callable[[GuardedTable], Rows]:
    def read(table: GuardedTable) -> Rows:
        found = pa.table(DeltaTable(table.uri).scan())
        return sorted(
            zip(*(column.to_pylist() for column in found.columns), strict=True),
            key=repr,
        )

    return read


@pytest.fixture
def by_hand() -> Callable[[GuardedTable], list[dict[str, Any]]]:
    """Rows from the log's JSON and pyarrow alone; partition values as the log has them, INT96 at microseconds."""

    def read(table: GuardedTable) -> list[dict[str, Any]]:
        root = Path(table.uri.removeprefix("file://"))
        active: dict[str, Any] = {}
        for entry in sorted((root / "_delta_log").glob("*.json")):
            # Within a commit, what it removes goes before what it adds.
            actions = [json.loads(line) for line in entry.read_text().splitlines()]
            for action in sorted(actions, key=lambda action: "add" in action):
                if "remove" in action:
                    active.pop(action["remove"]["path"])
                elif "add" in action:
                    active[action["add"]["path"]] = action["add"]["partitionValues"]
        return [
            {**row, **values}
            for path, values in active.items()
            for row in _file(root / unquote(path)).to_pylist()
        ]

    return read


def _file(path: Path) -> pa.Table:
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as opened:
        return opened.read()


class PyarrowNative(PlainTables):
    """Stands in for dfd-native where that isn't installed: one real file a partition, no rule looked at.

    - `files`: what it wrote and nobody deleted; `stages`: how often it was asked for some.
    - `meanwhile`: called once the files are there, before they are handed over.
    - `broken`: called instead of each commit, with what would make it.
    """

    def __init__(self, meanwhile: Callable[[], object] | None = None) -> None:
        self.stages = 0
        self.files: list[Path] = []
        self.meanwhile = meanwhile
        self.broken: Callable[[Callable[[], None]], None] | None = None

    def on(self, table: GuardedTable) -> GuardedTable:
        """The table, whose files are staged here."""
        table._native = self

        def committer() -> PlainCommitter:
            return PlainCommitter(self, table.uri, table._profile, table._handles.open)

        table._committer = committer  # type: ignore[method-assign]
        return table

    def stage(
        self,
        uri: str,
        data: Any,
        options: Any = None,
        *,
        partition_by: Any = None,
        sort_by: Any = None,
        target_file_bytes: Any = None,
    ) -> PyarrowFiles:
        self.stages += 1
        try:
            found: DeltaTable | None = DeltaTable(uri)
        except TableNotFoundError:
            found = None
        rows = pa.RecordBatchReader.from_stream(data).read_all()
        if sort_by:
            rows = rows.sort_by([(name, "ascending") for name in sort_by])
        partition_by = found.metadata().partition_columns if found else list(partition_by or ())
        staged = PyarrowFiles(self, uri, found, rows, partition_by)
        if self.meanwhile is not None:
            self.meanwhile()
        return staged

    def rewrite(self, uri: str, options: Any = None, **fields: Any) -> Any:
        self.stages += 1
        staged = super().rewrite(uri, options, **fields)
        if self.meanwhile is not None:
            self.meanwhile()
        return staged

    def commit_files(self, uri: str, options: Any = None, **fields: Any) -> int:
        def make() -> None:
            super(PyarrowNative, self).commit_files(uri, options, **fields)

        make() if self.broken is None else self.broken(make)
        return int(fields["read_version"]) + 1


class PyarrowFiles:
    """Files of one stage of `PyarrowNative`."""

    def __init__(
        self,
        native: PyarrowNative,
        uri: str,
        found: DeltaTable | None,
        rows: pa.Table,
        partition_by: list[str],
    ) -> None:
        self._native = native
        self._mine: list[Path] = []
        self.stage_id = uuid.uuid4().hex
        self.read_version = None if found is None else found.version()
        self.partition_by = partition_by
        self.schema_json = found.schema().to_json() if found else _schema_json(rows.schema)
        self.rows, self.bytes = rows.num_rows, 0
        self.actions: list[dict[str, Any]] = []
        root = Path(uri.removeprefix("file://"))
        keys = rows.select(partition_by).to_pylist() if partition_by else [{}] * rows.num_rows
        for values in [dict(key) for key in dict.fromkeys(tuple(key.items()) for key in keys)]:
            self._write(root, rows, values)
        self.metrics = {"rows": self.rows, "files": len(self.actions)}

    @property
    def file_bytes(self) -> list[int]:
        return [action["size"] for action in self.actions]

    def _write(self, root: Path, rows: pa.Table, values: dict[str, Any]) -> None:
        for name, value in values.items():
            rows = rows.filter(pc.equal(rows[name], value))
        path = "".join(f"{name}={value}/" for name, value in values.items())
        path += f"part-{len(self._mine)}-{self.stage_id}.parquet"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.drop_columns(list(values)), root / path)
        size = (root / path).stat().st_size
        self._mine.append(root / path)
        self._native.files.append(root / path)
        self.bytes += size
        self.actions.append(
            {
                "path": path,
                "size": size,
                "partition_values": {name: str(value) for name, value in values.items()},
                "modification_time": 0,
                "stats": json.dumps({"numRecords": rows.num_rows}),
            }
        )

    def release(self) -> None:
        self._mine = []

    def drop(self) -> None:
        for path in self._mine:
            path.unlink()
            self._native.files.remove(path)
        self._mine = []


class WatchedNative:
    """dfd-native, with what `PyarrowNative` has for tests."""

    def __init__(self, meanwhile: Callable[[], object] | None = None) -> None:
        self.stages = 0
        self.meanwhile = meanwhile
        self.broken: Callable[[Callable[[], None]], None] | None = None
        self._written: list[Path] = []

    def on(self, table: GuardedTable) -> GuardedTable:
        table._native = self
        return table

    @property
    def files(self) -> list[Path]:
        return [path for path in self._written if path.exists()]

    def active_files(self, *args: Any, **fields: Any) -> Any:
        return dfd_native.active_files(*args, **fields)

    def misread_columns(self, *args: Any, **fields: Any) -> Any:
        return dfd_native.misread_columns(*args, **fields)

    def stage(self, uri: str, *args: Any, **fields: Any) -> Any:
        return self._watched(uri, dfd_native.stage(uri, *args, **fields))

    def rewrite(self, uri: str, *args: Any, **fields: Any) -> Any:
        return self._watched(uri, dfd_native.rewrite(uri, *args, **fields))

    def delete_rows(self, uri: str, *args: Any, **fields: Any) -> Any:
        return self._changed(uri, dfd_native.delete_rows(uri, *args, **fields))

    def merge_rows(self, uri: str, *args: Any, **fields: Any) -> Any:
        return self._changed(uri, dfd_native.merge_rows(uri, *args, **fields))

    def update_rows(self, uri: str, *args: Any, **fields: Any) -> Any:
        return self._changed(uri, dfd_native.update_rows(uri, *args, **fields))

    def commit_files(self, *args: Any, **fields: Any) -> int:
        def make() -> None:
            dfd_native.commit_files(*args, **fields)

        make() if self.broken is None else self.broken(make)
        return int(fields["read_version"]) + 1

    def add_columns(self, *args: Any, **fields: Any) -> Any:
        return dfd_native.add_columns(*args, **fields)

    def change_properties(self, *args: Any, **fields: Any) -> Any:
        return dfd_native.change_properties(*args, **fields)

    def create_table(self, *args: Any, **fields: Any) -> Any:
        return dfd_native.create_table(*args, **fields)

    def plan_restore(self, *args: Any, **fields: Any) -> Any:
        return dfd_native.plan_restore(*args, **fields)

    def commits_since(self, *args: Any, **fields: Any) -> Any:
        return dfd_native.commits_since(*args, **fields)

    def unsupported_features(self, *args: Any) -> Any:
        return dfd_native.unsupported_features(*args)

    def _changed(self, uri: str, change: Any) -> Any:
        if change.staged is not None:
            self._watched(uri, change.staged)
        return change

    def _watched(self, uri: str, staged: Any) -> Any:
        self.stages += 1
        root = Path(uri.removeprefix("file://"))
        self._written += [root / action["path"] for action in staged.actions]
        if self.meanwhile is not None:
            self.meanwhile()
        return staged


@pytest.fixture(params=[PyarrowNative, WatchedNative])
def make_native(request: pytest.FixtureRequest) -> type[PyarrowNative | WatchedNative]:
    """The two that files can be staged with; dfd-native where that is installed."""
    if request.param is WatchedNative:
        pytest.importorskip("dfd_native")
    made: type[PyarrowNative | WatchedNative] = request.param
    return made


def _schema_json(schema: pa.Schema) -> str:
    return Schema.from_arrow(schema).to_json()
