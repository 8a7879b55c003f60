"""No literal of a statement, and no secret, gets into spans, metrics, log lines, records or reports."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import dfd
import leaks
import msgspec
import pyarrow as pa
import pytest
from dfd_obs import ObservabilityConfig
from dfd_storage import S3Profile, Secret, StaticCredentials
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"


PACKAGES = ("dfd", "dfd_cache", "dfd_delta_policy", "dfd_native", "dfd_obs", "dfd_storage")


def listen(caplog: pytest.LogCaptureFixture) -> None:
    """Hear all that dfd logs; datafusion's own lines of plans are its own affair."""
    for name in PACKAGES:
        caplog.set_level(logging.DEBUG, logger=name)


def told(
    runtime: dfd.Runtime,
    spans: InMemorySpanExporter,
    measured: InMemoryMetricReader,
    caplog: pytest.LogCaptureFixture,
) -> dict[str, str]:
    """All that was told to anybody but the caller."""
    data = measured.get_metrics_data()
    assert data is not None
    lines = [
        logging.Formatter("%(name)s %(message)s %(dfd_run_id)s").format(line)
        for line in caplog.records
        if line.name.partition(".")[0] in PACKAGES
    ]
    report = runtime.report()
    return {
        "spans": "\n".join(span.to_json() for span in spans.get_finished_spans()),
        "metrics": data.to_json(),
        "logs": "\n".join(lines),
        "queries": json.dumps(msgspec.to_builtins(runtime.observer.records)),
        "operations": json.dumps(msgspec.to_builtins(runtime.observer.operations)),
        "report": report.to_json() + report.to_html() + report.to_markdown() + report.to_trace(),
        "file": Path(str(runtime.profile.observability.sink)).read_text(encoding="utf-8"),
    }


def flights(record_sql: Any, tmp_path: Path) -> dfd.Runtime:
    sink = str(tmp_path / "records.jsonl")
    config = ObservabilityConfig(record_sql=record_sql, slow_query_ms=0, sink=sink)
    runtime = dfd.connect(observability=config)
    rows = pa.table({"id": list(range(10)), "code": [f"c{n}" for n in range(10)]})
    runtime.write(tmp_path / "flights", rows)
    runtime.register("flights", tmp_path / "flights")
    return runtime


@pytest.mark.parametrize("record_sql", ["off", "digest"])
@pytest.mark.parametrize(
    ("kind", "statement", "fails"),
    [
        *((kind, statement, False) for kind, statement in leaks.STATEMENTS.items()),
        *((kind, statement, True) for kind, statement in leaks.FAILING.items()),
    ],
)
def test_a_literal_is_told_to_nobody(
    spans: InMemorySpanExporter,
    measured: InMemoryMetricReader,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    kind: str,
    statement: leaks.Statement,
    fails: bool,
    record_sql: str,
) -> None:
    listen(caplog)
    runtime = flights(record_sql, tmp_path)
    before = len(runtime.observer.records) + len(runtime.observer.operations)
    if fails:
        with pytest.raises(dfd.DfdError):
            statement(runtime, tmp_path)
    else:
        statement(runtime, tmp_path)
    after = len(runtime.observer.records) + len(runtime.observer.operations)
    assert after > before
    if fails:
        statuses = {one.status for one in (*runtime.observer.records, *runtime.observer.operations)}
        assert "error" in statuses
    for where, text in told(runtime, spans, measured, caplog).items():
        found = [sentinel for sentinel in leaks.SENTINELS if sentinel in text]
        assert found == [], f"{kind}: in {where}"


def test_the_sentinels_are_found_where_texts_are_recorded(
    spans: InMemorySpanExporter,
    measured: InMemoryMetricReader,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    runtime = flights("text", tmp_path)
    leaks.STATEMENTS["query"](runtime, tmp_path)
    everywhere = told(runtime, spans, measured, caplog)
    for where in ("spans", "queries", "report", "file"):
        assert leaks.TEXT in everywhere[where]
        assert str(leaks.NUMBER) in everywhere[where]


def test_a_secret_is_told_to_nobody_even_where_texts_are(
    spans: InMemorySpanExporter,
    measured: InMemoryMetricReader,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    listen(caplog)
    profile = S3Profile(
        uri="s3://lake/here",
        region="us-east-1",
        endpoint="http://127.0.0.1:9",
        allow_http=True,
        credentials=StaticCredentials("AKIDEXAMPLE", Secret(SECRET)),
    )
    sink = str(tmp_path / "records.jsonl")
    config = ObservabilityConfig(record_sql="text", slow_query_ms=0, sink=sink)
    runtime = dfd.connect(storage=(profile,), observability=config)
    with pytest.raises(dfd.DfdError):
        runtime.sql("delete from delta.`s3://lake/here/t` where id = 1")
    with pytest.raises(dfd.DfdError):
        runtime.sql(f"select * from read_delta('s3://key:{SECRET}@lake/here/t')")
    everywhere = told(runtime, spans, measured, caplog)
    assert runtime.observer.records[-1].status == "error"
    for where in ("metrics", "logs", "operations", "report", "file"):
        assert SECRET not in everywhere[where]
    assert SECRET not in str([span.status.description for span in spans.get_finished_spans()])
    assert SECRET not in str(runtime.observer.records[-1].error)
