"""Where the tables lie, and what can be seen of them there without dfd."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from dfd_delta_policy import Clock, GuardedTable
from dfd_storage import S3Profile, Secret, StaticCredentials, StorageProfile
from model import Row, Table
from operations import SCHEMA
from servers import Server

WRITER = "matrix.writer"
OPERATION = "matrix.operation"
# Time doesn't pass in waits: each race is decided by its interleaving alone.
_CLOCK = Clock(sleep=lambda seconds: None)


class State(NamedTuple):
    """What a reader sees of one version."""

    rows: list[tuple[object, ...]]
    counted: int
    columns: tuple[str, ...]
    partition_by: tuple[str, ...]
    properties: Mapping[str, Any]
    protocol: tuple[object, ...]


class Entry(NamedTuple):
    """One commit: what was done, and by which writer."""

    operation: str
    writer: int


@dataclass(frozen=True)
class Place:
    """A directory of tables, as the local disk has it, and as dfd and deltalake reach it."""

    directory: Path
    root: str
    profile: StorageProfile | None = None

    def copy(self, base: Path, name: str) -> Place:
        """A copy of a table, as the place of that one table."""
        shutil.copytree(base, self.directory / name)
        return Place(self.directory / name, f"{self.root}/{name}", self.profile)

    def remove(self) -> None:
        """Delete the table."""
        shutil.rmtree(self.directory)

    def guarded(self, entry: Callable[[], Entry], **fields: Any) -> GuardedTable:
        """The table of a writer, whose commits name the entry of the moment."""

        def labels() -> dict[str, str]:
            operation, writer = entry()
            return {OPERATION: operation, WRITER: str(writer)}

        return GuardedTable(self.root, self.profile, commit_metadata=labels, clock=_CLOCK, **fields)

    def bare(self, version: int | None = None) -> DeltaTable:
        """A handle of deltalake's."""
        options = None if self.profile is None else self.profile.to_deltalake_options()
        return DeltaTable(self.root, version, options)

    def state(self, version: int | None = None) -> State:
        """What is to be seen of the newest version, or of another."""
        table = DeltaTable(self.directory, version)
        metadata, protocol = table.metadata(), table.protocol()
        found = pa.table(table.scan())
        features = (protocol.reader_features or [], protocol.writer_features or [])
        return State(
            sorted(zip(*(found[c].to_pylist() for c in found.column_names), strict=True), key=repr),
            self._counted(table.version()),
            tuple(field.name for field in table.schema().fields),
            tuple(metadata.partition_columns),
            dict(metadata.configuration),
            (
                protocol.min_reader_version,
                protocol.min_writer_version,
                *(tuple(sorted(names)) for names in features),
            ),
        )

    def log(self, after: int) -> list[Entry]:
        """The commits after a version, in order."""
        entries = []
        for actions in self._commits(after):
            (info,) = (action["commitInfo"] for action in actions if "commitInfo" in action)
            entries.append(Entry(info[OPERATION], int(info[WRITER])))
        return entries

    def strangers(self) -> set[str]:
        """The files that no commit speaks of."""
        known = {
            unquote(action["add"]["path"])
            for actions in self._commits(-1)
            for action in actions
            if "add" in action
        }
        return {
            name
            for path in self.directory.rglob("*")
            if path.is_file()
            and not (name := str(path.relative_to(self.directory))).startswith("_delta_log/")
            and name not in known
        }

    def _counted(self, version: int) -> int:
        """The rows that the log says a version has: those of its files, but for those that are deleted there."""
        rows: dict[str, int] = {}
        for actions in self._commits(-1)[: version + 1]:
            for gone in (action["remove"] for action in actions if "remove" in action):
                # Bare deltalake removes some files twice.
                rows.pop(gone["path"], None)
            for file in (action["add"] for action in actions if "add" in action):
                vector = file.get("deletionVector") or {"cardinality": 0}
                rows[file["path"]] = json.loads(file["stats"])["numRecords"] - vector["cardinality"]
        return sum(rows.values())

    def _commits(self, after: int) -> list[list[dict[str, Any]]]:
        return [
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            for path in sorted((self.directory / "_delta_log").glob("*.json"))
            if path.stem.isdigit() and int(path.stem) > after
        ]


def on_s3(server: Server, buckets: Path) -> Place:
    """The bucket `lake` of a versitygw, which keeps objects as files."""
    profile = S3Profile(
        uri="s3://lake",
        endpoint=server.endpoint,
        allow_http=True,
        credentials=StaticCredentials(server.key_id, Secret(server.secret)),
    )
    return Place(buckets / "lake", profile.uri, profile)


def write_base(path: Path, partition_by: list[str] | None, vectors: bool = False) -> None:
    """The table that all begin with, with deletion vectors on or without; `BEGINNING` says its versions."""
    table = GuardedTable(path)
    for version, rows in enumerate(_WRITTEN):
        table.append(pa.Table.from_pylist(rows, SCHEMA), partition_by=partition_by)
        if vectors and version == 0:
            _give_vectors(path / f"_delta_log/{0:020}.json")
    table.delete("id = 6")


VECTORS = {"delta.enableDeletionVectors": "true"}


def _give_vectors(commit: Path) -> None:
    """A table's first commit, as if the table had been made with deletion vectors."""
    lines = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()]
    for action in lines:
        if "protocol" in action:
            features = {"readerFeatures": ["deletionVectors"], "writerFeatures": FEATURES}
            action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
        if "metaData" in action:
            action["metaData"]["configuration"] = VECTORS
    commit.write_text("".join(json.dumps(action) + "\n" for action in lines), encoding="utf-8")


FEATURES = ["deletionVectors", "appendOnly", "invariants", "checkConstraints"]


def _rows(*ids: int) -> list[Row]:
    return [{"id": i, "key": "ab"[i % 2 == 0], "value": 10 * i} for i in ids]


_WRITTEN = (_rows(1, 2), _rows(3, 4), _rows(5, 6, 7))
BEGINNING = (Table(_rows(1, 2)), Table(_rows(1, 2, 3, 4)), Table(_rows(*range(1, 8))))
BEGINNING = (*BEGINNING, Table(_rows(1, 2, 3, 4, 5, 7), past=BEGINNING))
