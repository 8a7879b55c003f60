"""A table's transaction log as it stands in storage: commits, checkpoints, and the files they name.

Only what identifies files is decoded. Commits are decoded line by line and read ahead, for a store
that answers slowly.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.log.files import TableFiles

_LOG = "_delta_log"
_COMMIT = re.compile(r"([0-9]{20})\.json")
_CHECKPOINT = re.compile(
    r"(?P<version>[0-9]{20})\.checkpoint"
    r"(?:\.[0-9]{10}\.(?P<parts>[0-9]{10})|\.[0-9A-Fa-f-]{36})?\.(?:parquet|json)"
)
# Versions are longs.
_GREATEST = 2**63 - 1
_READ_AT_ONCE = 8
_VECTOR = tuple(f"deletionVector.{field}" for field in ("storageType", "pathOrInlineDv", "offset"))
_COLUMNS = [
    *(f"{action}.{field}" for action in ("add", "remove") for field in ("path", *_VECTOR)),
    "sidecar.path",
]


class File(NamedTuple):
    """A logical file: the path as it stands in the log, and its deletion vector's unique id."""

    path: str
    vector: str | None = None


class LoggedCommit(NamedTuple):
    """The files that a version removes and adds; an add with whether it changes data.

    `restores` is the version that a RESTORE made the newest again, where it names one.
    """

    version: int
    operation: str | None
    writer: str | None
    restores: int | None
    removes: list[File]
    adds: list[tuple[File, bool]]


class _Vector(msgspec.Struct, rename="camel"):
    storage_type: str
    path_or_inline_dv: str
    offset: int | None = None

    @property
    def unique_id(self) -> str:
        """The vector's unique id (protocol, section "Deletion Vectors")."""
        at = "" if self.offset is None else f"@{self.offset}"
        return f"{self.storage_type}{self.path_or_inline_dv}{at}"


class _Action(msgspec.Struct, rename="camel"):
    path: str
    data_change: bool = True
    deletion_vector: _Vector | None = None

    @property
    def file(self) -> File:
        vector = self.deletion_vector
        return File(self.path, None if vector is None else vector.unique_id)


class _Sidecar(msgspec.Struct):
    path: str


class _Line(msgspec.Struct, rename="camel"):
    add: _Action | None = None
    remove: _Action | None = None
    sidecar: _Sidecar | None = None
    commit_info: dict[str, Any] | None = None


_LINE = msgspec.json.Decoder(_Line)


