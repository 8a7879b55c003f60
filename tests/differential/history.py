"""A table as its commits make it, and the rows that each version of it has."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlparse

import msgspec
import pyarrow as pa
from checkpoints import write_checkpoint
from columns import COLUMNS, SCHEMA
from data_files import DataFile, parts, without_rows, write_file
from deletion_vectors import unique_id
from layout import Layout
from table_schema import TableSchema, first_schema

_FEATURES = ["timestampNtz", "deletionVectors", "columnMapping"]
_APPENDED = 40
Action = dict[str, Any]


class Table(NamedTuple):
    """A table on disk, the rows that it has, and those of its versions that can still be read."""

    path: Path
    rows: pa.Table
    versions: dict[int, pa.Table]


class Version(NamedTuple):
    """What a version has: its schema, its files by path, and the removes that it remembers."""

    schema: TableSchema
    files: dict[str, DataFile]
    removes: dict[tuple[str, str | None], Action]

    def rows(self) -> pa.Table:
        left = [file.left() for file in self.files.values()]
        return self.schema.exposed(pa.concat_tables(left) if left else SCHEMA.empty_table())


Watch = Callable[[Table], None]


def make(layout: Layout, root: Path, watch: Watch | None = None) -> Table:
    """Write the table of a layout under `root`; `watch` is called after each commit, and after the clean-up."""
    layout = layout._replace(
        late=tuple(name for name in layout.late if name not in layout.partition_by)
        if "add columns" in layout.steps
        else ()
    )
    history = _History(layout, root / uuid.uuid4().hex, watch)
    history.create()
    for step in layout.steps:
        _STEPS[step](history)
    history.checkpoint(lambda version: version >= len(history.versions))
    if layout.is_cleaned:
        history.clean()
    return history.table()


class _History:
    """The commits of a table so far."""

    def __init__(self, layout: Layout, path: Path, watch: Watch | None) -> None:
        self.layout = layout
        self.watch = watch
        self.path = path
        self.log = path / "_delta_log"
        self.log.mkdir(parents=True)
        self.schema = first_schema(layout)
        self.protocol = protocol(layout)
        self.versions: list[Version] = []
        self.first = 0
        self.files: dict[str, DataFile] = {}
        self.removes: dict[tuple[str, str | None], Action] = {}
        self.actions: list[Action] = []
        self.count_of_files = 0
        self.count_of_rows = 0

    def create(self) -> None:
        self.actions = [self.protocol, self.schema.metadata()]
        self.write(self.new_rows(self.layout.rows), self.layout.files)
        self.commit("CREATE TABLE AS SELECT")
        if self.layout.mapping == "upgraded":
            self.schema = self.schema._replace(is_mapped=True)
            self.actions = [self.protocol, self.schema.metadata()]
            self.commit("SET TBLPROPERTIES")

    def commit(self, operation: str) -> None:
        version = len(self.versions)
        info = {"commitInfo": {"timestamp": version, "operation": operation}}
        lines = [msgspec.json.encode(action) + b"\n" for action in (info, *self.actions)]
        (self.log / f"{version:020}.json").write_bytes(b"".join(lines))
        self.actions = []
        self.versions.append(Version(self.schema, dict(self.files), dict(self.removes)))
        self.checkpoint(lambda asked: asked == version)
        if self.watch:
            self.watch(self.table())

    def table(self) -> Table:
        rows = {n: v.rows() for n, v in enumerate(self.versions) if n >= self.first}
        return Table(self.path, rows[len(self.versions) - 1], rows)

    def new_rows(self, count: int) -> pa.Table:
        chance = self.layout.chance("rows", len(self.versions))
        rows = generated(self.schema, count, self.count_of_rows, chance)
        self.count_of_rows += count
        return rows

    def appended(self) -> pa.Table:
        return self.new_rows(min(self.layout.rows, _APPENDED))

    def write(self, rows: pa.Table, count: int, data_change: bool = True) -> None:
        for values, part in parts(self.layout.partition_by, rows, count):
            number = self.count_of_files
            self.count_of_files += 1
            self.add(write_file(self.schema, self.path, number, values, part, data_change))

    def add(self, file: DataFile) -> None:
        self.actions.append({"add": file.add})
        self.files[file.add["path"]] = file
        self.removes.pop(_key(file), None)

    def remove(self, file: DataFile, data_change: bool = True) -> None:
        add = file.add
        remove = {name: add[name] for name in ("path", "partitionValues", "size")}
        remove |= {"deletionTimestamp": 0, "dataChange": data_change, "extendedFileMetadata": True}
        if "deletionVector" in add:
            remove["deletionVector"] = add["deletionVector"]
        self.actions.append({"remove": remove})
        self.removes[_key(file)] = {"remove": remove}
        del self.files[add["path"]]

    def is_deleted(self, key: int) -> bool:
        chance = self.layout.chance("delete", len(self.versions), key)
        return chance.randrange(100) < self.layout.deleted_percent

    def deleted_of(self, file: DataFile) -> frozenset[int]:
        """The places of rows that are there and are deleted now."""
        keys = file.rows["id"].to_pylist()
        return frozenset(
            n for n, key in enumerate(keys) if n not in file.gone and self.is_deleted(key)
        )

    def checkpoint(self, is_due: Callable[[int], bool]) -> None:
        """Write those checkpoints of the newest version that are due."""
        version = self.versions[-1]
        for checkpoint in self.layout.checkpoints:
            if is_due(checkpoint.version):
                write_checkpoint(
                    self.log,
                    len(self.versions) - 1,
                    checkpoint,
                    version.schema,
                    [self.protocol, version.schema.metadata(), *version.removes.values()],
                    list(version.files.values()),
                )

    def clean(self) -> None:
        """What is older than the last checkpoint goes, and data files that only older versions had."""
        asked = [checkpoint.version for checkpoint in self.layout.checkpoints]
        self.first = max((min(version, len(self.versions) - 1) for version in asked), default=0)
        for found in self.log.glob("*.*"):
            if int(found.name.split(".")[0]) < self.first:
                found.unlink()
        needed = {path for version in self.versions[self.first :] for path in version.files}
        for version in self.versions[: self.first]:
            for path, file in version.files.items():
                if path not in needed:
                    _unlink(self.path, file)
        if self.watch:
            self.watch(self.table())


def protocol(layout: Layout) -> Action:
    is_v2 = any(checkpoint.kind.startswith("v2") for checkpoint in layout.checkpoints)
    features = [*_FEATURES, *(["v2Checkpoint"] if is_v2 else [])]
    return {
        "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": features,
            "writerFeatures": features,
        }
    }


def _unlink(root: Path, file: DataFile) -> None:
    path = unquote(urlparse(file.add["path"]).path)
    (root / path).unlink(missing_ok=True)


def _key(file: DataFile) -> tuple[str, str | None]:
    return file.add["path"], unique_id(file.add.get("deletionVector"))


def _append(history: _History) -> None:
    history.write(history.appended(), 2)
    history.commit("WRITE")


def _add_columns(history: _History) -> None:
    if not history.schema.has_late:
        history.schema = history.schema._replace(has_late=True)
        history.actions = [history.schema.metadata()]
    _append(history)


def _rename_columns(history: _History) -> None:
    if not history.schema.is_renamed:
        history.schema = history.schema._replace(is_renamed=True)
        history.actions = [history.schema.metadata()]
        history.commit("RENAME COLUMN")


def _delete_by_vectors(history: _History) -> None:
    chance = history.layout.chance("vectors", len(history.versions))
    for file in list(history.files.values()):
        gone = history.deleted_of(file)
        if not gone:
            continue
        history.remove(file)
        if len(file.gone | gone) < len(file.rows):
            history.add(without_rows(file, file.gone | gone, history.path, chance))
    history.commit("DELETE")


def _delete_by_rewriting(history: _History) -> None:
    for file in list(history.files.values()):
        gone = history.deleted_of(file)
        if not gone:
            continue
        history.remove(file)
        whole = file._replace(gone=file.gone | gone).left()
        if len(whole):
            history.write(whole, 1)
    history.commit("DELETE")


def _overwrite(history: _History) -> None:
    for file in list(history.files.values()):
        history.remove(file)
    history.write(history.appended(), history.layout.files)
    history.commit("WRITE")


def _optimize(history: _History) -> None:
    """The files of each partition become one, but the newest file stays as it is."""
    groups: dict[tuple[Any, ...], list[DataFile]] = {}
    for file in list(history.files.values())[:-1]:
        groups.setdefault(file.values, []).append(file)
    for files in groups.values():
        rows = _all_of(files)
        for file in files:
            history.remove(file, data_change=False)
        if len(rows):
            history.write(rows, 1, data_change=False)
    history.commit("OPTIMIZE")


def _all_of(files: Iterable[DataFile]) -> pa.Table:
    return pa.concat_tables([file.left() for file in files])


def _restore(history: _History) -> None:
    """The files of an earlier version are there again, under the schema of now."""
    target = history.versions[len(history.versions) // 2].files
    for path, file in list(history.files.items()):
        if path not in target or _key(target[path]) != _key(file):
            history.remove(file)
    for path, file in target.items():
        if path not in history.files:
            history.add(file)
    history.commit("RESTORE")


_STEPS: dict[str, Callable[[_History], None]] = {
    "append": _append,
    "add columns": _add_columns,
    "rename columns": _rename_columns,
    "delete by vectors": _delete_by_vectors,
    "delete by rewriting": _delete_by_rewriting,
    "overwrite": _overwrite,
    "optimize": _optimize,
    "restore": _restore,
}


def generated(schema: TableSchema, count: int, first: int, chance: Any) -> pa.Table:
    """New rows; what the schema doesn't have is null."""
    layout = schema.layout
    columns: dict[str, pa.Array] = {"id": pa.array(range(first, first + count), pa.int64())}
    for name, column in COLUMNS.items():
        pool = [None, *column.values]
        if name in layout.partition_by and column.delta == "string":
            pool.remove("")  # The protocol takes it for null.
        found = [chance.choice(pool) for _ in range(layout.variety)]
        picked = [chance.choice(found) for _ in range(count)]
        if layout.is_clustered and name in ("i", "s", "z", "m"):
            picked.sort(key=lambda value: (value is not None, value if value is not None else 0))
        columns[name] = _array([_known(schema, name, value) for value in picked], column.arrow)
    return pa.table(columns, SCHEMA)


def _known(schema: TableSchema, name: str, value: Any) -> Any:
    if value is None or name not in schema.columns():
        return None
    if not pa.types.is_struct(COLUMNS[name].arrow):
        return value
    fields = schema.fields_of(name)
    return {field: inner if field in fields else None for field, inner in value.items()}


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """With nulls in place of what a null struct hides, as files have it."""
    if not pa.types.is_struct(kind):
        return pa.array(values, kind)
    fields = list(kind)
    arrays = [pa.array([value and value[f.name] for value in values], f.type) for f in fields]
    mask = pa.array([value is None for value in values], pa.bool_())
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=mask)
