"""The tables of a report, as both its renderings have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timezone
from typing import Any, NamedTuple

from dfd_obs import told
from dfd_obs.document import ReportDocument
from dfd_obs.headline import attempts_of
from dfd_obs.record import OperationRecord, QueryRecord
from dfd_obs.statements import StatementRuns

MOST_ROWS = 200
_MOST_TEXT = 80
_MOST_TITLE = 2000


class Cell(NamedTuple):
    """A text; `whole` where it is short for something, and the id of a query that it leads to."""

    text: str
    whole: str | None = None
    query_id: str | None = None


class Row(NamedTuple):
    """The cells of a row, its mark ("bad", "slow" or none), and the query that it is of."""

    cells: tuple[Cell, ...]
    mark: str = ""
    query_id: str | None = None


class Table(NamedTuple):
    """Rows under a header; `left_out` is how many there are beside. `numbers`: the columns of numbers."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[Row]
    numbers: frozenset[str] = frozenset()
    left_out: int = 0
    is_folded: bool = False


def first_tables(report: ReportDocument) -> list[Table]:
    """The tables that a report is opened for."""
    day = report.created_at.astimezone(timezone.utc).date()
    made = [_statements(report, day), _operations(report, day), _queries(report, day)]
    return [*([_warnings(report)] if report.warnings else []), *map(_without_empty, made)]


def last_tables(report: ReportDocument) -> list[Table]:
    """The tables for who looks for a cause: tables, caches, and folded what is installed and set."""
    capabilities = dict(report.capabilities)
    defects = capabilities.pop("known_defects", [])
    made = [_without_empty(_health(report)), *_caches(report.caches)]
    made.append(_pairs("Settings", report.settings))
    made.append(_pairs("Installation", capabilities))
    if defects:
        header = tuple(defects[0])
        rows = [_row(told.text(one.get(name)) for name in header) for one in defects]
        made.append(Table("Known defects of installed libraries", header, rows, is_folded=True))
    return made


def _row(texts: Iterable[str], mark: str = "") -> Row:
    return Row(tuple(Cell(text) for text in texts), mark)


def _without_empty(table: Table) -> Table:
    """The table without the columns that nothing stands in."""
    if not table.rows:
        return table
    kept = [n for n in range(len(table.header)) if any(row.cells[n].text for row in table.rows)]
    rows = [row._replace(cells=tuple(row.cells[n] for n in kept)) for row in table.rows]
    return table._replace(header=tuple(table.header[n] for n in kept), rows=rows)


def _warnings(report: ReportDocument) -> Table:
    rows = [_row((one.subject, one.message, one.remedy), "slow") for one in report.warnings]
    return Table("Warnings", ("where", "what", "what mends it"), rows)


def _statements(report: ReportDocument, day: date) -> Table:
    numbers = ("runs", "failed", "p50", "p95", "max", "all", "rows")
    texts = {one.query_id: one.sql for one in report.queries if one.sql != one.fingerprint}
    rows = [
        Row(
            (
                Cell(one.summary or "?", None, one.slowest),
                Cell(f"{one.runs:,}"),
                Cell(f"{one.failed:,}"),
                *(Cell(told.seconds(s)) for s in (one.p50_s, one.p95_s, one.max_s, one.total_s)),
                Cell(f"{one.rows:,}"),
                Cell(told.time_of_day(one.newest_at, day)),
                _text_of(one, texts),
                Cell(one.key[3:11] if one.key.startswith("fp:") else "", one.key),
            ),
            "bad" if one.failed else "slow" if one.slow else "",
        )
        for one in report.statements[:MOST_ROWS]
    ]
    header = ("statement", *numbers, "last at", "text", "fingerprint")
    left = len(report.statements) - len(rows)
    return Table("Statements", header, rows, frozenset(numbers), left)


def _text_of(one: StatementRuns, texts: Mapping[str, str | None]) -> Cell:
    """The beginning of what the slowest run was asked by, where texts are recorded."""
    whole = texts.get(one.slowest)
    if whole is None:
        return Cell("")
    short = " ".join(whole.split())
    return Cell(
        short if len(short) <= _MOST_TEXT else short[:_MOST_TEXT] + "…", whole[:_MOST_TITLE]
    )


def _mark(record: QueryRecord | OperationRecord) -> str:
    if record.status == "error":
        return "bad"
    if isinstance(record, QueryRecord):
        return "slow" if record.slow else ""
    return "slow" if attempts_of(record) > 1 else ""


def _first(records: Iterable[Any]) -> list[Any]:
    """What failed first, then what was slow or retried, then the rest, each newest first."""
    order = ("bad", "slow", "")
    newest = sorted(records, key=lambda one: one.started_at, reverse=True)
    return sorted(newest, key=lambda one: order.index(_mark(one)))


def _operations(report: ReportDocument, day: date) -> Table:
    numbers = ("version", "attempts", "waited", "took")
    rows = [_operation(one, day) for one in _first(report.operations)[:MOST_ROWS]]
    header = (
        "at", "operation", "table", "status", *numbers, "conflicts", "winners", "query", "run", "error",
    )  # fmt: skip
    left = len(report.operations) - len(rows)
    return Table("Writes", header, rows, frozenset(numbers), left)