class Log:
    """The listing of a log; what it names is read when it is asked for."""

    def __init__(self, files: TableFiles, uri: str) -> None:
        self._files = files
        self._uri = uri
        commits: set[int] = set()
        checkpoints: dict[tuple[int, int], list[str]] = {}
        for path in files.list(_LOG):
            folder, _, name = path.rpartition("/")
            if folder != _LOG:
                continue
            if found := _COMMIT.fullmatch(name):
                if int(found[1]) <= _GREATEST:
                    commits.add(int(found[1]))
            elif found := _CHECKPOINT.fullmatch(name):
                key = int(found["version"]), int(found["parts"] or 1)
                checkpoints.setdefault(key, []).append(path)
        self._checkpoints: dict[int, list[str]] = {}
        for (version, parts), paths in sorted(checkpoints.items()):
            if parts == 1:
                self._checkpoints[version] = paths[:1]
            elif len(paths) == parts:
                self._checkpoints.setdefault(version, sorted(paths))
        #: How many commits are newer than the newest checkpoint that has all its parts.
        self.commits_since_checkpoint = sum(
            version > max(self._checkpoints, default=-1) for version in commits
        )
        self.newest = max([*commits, *self._checkpoints], default=-1)
        self._oldest = self.newest + 1
        while self._oldest - 1 in commits:
            self._oldest -= 1

    def within(self, versions: range | None) -> tuple[int, int]:
        """The first and the last of `versions` that there can be.

        Raises:
            InvalidOperation: the range has steps, is empty, or begins after the newest version.
        """
        if versions is None:
            return 0, self.newest
        if versions.step != 1 or not versions or versions[0] < 0:
            raise InvalidOperation("`versions` is a range from 0 or more, without steps.")
        if versions[0] > self.newest:
            raise InvalidOperation(
                f"`versions` begins at {versions[0]}; the newest of {self._uri} is {self.newest}."
            )
        return versions[0], min(versions[-1], self.newest)

    def base(self, first: int) -> int | None:
        """The checkpoint from which commits lead to the state before `first`.

        None where the log goes back to version 0; a later one where it doesn't go back so far.

        Raises:
            UnsupportedTable: there is none, and the log doesn't go back to version 0.
        """
        usable = [version for version in self._checkpoints if version >= self._oldest - 1]
        before = [version for version in usable if version < first]
        if before:
            return max(before)
        if self._oldest == 0:
            return None
        if usable:
            return min(usable)
        raise UnsupportedTable(
            f"The log of {self._uri} begins at version {self._oldest} without a checkpoint, so that "
            "nobody can tell the files of any version."
        )

    def checkpoint(self, version: int) -> Iterator[tuple[File, bool]]:
        """The files of a checkpoint, and whether they are there or removed."""
        for path in self._checkpoints[version]:
            yield from self._checkpoint_file(path)

    def _checkpoint_file(self, path: str) -> Iterator[tuple[File, bool]]:
        lines = self._lines(path) if path.endswith(".json") else self._rows(path)
        for line in lines:
            if line.add is not None:
                yield line.add.file, True
            if line.remove is not None:
                yield line.remove.file, False
            if line.sidecar is not None:
                sidecar = line.sidecar.path
                yield from self._checkpoint_file(
                    sidecar if "/" in sidecar else f"{_LOG}/_sidecars/{sidecar}"
                )

    def commits(self, first: int, last: int) -> Iterator[LoggedCommit]:
        """The commits in order."""
        with ThreadPoolExecutor(_READ_AT_ONCE, "dfd-log") as pool:
            ahead: deque[Future[LoggedCommit]] = deque()
            try:
                for version in range(first, last + 1):
                    ahead.append(pool.submit(self._commit, version))
                    if len(ahead) == _READ_AT_ONCE:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _commit(self, version: int) -> LoggedCommit:
        info: dict[str, Any] = {}
        removes: list[File] = []
        adds: list[tuple[File, bool]] = []
        for line in self._lines(f"{_LOG}/{version:020}.json"):
            if line.commit_info is not None:
                info = line.commit_info
            if line.remove is not None:
                removes.append(line.remove.file)
            if line.add is not None:
                adds.append((line.add.file, line.add.data_change))
        operation = _text(info.get("operation"))
        parameters = info.get("operationParameters")
        restored = parameters.get("version") if isinstance(parameters, dict) else None
        return LoggedCommit(
            version,
            operation,
            _text(info.get("engineInfo")),
            int(str(restored)) if operation == "RESTORE" and str(restored).isdecimal() else None,
            removes,
            adds,
        )

    def _lines(self, path: str) -> Iterator[_Line]:
        with self._files.open(path) as stream, self._readable(path):
            for line in stream:
                if not line.isspace():
                    yield _LINE.decode(line)

    def _rows(self, path: str) -> Iterator[_Line]:
        with self._files.open(path) as opened, self._readable(path):
            for batch in pq.ParquetFile(opened).iter_batches(columns=_COLUMNS):
                for row in batch.to_pylist():
                    yield msgspec.convert(row, _Line)

    @contextlib.contextmanager
    def _readable(self, path: str) -> Iterator[None]:
        try:
            yield
        except (msgspec.MsgspecError, pa.ArrowInvalid) as error:
            raise UnsupportedTable(f"{path} of {self._uri} can't be read: {error}") from error


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
