"""Records read back from the files of a sink, or from a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from dfd_obs.document import ReportDocument
from dfd_obs.errors import UnreadableRecords
from dfd_obs.record import OperationRecord, QueryRecord


class _Line(msgspec.Struct):
    format_version: int
    kind: Literal["query", "operation"]
    record: msgspec.Raw


class Recorded(msgspec.Struct, frozen=True):
    """The records of a file, oldest first.

    `unreadable`: lines that are no records; one may be, where a process was killed as it wrote.
    """

    queries: list[QueryRecord]
    operations: list[OperationRecord]
    unreadable: int = 0

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Recorded:
        """The records of a sink with the files that were moved away, of a `report.json`, or of a report's directory.

        Raises:
            UnreadableRecords: there is no such file, or nothing in it is a record.
        """
        place = Path(path)
        if place.is_dir():
            place /= "report.json"
        try:
            found = _of_report(place) or _of_sink(place)
        except OSError as error:
            raise UnreadableRecords(f"{place} can't be read: {error}") from error
        if found.unreadable and not (found.queries or found.operations):
            raise UnreadableRecords(
                f"{place} is no file of records: give one that `sink` names, or a report.json."
            )
        return found


def _of_report(place: Path) -> Recorded | None:
    with place.open("rb") as file:
        is_indented = file.read(2) == b"{\n"
    if not is_indented:
        return None
    try:
        report = msgspec.json.decode(place.read_bytes(), type=ReportDocument)
    except msgspec.DecodeError as error:
        raise UnreadableRecords(f"{place} is no report of format 1: {error}") from error
    plans: dict[str, Any] = {
        one.query_id: one.plan for one in (*report.slow_queries, *report.failed_queries)
    }
    whole = [msgspec.structs.replace(one, plan=plans.get(one.query_id)) for one in report.queries]
    return Recorded(whole, report.operations)


def _of_sink(place: Path) -> Recorded:
    queries: dict[str, QueryRecord] = {}
    operations: list[OperationRecord] = []
    unreadable = 0
    for file in (*_moved(place), place):
        with file.open("rb") as lines:
            for line in lines:
                try:
                    record = _record(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    unreadable += bool(line.strip())
                    continue
                if isinstance(record, QueryRecord):
                    queries[record.query_id] = record
                else:
                    operations.append(record)
    operations.sort(key=lambda one: one.started_at)
    return Recorded(
        sorted(queries.values(), key=lambda one: (one.started_at, one.query_id)),
        operations,
        unreadable,
    )


def _moved(place: Path) -> list[Path]:
    """The files that were moved away, the oldest first."""
    found: list[Path] = []
    while (moved := place.with_name(f"{place.name}.{len(found) + 1}")).exists():
        found.append(moved)
    return found[::-1]


def _record(line: bytes) -> QueryRecord | OperationRecord:
    read = msgspec.json.decode(line, type=_Line)
    if read.format_version != 1:
        raise UnreadableRecords(
            f"The records are of format {read.format_version}, which a newer dfd-obs writes: upgrade this one."
        )
    if read.kind == "query":
        return msgspec.json.decode(read.record, type=QueryRecord)
    return msgspec.json.decode(read.record, type=OperationRecord)
