"""The public API as a user's type checker sees it."""

from __future__ import annotations

import logging
from pathlib import Path

import dfd_obs


def use(directory: Path) -> None:
    config = dfd_obs.ObservabilityConfig(
        slow_query_ms=10,
        record_sql="off",
        max_bytes=1 << 20,
        fingerprint_key="a key of these tests",
        sink=str(directory / "records.jsonl"),
        sink_max_bytes=1 << 20,
        sink_files=2,
    )
    observer = dfd_obs.Observer(config)
    with dfd_obs.run("nightly") as run:
        run_id: str = run.id
        scope: dfd_obs.QueryScope = observer.start_query("select 1", route="session")
        with scope.activate():
            ids: dict[str, str] = dfd_obs.current_ids()
        scope.finish(rows=1)
        with observer.operation("append", "/t") as operation:
            operation.finish({"version": 1})
    preparation: dfd_obs.Preparation = observer.prepare("select 1", "datafusion.public")
    with preparation.taking("plan"):
        preparation.summary = dfd_obs.QuerySummary.of_text("select 1")
    observer.start_query(preparation).finish(rows=1, execution_s=0.5)
    carried: dict[str, str] = dfd_obs.carrier()
    with dfd_obs.continued(carried), dfd_obs.working_for(run):
        logging.getLogger("user").addFilter(dfd_obs.RunFilter())
    same: dfd_obs.Observer = dfd_obs.instrument(observer=observer)
    dfd_obs.uninstrument()
    slow: tuple[dfd_obs.QueryRecord, ...] = observer.slow_queries
    paths: tuple[Path, Path, Path] = dfd_obs.DiagnosticsReport.build(observer=observer).save(
        directory
    )
    recorded: dfd_obs.Recorded = dfd_obs.Recorded.read(directory / "records.jsonl")
    again: dfd_obs.DiagnosticsReport = dfd_obs.DiagnosticsReport.of_recorded(recorded)
    trace_events: str = again.to_trace()
    compared: dfd_obs.Comparison = dfd_obs.compare(recorded, recorded)
    changed: list[dfd_obs.StatementChange] = compared.statements
    warnings: list[dfd_obs.ReportWarning] = again.warnings
    captured: dfd_obs.PlanCapture | None = slow[0].plan
    if captured is not None and captured.plan is not None:
        operators: list[tuple[int, dfd_obs.PlanOperator]] = list(captured.plan.walk())
        print(captured.text, operators[0][1].rows)
    fingerprint: str | None = observer.fingerprint("select 1")
    print(str(again.headline), trace_events, changed, warnings, fingerprint, slow[0].tables)
    tracing: dfd_obs.DeltaTracing = dfd_obs.init_delta_tracing("http://localhost:4318/v1/traces")
    print(run_id, ids, slow, paths, tracing.pid, same, slow[0].error_type, slow[0].consumer_s)