def _operation(one: OperationRecord, day: date) -> Row:
    details = one.details
    waited = details.get("waited_s")
    status = one.status if one.status == "error" else str(details.get("status", one.status))
    cells = (
        Cell(told.time_of_day(one.started_at, day)),
        Cell(one.operation),
        Cell(one.uri.rstrip("/").rpartition("/")[2] or one.uri, one.uri),
        Cell(status.replace("_", " ")),
        Cell(told.text(details.get("version"))),
        Cell(told.text(details.get("attempts"))),
        Cell(told.seconds(waited) if isinstance(waited, (int, float)) and waited else ""),
        Cell(told.seconds(one.duration_s)),
        Cell(told.text(details.get("conflicts"))),
        Cell(told.text(details.get("winners"))),
        _id_of_query(one.query_id),
        Cell(told.short_id(one.run_id), one.run_id),
        Cell(one.error or ""),
    )
    return Row(cells, _mark(one))


def _id_of_query(query_id: str | None) -> Cell:
    return Cell("") if query_id is None else Cell(told.short_id(query_id), query_id, query_id)


def _queries(report: ReportDocument, day: date) -> Table:
    numbers = ("rows", "took", "planning", "reader")
    versions = {
        one.query_id: f"{one.details.get('version')} ({one.operation})"
        for one in report.operations
        if one.query_id is not None and one.details.get("version") is not None
    }
    rows = [_query(one, day, versions) for one in _first(report.queries)[:MOST_ROWS]]
    header = ("at", "query", "what", "status", *numbers, "route", "commit", "run", "error")
    left = len(report.queries) - len(rows)
    return Table("Queries", header, rows, frozenset(numbers), left)


def _query(one: QueryRecord, day: date, versions: Mapping[str, str]) -> Row:
    route = one.route or ""
    cells = (
        Cell(told.time_of_day(one.started_at, day)),
        _id_of_query(one.query_id),
        Cell(one.summary or "?"),
        Cell("slow" if one.slow and one.status == "ok" else one.status),
        Cell(f"{one.rows:,}"),
        Cell(told.seconds(one.duration_s)),
        Cell(told.seconds(one.planning_s + one.refresh_s)),
        Cell(told.seconds(one.consumer_s)),
        Cell(f"{route}: {one.route_reason}" if one.route_reason else route),
        Cell(versions.get(one.query_id, "")),
        Cell(told.short_id(one.run_id), one.run_id),
        Cell(one.error or ""),
    )
    return Row(cells, _mark(one), one.query_id)


_HEALTH = {
    "files": "files",
    "bytes": "size",
    "files_to_compact": "small files",
    "deleted_share": "deleted",
    "commits": "commits since checkpoint",
    "log_bytes": "log",
    "checkpoint": "checkpoint at",
}


def _health(report: ReportDocument) -> Table:
    measured = [name for name in _HEALTH if any(name in table for table in report.tables)]
    numbers = ("version", *(_HEALTH[name] for name in measured))
    rows = [
        _row(
            (
                told.text(one.get("name")),
                told.text(one.get("version")) + (" (pinned)" if one.get("pinned") else ""),
                *(_measure(name, one.get(name)) for name in measured),
                told.text(one.get("uri")),
            )
        )
        for one in report.tables[:MOST_ROWS]
    ]
    left = len(report.tables) - len(rows)
    return Table("Tables", ("name", *numbers, "location"), rows, frozenset(numbers), left)


def _measure(name: str, value: object) -> str:
    if isinstance(value, (int, float)) and name in ("bytes", "log_bytes"):
        return told.byte_size(value)
    if isinstance(value, float) and name == "deleted_share":
        return f"{value:.0%}"
    return told.text(value)


_COUNTED = ("hits", "misses", "entries", "bytes", "evictions")


def _caches(caches: Mapping[str, Any]) -> list[Table]:
    """The counters of caches as a table, and what else is told of them, folded."""
    counted = [
        (f"{place} {name}" if place != "counted" else name, numbers)
        for place, found in caches.items()
        if isinstance(found, Mapping)
        for name, numbers in found.items()
        if isinstance(numbers, Mapping) and "hits" in numbers
    ]
    rows = [_row((name, _share(one), *_counts(one))) for name, one in counted]
    others = {
        place: found
        for place, found in caches.items()
        if not any(name.startswith(place) for name, _ in counted) and place != "counted"
    }
    numbers = frozenset(["hit rate", *_COUNTED])
    made = [Table("Caches", ("cache", "hit rate", *_COUNTED), rows, numbers)]
    return [*made, _pairs("Settings of caches", others)] if others else made


def _counts(counted: Mapping[str, Any]) -> list[str]:
    return [
        told.byte_size(value) if name == "bytes" and isinstance(value, int) else told.text(value)
        for name, value in ((name, counted.get(name)) for name in _COUNTED)
    ]


def _share(counted: Mapping[str, Any]) -> str:
    hits, misses = counted.get("hits", 0), counted.get("misses", 0)
    return f"{hits / (hits + misses):.0%}" if hits + misses else ""


def _pairs(title: str, values: Mapping[str, Any]) -> Table:
    rows = [_row(pair) for pair in told.pairs(values)]
    return Table(title, ("what", "value"), rows, is_folded=True)
