"""The diagnostics report: one document, and its renderings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from dfd_obs import html_page, markdown, trace_events
from dfd_obs.document import ReportDocument, ReportWarning
from dfd_obs.errors import ObservabilityError
from dfd_obs.headline import Headline
from dfd_obs.ids import current_run
from dfd_obs.observer import Observer
from dfd_obs.record import OperationRecord, QueryRecord
from dfd_obs.recorded import Recorded
from dfd_obs.redact import redact
from dfd_obs.statements import by_statement

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class DiagnosticsReport(ReportDocument, frozen=True, kw_only=True):
    """The diagnostics of a moment: what ran, failed and was slow, what is installed, and what is set.

    All values are plain, and redacted when the report is built.
    """

    @classmethod
    def build(
        cls,
        *,
        observer: Observer | None = None,
        capabilities: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        caches: Mapping[str, Any] | None = None,
        tables: Iterable[Mapping[str, Any]] = (),
        warnings: Iterable[ReportWarning] = (),
    ) -> DiagnosticsReport:
        """Build a report of the present state. What isn't given stands empty."""
        return cls.of_records(
            () if observer is None else observer.records,
            () if observer is None else observer.operations,
            created_at=datetime.now(timezone.utc),
            run_id=current_run().id,
            capabilities=capabilities,
            settings=settings,
            caches=caches,
            tables=tables,
            warnings=warnings,
        )

    @classmethod
    def of_records(
        cls,
        queries: Sequence[QueryRecord],
        operations: Sequence[OperationRecord],
        *,
        created_at: datetime,
        run_id: str,
        capabilities: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        caches: Mapping[str, Any] | None = None,
        tables: Iterable[Mapping[str, Any]] = (),
        warnings: Iterable[ReportWarning] = (),
    ) -> DiagnosticsReport:
        """The report of these records: the same for the same arguments, to the byte."""
        asked = [_redacted(record, QueryRecord) for record in queries]
        done = [_redacted(record, OperationRecord) for record in operations]
        plain_tables = [_plain(table) for table in tables]
        return cls(
            created_at=created_at,
            dfd_obs=version("dfd-obs"),
            run_id=run_id,
            headline=Headline.of(asked, done, plain_tables),
            warnings=[_redacted(one, ReportWarning) for one in warnings],
            statements=by_statement(asked),
            slow_queries=[one for one in asked if one.slow],
            failed_queries=[one for one in asked if one.status == "error" and not one.slow],
            operations=done,
            queries=[msgspec.structs.replace(one, plan=None) for one in asked],
            tables=plain_tables,
            # dfd-native counts them in no order.
            caches=_in_order(_plain(caches or {})),
            settings=_plain(settings or {}),
            capabilities=_plain(capabilities or {}),
        )

    @classmethod
    def of_recorded(cls, recorded: Recorded) -> DiagnosticsReport:
        """The report of what another process recorded, as of the last of it; its tables with their newest versions."""
        records: list[QueryRecord | OperationRecord] = [*recorded.queries, *recorded.operations]
        newest = max(records, key=lambda one: one.started_at, default=None)
        return cls.of_records(
            recorded.queries,
            recorded.operations,
            created_at=_EPOCH if newest is None else newest.started_at,
            run_id="none" if newest is None else newest.run_id,
        )

    def to_dict(self) -> dict[str, Any]:
        """The document as plain values, ready for JSON; times in ISO 8601, UTC."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def to_json(self) -> str:
        """The document as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"

    def to_markdown(self) -> str:
        """The document as Markdown, for an issue or a chat."""
        return markdown.of(self)

    def to_html(self) -> str:
        """The document as one HTML page without a script or anything to load; all text in it is escaped."""
        return html_page.of(self)

    def to_trace(self) -> str:
        """Runs, queries and operators over time, as Chrome's trace events (JSON), which Perfetto opens."""
        return trace_events.of(self)

    def save(self, path: str | os.PathLike[str]) -> tuple[Path, Path, Path]:
        """Write `report.json`, `report.md` and `report.html` into a directory, made if need be: their paths.

        Beside them is `report.trace.json` (`to_trace`). Each is written beside its place and moved there: a reader
        never sees a half.

        Raises:
            ObservabilityError: the directory can't be written.
        """
        directory = Path(path)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _write(directory / "report.trace.json", self.to_trace())
            return (
                _write(directory / "report.json", self.to_json()),
                _write(directory / "report.md", self.to_markdown()),
                _write(directory / "report.html", self.to_html()),
            )
        except OSError as error:
            raise ObservabilityError(f"The report can't be written: {error}") from error


def _redacted(record: Any, kind: type[Any]) -> Any:
    return msgspec.convert(_plain(record), kind)


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = redact(msgspec.to_builtins(value, enc_hook=str))
    return plain


def _in_order(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _in_order(value) if isinstance(value, dict) else value
        for name, value in sorted(values.items())
    }


def _write(path: Path, text: str) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        partial = Path(file.name)
        try:
            file.write(text)
            file.close()
            partial.chmod(0o644)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    return path
