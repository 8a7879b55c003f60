"""The diagnostics report: one document, three renderings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from dfd_obs import render
from dfd_obs.errors import ObservabilityError
from dfd_obs.ids import current_run
from dfd_obs.observer import Observer
from dfd_obs.redact import redact


class DiagnosticsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The diagnostics of a moment: what is installed, what is set, what ran and what was slow.

    All values are plain, and redacted when the report is built.
    """

    created_at: datetime
    dfd_obs: str
    run_id: str
    capabilities: dict[str, Any]
    settings: dict[str, Any]
    caches: dict[str, Any]
    tables: list[dict[str, Any]]
    operations: list[dict[str, Any]]
    queries: list[dict[str, Any]]
    slow_queries: list[dict[str, Any]]

    @classmethod
    def build(
        cls,
        *,
        observer: Observer | None = None,
        capabilities: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        caches: Mapping[str, Any] | None = None,
        tables: Iterable[Mapping[str, Any]] = (),
    ) -> DiagnosticsReport:
        """Build a report of the present state. What isn't given stands empty."""
        queries = () if observer is None else observer.records
        operations = () if observer is None else observer.operations
        return cls(
            created_at=datetime.now(timezone.utc),
            dfd_obs=version("dfd-obs"),
            run_id=current_run().id,
            capabilities=_plain(capabilities or {}),
            settings=_plain(settings or {}),
            caches=_plain(caches or {}),
            tables=[_plain(table) for table in tables],
            operations=[_plain(record) for record in operations],
            queries=[{k: v for k, v in _plain(q).items() if k != "plan"} for q in queries],
            slow_queries=[_plain(record) for record in queries if record.slow],
        )

    def to_dict(self) -> dict[str, Any]:
        """The document as plain values, ready for JSON; times in ISO 8601, UTC."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def to_json(self) -> str:
        """The document as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode()

    def to_markdown(self) -> str:
        """The document as Markdown, for an issue or a chat."""
        return render.markdown(self.to_dict())

    def to_html(self) -> str:
        """The document as one HTML page without a script or anything to load; all text in it is escaped."""
        return render.html(self.to_dict())

    def save(self, path: str | os.PathLike[str]) -> tuple[Path, Path, Path]:
        """Write `report.json`, `report.md` and `report.html` into a directory, made if need be.

        Each is written beside its place and moved there: a reader never sees a half.

        Raises:
            ObservabilityError: the directory can't be written.
        """
        directory = Path(path)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            return (
                _write(directory / "report.json", self.to_json()),
                _write(directory / "report.md", self.to_markdown()),
                _write(directory / "report.html", self.to_html()),
            )
        except OSError as error:
            raise ObservabilityError(f"The report can't be written: {error}") from error


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = redact(msgspec.to_builtins(value, enc_hook=str))
    return plain


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
