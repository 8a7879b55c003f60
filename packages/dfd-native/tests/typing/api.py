"""The public API as a user's type checker sees it."""

from __future__ import annotations

from pathlib import Path

import dfd_native
import pyarrow as pa
from datafusion import SessionContext


def use(context: SessionContext, table: pa.Table) -> None:
    dfd_native.ensure_compatible()
    names: tuple[str, ...] = dfd_native.register_functions(context)
    snapshot: dict[str, object] = dfd_native.capabilities_snapshot()
    stream: dfd_native.AdaptedStream = dfd_native.adapt_stream(table, batch_rows=1024)
    rows: int = stream.rows
    batches: list[dfd_native.RecordBatch] = dfd_native.arrow_stream_to_batches(stream)
    again: dfd_native.AdaptedStream = dfd_native.adapt_stream(stream, schema=table.schema)
    ahead: dfd_native.AdaptedStream = dfd_native.adapt_stream(
        again, schema=table.schema, batch_rows=8192, prefetch_batches=2
    )
    one: dfd_native.AdaptedStream = dfd_native.adapt_stream(table.to_batches()[0])
    counted: tuple[int, int, bool] = (ahead.batches, ahead.bytes, ahead.interrupted)
    try:
        dfd_native.ensure_compatible()
    except dfd_native.IncompatibleInstallation as error:
        parts: tuple[str, str, str] = (error.installed, error.required, error.command)
        print(parts)
    print(names, snapshot, rows, batches, one, counted)


def tables(context: SessionContext) -> None:
    table: dfd_native.DeltaTable = dfd_native.delta_table("file:///data/t", version=3)
    newest: list[dfd_native.DeltaTable | None] = dfd_native.refresh([table])
    context.register_table("t", table)
    history: dfd_native.LogTable = table.history()
    changes: dfd_native.LogTable = table.changes(0, 3)
    names: tuple[str, ...] = dfd_native.register_table_functions(
        context, lambda uri: (uri, {"region": "x"}, None)
    )
    catalog = dfd_native.SessionCatalog(context)
    catalog.register(("datafusion", "public", "u"), table, pinned=False)
    registered: list[dfd_native.CatalogTable] = catalog.tables()
    with dfd_native.QueryVersions():
        context.sql("select * from u")
    engine = dfd_native.Engine(memory_limit_bytes=1 << 30, list_files_ttl_s=60)
    engine.forget_listings()
    engine.register_store("s3://bucket/prefix", {"region": "x"})
    plan = context.sql("select 1").optimized_logical_plan()
    run: dfd_native.EngineRun = engine.run(plan, context, is_sql=True)
    for batch in run:
        rows: int = batch.num_rows
        print(rows)
    hits: int = dfd_native.cache_stats()["snapshot"]["hits"]
    lists: int = dfd_native.request_counts()["list"]
    print(newest, history, changes, names, hits, lists, registered)


def staged(table: pa.Table, run: dfd_native.EngineRun) -> None:
    with dfd_native.stage(
        "s3://bucket/t",
        table,
        {"region": "x"},
        partition_by=["a"],
        sort_by=["b"],
        compression="snappy",
        target_file_bytes=1 << 27,
        writers=2,
        memory_limit_bytes=1 << 28,
    ) as files:
        version: int | None = files.read_version
        actions: list[dict[str, object]] = files.actions
        counted: tuple[int, int, str] = (files.rows, files.bytes, files.stage_id)
        metrics: dict[str, int | float] = files.metrics
        columns: tuple[str, list[str]] = (files.schema_json, files.partition_by)
        files.release()
    try:
        inside: dfd_native.StagedFiles = dfd_native.stage("file:///data/t", run)
        inside.drop()
    except dfd_native.RuleViolation as error:
        wrong: ValueError = error
        print(wrong)
    except dfd_native.StageError as error:
        failed: dfd_native.NativeError = error
        print(failed)
    live: list[dfd_native.LiveStage] = dfd_native.live_stages(Path("data/t"))
    left: list[dfd_native.AbandonedStage] = dfd_native.abandoned_stages("file:///data/t")
    names: list[tuple[str, ...]] = [one.files for one in left]
    print(live, version, actions, counted, metrics, columns, names)


def logged(uri: str) -> None:
    found: dfd_native.ActiveFiles = dfd_native.active_files(uri, {"region": "x"}, version=3)
    _misread: dict[str, str] = dfd_native.misread_columns(uri, version=3, predicate="id = 1")
    paths: list[str] = [action["path"] for action in found.actions]
    with dfd_native.rewrite(
        uri,
        {"region": "x"},
        version=found.version,
        paths=paths,
        z_order_by=["a", "b"],
        compression="snappy",
        target_file_bytes=1 << 27,
        writers=2,
        memory_limit_bytes=1 << 28,
    ) as files:
        try:
            info = dfd_native.OperationInfo(
                operation="OPTIMIZE",
                engine="api",
                parameters={"auto": False},
                metrics={"numFiles": 1},
                isolation_level="SnapshotIsolation",
                operation_id="id",
                metadata={"a": "b"},
                transactions=[("app", 1)],
            )
            version: int = dfd_native.commit_files(
                uri,
                {"region": "x"},
                read_version=found.version,
                info=info,
                adds=[files],
                removes=found.only(paths[:1]),
                keeps_rows=True,
                in_commit_timestamp=True,
            )
            version = dfd_native.create_table(
                uri, schema_json=files.schema_json, partition_by=["p"], info=info, adds=[files]
            )
            sizes: tuple[int, int, list[int]] = (len(found), found.bytes, files.file_bytes)
            files.release()
            print(version, sizes)
        except FileExistsError as taken:
            print(taken)
        except dfd_native.InvalidCommit as invalid:
            refused: ValueError = invalid
            print(refused)
        except dfd_native.CommitError as error:
            unknown: OSError = error
            print(unknown)
    since: list[dfd_native.LoggedCommit] = dfd_native.commits_since(uri, version=3, last=5)
    infos: list[tuple[int, dict[str, object]]] = [(one.version, one.info) for one in since]
    features: list[str] = dfd_native.unsupported_features(["columnMapping"], "stage", "commit")
    print(infos, features, dfd_native.table_features()["columnMapping"])
    in_order: dfd_native.StagedFiles = dfd_native.rewrite(uri, version=3, paths=[], sort_by=["a"])
    in_order.drop()


def changed(uri: str, info: dfd_native.OperationInfo) -> None:
    clauses = [
        dfd_native.MergeClause("matched", "s.a > 1", {"a": "s.a"}),
        dfd_native.MergeClause("not_matched_by_source"),
    ]
    with dfd_native.stage(uri, pa.table({"a": [1]}), predicate="a = 1") as inserted:
        changes: list[dfd_native.RowChange] = [
            dfd_native.delete_rows(uri, version=3, predicate="a = 1", inserted=inserted),
            dfd_native.update_rows(uri, {"region": "x"}, version=3, updates={"a": "a + 1"}),
            dfd_native.merge_rows(
                uri, pa.table({"a": [1]}), version=3, predicate="s.a = t.a", clauses=clauses,
                source_alias="s", target_alias="t", compression="snappy", writers=2,
            ),
        ]  # fmt: skip
    for worked_out in changes:
        change: dfd_native.RowChange = worked_out.rebased_on(4) or worked_out
        new: dfd_native.StagedFiles | None = change.staged
        dfd_native.commit_files(
            uri,
            read_version=4,
            info=info,
            adds=[] if new is None else [new],
            removes=change.removes,
            marked=change.marked,
        )
        told: dict[str, int] = change.metrics
        print(told, change.is_empty)
