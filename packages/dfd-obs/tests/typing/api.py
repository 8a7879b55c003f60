"""The public API as a user's type checker sees it."""

from __future__ import annotations

import logging
from pathlib import Path

import dfd_obs


def use(directory: Path) -> None:
    observer = dfd_obs.Observer(dfd_obs.ObservabilityConfig(slow_query_ms=10, record_sql="off"))
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
    tracing: dfd_obs.DeltaTracing = dfd_obs.init_delta_tracing("http://localhost:4318/v1/traces")
    print(run_id, ids, slow, paths, tracing.pid, same, slow[0].error_type, slow[0].consumer_s)
