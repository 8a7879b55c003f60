"""A Delta table on disk as its log says: an independent reader, without deltalake and without dfd.

Commits are read as the JSON that they are, from the first on, and rows by pyarrow. What no correct history
has is a `Violation`: a file that is removed and isn't there, one that is added and is there, one that comes
back otherwise than by a RESTORE, a version left out.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

_COMMIT = re.compile(r"\d{20}\.json")
_TYPES = {"long": pa.int64(), "integer": pa.int32(), "string": pa.string(), "boolean": pa.bool_()}
_B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_FROM_Z85 = str.maketrans(_Z85, _B85)
# A vector of one Roaring bitmap of one array, from its magic number to the count of containers.
_ONE_ARRAY = (1681511377, 1, 0, 12346, 1)
Row = tuple[Any, ...]


class Violation(AssertionError):
    """The log contradicts itself."""


@dataclass(frozen=True)
class Commit:
    """One version: its commitInfo, and its other actions by kind."""

    version: int
    info: dict[str, Any] = field(default_factory=dict)
    adds: list[dict[str, Any]] = field(default_factory=list)
    removes: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None


@dataclass
class State:
    """What is in the table after a version; `gone` are the files that once were."""

    active: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    metadata: dict[str, Any] = field(default_factory=dict)

    def apply(self, commit: Commit) -> None:
        """Go on by one version.

        Raises:
            Violation: the commit contradicts those before.
        """

        def refuse(what: str, path: str) -> None:
            raise Violation(f"version {commit.version} ({commit.info}) {what} {path}")

        removed = {remove["path"] for remove in commit.removes}
        for remove in commit.removes:
            path = remove["path"]
            if self.active.pop(path, None) is None:
                refuse("removes a file that isn't there:", path)
            self.gone.add(path)
        for add in commit.adds:
            path = add["path"]
            if path in self.active:
                refuse("adds a file that is there:", path)
            is_back = path in self.gone and path not in removed
            if is_back and commit.info.get("operation") != "RESTORE":
                refuse("brings back", path)
            self.active[path] = add
        self.gone -= {add["path"] for add in commit.adds}
        if commit.metadata is not None:
            self.metadata = commit.metadata


def commits(root: Path) -> list[Commit]:
    """All commits, oldest first.

    Raises:
        Violation: a version is missing.
    """
    log = root / "_delta_log"
    paths = sorted(path for path in log.glob("*.json") if _COMMIT.fullmatch(path.name))
    found = [_commit(path) for path in paths]
    if [commit.version for commit in found] != list(range(len(found))):
        raise Violation(f"the versions are {[commit.version for commit in found]}")
    return found


def _commit(path: Path) -> Commit:
    commit = Commit(int(path.stem))
    metadata = None
    for line in path.read_text().splitlines():
        for kind, action in json.loads(line).items():
            if kind == "commitInfo":
                commit.info.update(action)
            elif kind == "metaData":
                metadata = action
            else:
                kinds = {"add": commit.adds, "remove": commit.removes, "txn": commit.transactions}
                kinds.get(kind, []).append(action)
    return Commit(
        commit.version, commit.info, commit.adds, commit.removes, commit.transactions, metadata
    )


def states(root: Path) -> Iterator[tuple[Commit, State]]:
    """Each commit and what it left; the state is one object that goes on.

    Raises:
        Violation: the log contradicts itself.
    """
    state = State()
    for commit in commits(root):
        state.apply(commit)
        yield commit, state


def newest(root: Path) -> State:
    """What is in the table now.

    Raises:
        Violation: the log contradicts itself.
    """
    state = State()
    for _, state in states(root):  # noqa: B007  the last one is asked for
        pass
    return state


def deleted_rows(vector: dict[str, Any] | None) -> set[int]:
    """The numbers of the rows that a deletion vector takes away.

    Raises:
        Violation: it doesn't stand in the log, or isn't one short array.
    """
    if vector is None:
        return set()
    stored = base64.b85decode(vector["pathOrInlineDv"].translate(_FROM_Z85))
    *kind, _, last, start = struct.unpack_from("<IQIIIHHI", stored)
    if vector["storageType"] != "i" or tuple(kind) != _ONE_ARRAY:
        raise Violation(f"this reader can't read the deletion vector {vector}")
    found = struct.unpack_from(f"<{last + 1}H", stored, 16 + start)
    if len(found) != vector["cardinality"]:
        raise Violation(f"the deletion vector {vector} has {len(found)} rows")
    return {*found}


def rows(root: Path, state: State | None = None) -> list[Row]:
    """The sorted rows, of all active files, with the columns in the order of the schema."""
    state = newest(root) if state is None else state
    if not state.active:
        return []
    fields = json.loads(state.metadata["schemaString"])["fields"]
    found: list[Row] = []
    for path, add in state.active.items():
        table = pq.ParquetFile(root / unquote(path)).read()
        columns = []
        for column in (one["name"] for one in fields):
            if column in table.column_names:
                columns.append(table[column].to_pylist())
            else:
                kind = next(one["type"] for one in fields if one["name"] == column)
                value = pa.scalar(add["partitionValues"].get(column)).cast(_TYPES[kind]).as_py()
                columns.append([value] * table.num_rows)
        gone = deleted_rows(add.get("deletionVector"))
        found += (
            row for number, row in enumerate(zip(*columns, strict=True)) if number not in gone
        )
    return sorted(found, key=repr)


def data_files(root: Path) -> set[str]:
    """The data files that are there, in the table or not."""
    return {
        str(path.relative_to(root))
        for path in root.rglob("*.parquet")
        if not any(part.startswith("_") for part in path.relative_to(root).parts)
    }
