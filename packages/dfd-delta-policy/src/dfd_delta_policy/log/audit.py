"""An audit of the writers that a table had, by its log: files removed twice, added twice, brought back.

    state before -> version by version: removes, then adds -> violations, the newest sound version

A writer that commits on a snapshot which isn't the table's any more leaves a trace in the log, whoever it
was and whatever its conflict check overlooked: it removes a file that is gone already, or adds one that
another has removed. Rows are double or back from then on, and no read tells.

A file is a data file together with its deletion vector, as in the Delta protocol's section "Action
Reconciliation"; paths are compared as they stand in the log.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec
from deltalake.exceptions import TableNotFoundError
from dfd_base import renamed
from dfd_storage import StorageProfile, StorageResolver

from dfd_delta_policy.errors import DeltaPolicyError
from dfd_delta_policy.location import refuse_odd_folder
from dfd_delta_policy.log.files import TableFiles, files_of
from dfd_delta_policy.log.reader import File, Log, LoggedCommit

# What may bring removed files back: that is what they are for.
_BRINGS_BACK = frozenset({"RESTORE", "CLONE"})


class ViolationKind(str, Enum):
    """The kinds of damage to a file that no commit on the newest snapshot can do."""

    REMOVED_TWICE = "removed twice"
    """It was gone: another commit had removed it, and what both put in its place is there twice, or back."""
    REMOVED_UNKNOWN = "removed unknown"
    """The table never had it: the removal is of no effect, and the rows that it was meant for are still there."""
    ADDED_TWICE = "added twice"
    """It was there: the same write came twice, or one data file with two deletion vectors is read twice."""
    BROUGHT_BACK = "brought back"
    """It had been removed, and its rows are back; only a RESTORE or a CLONE may do so."""

    def __str__(self) -> str:
        return self.value


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One file that one commit can't have removed or added as it did.

    - `operation`, `writer`: the commit's name and engine, as it says itself.
    - `path`, `deletion_vector`: the file, as the log has it; the vector by its unique id.
    - `earlier`: the version that had removed or added the file; None where that is older than the log.
    """

    version: int
    kind: ViolationKind
    path: str
    deletion_vector: str | None
    operation: str | None
    writer: str | None
    earlier: int | None


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The versions `first` to `last` of a table's log, and what is wrong with them.

    - `violations`: in the order of the log.
    - `sound_version`: the newest whose files are right: the one before the first violation, or a later
      one where a RESTORE by version took the table back before it. None where version 0 has a violation.
    - `orphans`: data files in the table's directory that the log doesn't name; None where nobody asked.

    Where `first` is `last + 1` the log holds nothing but a checkpoint.
    """

    uri: str
    first: int
    last: int
    violations: tuple[Violation, ...]
    sound_version: int | None
    orphans: tuple[str, ...] | None = None

    @property
    def is_sound(self) -> bool:
        """Whether the newest version is right, whatever was found before it."""
        return self.sound_version == self.last


def audit(
    uri: str | os.PathLike[str],
    storage: StorageProfile | None = None,
    versions: range | None = None,
    *,
    orphans: bool = False,
) -> Audit:
    """Look through the log of a table; nothing is written, and no data file is read.

    `versions` are those to look at, as far as the log has them: default all. Of what came before, a
    checkpoint tells which files are there and which have been removed within the retention; a file
    whose removal is older and that comes back isn't known to come back.

    With `orphans` the table's directory is listed too. What a writer at work has not committed yet
    is among them, and what was removed before the log begins.

    Memory grows with the files that are there, those that were removed, and the violations.

    Raises:
        InvalidOperation: `versions` has steps, or begins after the newest version.
        UnsupportedTable: the log has a gap and no checkpoint after it, or a commit that can't be read; or
            deltalake takes the folder for another.
        deltalake.exceptions.TableNotFoundError: there is no table.
    """
    profile = StorageResolver().resolve(uri) if storage is None else storage
    location = profile.canonical_uri(uri)
    refuse_odd_folder(location)
    with profile.failures(location, "deltalake", passing=(DeltaPolicyError, TableNotFoundError)):
        files = files_of(location, profile)
        # Before the log: whoever commits meanwhile has no orphans.
        listed = _data_files(files) if orphans else None
        log = Log(files, location)
        if log.newest < 0:
            raise TableNotFoundError(f"There is no Delta table at {location}.")
        first, last = log.within(versions)
        state = _State()
        base = log.base(first)
        if base is not None:
            for file, is_there in log.checkpoint(base):
                state.know(file, is_there)
        first = max(first, 0 if base is None else base + 1)
        violations: list[Violation] = []
        unsound: set[int] = set()
        for commit in log.commits(0 if base is None else base + 1, last):
            found = state.follow(commit)
            if commit.version < first:
                continue
            violations += found
            before = commit.version - 1 if commit.restores is None else commit.restores
            if found or before in unsound:
                unsound.add(commit.version)
        return Audit(
            uri=location,
            first=first,
            last=last,
            violations=tuple(violations),
            sound_version=next((v for v in range(last, -1, -1) if v not in unsound), None),
            orphans=None if listed is None else _orphans(listed, state),
        )


class _State:
    """The files that are there and those that are gone, each with the version that made it so."""

    def __init__(self) -> None:
        self._there: dict[File, int | None] = {}
        self._gone: dict[File, int | None] = {}
        # By path, those with a deletion vector that are there.
        self._vectors: dict[str, set[File]] = {}

    def know(self, file: File, is_there: bool) -> None:
        """Take a file as a checkpoint has it."""
        if is_there:
            self._add(file, None)
        else:
            self._gone[file] = None

    def follow(self, commit: LoggedCommit) -> list[Violation]:
        """Apply a commit, and tell what it did that it couldn't have."""
        found: list[Violation] = []

        def violates(kind: ViolationKind, file: File, earlier: int | None) -> None:
            found.append(
                Violation(
                    version=commit.version,
                    kind=kind,
                    path=file.path,
                    deletion_vector=file.vector,
                    operation=commit.operation,
                    writer=commit.writer,
                    earlier=earlier,
                )
            )

        # The order within a commit means nothing.
        for file in commit.removes:
            if file not in self._there:
                is_known = file in self._gone
                kind = ViolationKind.REMOVED_TWICE if is_known else ViolationKind.REMOVED_UNKNOWN
                violates(kind, file, self._gone.get(file))
            self._remove(file, commit.version)
        brings_back = commit.operation in _BRINGS_BACK
        for file, changes_data in commit.adds:
            if file in self._there:
                # Without a change of data it says the same file's statistics or row ids anew.
                if changes_data or self._there[file] == commit.version:
                    violates(ViolationKind.ADDED_TWICE, file, self._there[file])
            elif file in self._gone and not brings_back:
                violates(ViolationKind.BROUGHT_BACK, file, self._gone[file])
            elif (twin := self._twin(file)) is not None:
                violates(ViolationKind.ADDED_TWICE, file, self._there[twin])
            self._add(file, commit.version)
        return found

    def _twin(self, file: File) -> File | None:
        """A data file's twin under another deletion vector, or under none."""
        plain = File(file.path)
        if plain in self._there:
            return plain
        return next(iter(self._vectors.get(file.path, ())), None)

    def _add(self, file: File, version: int | None) -> None:
        self._there[file] = version
        self._gone.pop(file, None)
        if file.vector is not None:
            self._vectors.setdefault(file.path, set()).add(file)

    def _remove(self, file: File, version: int) -> None:
        self._there.pop(file, None)
        self._gone[file] = version
        if file.vector is not None and (vectors := self._vectors.get(file.path)) is not None:
            vectors.discard(file)
            if not vectors:
                del self._vectors[file.path]

    def paths(self) -> set[str]:
        """The data files of which the log knows, as they are called in storage."""
        return {unquote(file.path) for files in (self._there, self._gone) for file in files}


def _data_files(files: TableFiles) -> list[str]:
    found = (path for path in files.list() if path.endswith(".parquet"))
    return [path for path in found if not _is_hidden(path)]


def _orphans(listed: list[str], state: _State) -> tuple[str, ...]:
    known = state.paths()
    return tuple(sorted(path for path in listed if path not in known))


def _is_hidden(path: str) -> bool:
    """Whether readers and vacuum pass it by; a partition's directory may begin with an underscore."""
    return any(part[0] in "_." and "=" not in part for part in path.split("/"))


if TYPE_CHECKING:
    Damage = ViolationKind
else:
    __getattr__ = renamed(__name__, {"Damage": "ViolationKind"})
