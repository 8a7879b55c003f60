"""The demo, step by step; every step finds out what an interrupted run already did."""

from __future__ import annotations

import multiprocessing
import queue
import shlex
import sys
from pathlib import Path

import dfd_obs
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from dfd_delta_policy import Status
from dfd_obs import ObservabilityConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dfd.demo import source
from dfd.demo.questions import CORRECTIONS, HEAVY, QUESTIONS
from dfd.demo.writer import app_id, write_months
from dfd.display.result import print_stream
from dfd.errors import DemoError
from dfd.runtime import Runtime, connect

WRITERS = 4
SLOW_QUERY_MS = 200.0
HEAVY_ROWS = 60_000_000
KEY = ("origin", "time_hour", "carrier", "flight")


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """The results of the demo."""

    directory: str
    rows: int
    appended_months: int
    corrected: int
    cancelled: int
    loaded_version: int
    version: int
    report: list[str]
    answers: dict[str, list[dict[str, object]]]


class Expected(msgspec.Struct, frozen=True):
    """The figures that the table must have by its source, computed without DataFusion or Delta."""

    loaded_rows: int
    loaded_dep_delay: int
    rows: int
    arr_delay: int


def run_demo(directory: Path, rows: int, console: Console) -> DemoResult:
    """Run the demo in `directory` on the first `rows` flights.

    Running it again, after whatever end, adds nothing twice and ends with the same tables.

    Raises:
        DemoError: the directory can't be used, or a result differs from the source data.
    """
    root = directory.expanduser().absolute()
    _claim(root, rows)
    # Below this many flights even a series of HEAVY_ROWS / rows minutes stays one query.
    config = ObservabilityConfig(slow_query_ms=SLOW_QUERY_MS, record_sql="text")
    with connect(observability=config) as runtime:
        _heading(
            console, 1, f"Load {rows:,} flights, month by month, with {WRITERS} writer processes"
        )
        appended = _load(root, rows, console)
        _load_lookups(runtime, root, console)
        runtime.register("flights", root / "flights")

        _heading(console, 2, "Compact, correct, delete, and look back")
        corrected, cancelled, loaded_version = _mutate(runtime, root, console)

        _heading(console, 3, "Five questions")
        answers = {}
        for question in QUESTIONS:
            table = runtime.sql(question.sql).to_arrow_table()
            answers[question.title] = table.to_pylist()
            print_stream(table, limit=20, title=question.title, console=console)

        _heading(console, 4, "A slow query, and the report")
        heavy = runtime.sql(HEAVY.format(extra=max(1, HEAVY_ROWS // rows)))
        print_stream(heavy.to_arrow_table(), limit=5, console=console)
        slow = runtime.observer.slow_queries
        if not any(record.query_id == heavy.id for record in slow):
            raise DemoError("The heavy query was not recorded as a slow query.")
        console.print(f"Query {heavy.id} was slow: the report has its plan.", soft_wrap=True)

        _check(runtime, root, rows, loaded_version)
        console.print("Row counts and sums equal those of the source.")
        paths = [str(path) for path in runtime.report().save(root / "report")]
        version = runtime.table(root / "flights").version()

    _heading(console, 5, "Where everything is")
    _goodbye(console, root, paths)
    return DemoResult(
        directory=str(root),
        rows=rows,
        appended_months=appended,
        corrected=corrected,
        cancelled=cancelled,
        loaded_version=loaded_version,
        version=version,
        report=paths,
        answers=answers,
    )


def _heading(console: Console, number: int, text: str) -> None:
    console.print(f"\n{number}. {text}", style="bold")


def _claim(root: Path, rows: int) -> None:
    """Make the directory, or see that an earlier demo made it with as many rows."""
    marker = root / "demo.json"
    root.mkdir(parents=True, exist_ok=True)
    if marker.exists():
        try:
            before = msgspec.json.decode(marker.read_bytes(), type=dict[str, int])["rows"]
        except (msgspec.DecodeError, KeyError) as error:
            raise DemoError(f"{marker} is not a file of the demo; choose another --dir.") from error
        if before != rows:
            raise DemoError(
                f"{root} holds a demo of {before:,} rows; choose another --dir or --rows {before}."
            )
        return
    if any(root.iterdir()):
        raise DemoError(f"{root} is not empty and not of the demo; choose another --dir.")
    partial = root / "demo.json.partial"
    partial.write_bytes(msgspec.json.encode({"rows": rows}))
    partial.replace(marker)


def _load(root: Path, rows: int, console: Console) -> int:
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    run_id = dfd_obs.current_run().id
    workers = [
        context.Process(target=write_months, args=(root, rows, months, run_id, done))
        for months in (source.MONTHS[i::WRITERS] for i in range(WRITERS))
    ]
    statuses: dict[int, str] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        for worker in workers:
            worker.start()
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("months", total=len(source.MONTHS))
            while len(statuses) < len(source.MONTHS):
                try:
                    month, status = done.get(timeout=0.2)
                except queue.Empty:
                    if all(w.exitcode is not None for w in workers) and done.empty():
                        raise DemoError(
                            "A writer process ended before its work was done."
                        ) from None
                    continue
                if month is None:
                    raise DemoError(f"A writer failed: {status}")
                statuses[month] = status
                progress.advance(task)
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
                worker.join()
    appended = sum(status != "already_committed" for status in statuses.values())
    if appended:
        console.print(f"{appended} months appended, {len(statuses) - appended} were there already.")
    else:
        console.print("Nothing added: all 12 months were there already.")
    return appended


def _load_lookups(runtime: Runtime, root: Path, console: Console) -> None:
    for name in source.LOOKUPS:
        runtime.write(
            root / name,
            lambda name=name: source.lookup(name),
            app_id=app_id(name),
            app_version=1,
        )
        runtime.register(name, root / name)
    console.print(f"Beside them: {', '.join(source.LOOKUPS)}.")


def _mutate(runtime: Runtime, root: Path, console: Console) -> tuple[int, int, int]:
    uri = root / "flights"
    _optimize(runtime, uri, console)
    corrections = runtime.sql(CORRECTIONS).to_arrow_table()
    if corrections.num_rows:
        same = " and ".join(f"t.{column} = s.{column}" for column in KEY)
        outcome = (
            runtime.merge(uri, corrections, same)
            .when_matched_update({"arr_delay": "s.arr_delay"})
            .execute()
        )
        console.print(f"MERGE: {corrections.num_rows} delays corrected, version {outcome.version}.")
    cancelled = runtime.sql("select count(*) as n from flights where dep_time is null")
    count = int(cancelled.to_arrow_table()["n"][0].as_py())
    if count:
        outcome = runtime.delete(uri, "dep_time is null")
        console.print(f"DELETE: {count:,} cancelled flights gone, version {outcome.version}.")
    _optimize(runtime, uri, console)
    loaded = _loaded_version(runtime, uri)
    runtime.register("flights_loaded", uri, version=loaded)
    before = runtime.sql("select count(*) as n from flights_loaded").to_arrow_table()["n"][0]
    console.print(f"At version {loaded}, as loaded, the table had {before.as_py():,} flights.")
    return corrections.num_rows, count, loaded


def _optimize(runtime: Runtime, uri: Path, console: Console) -> None:
    outcome = runtime.optimize(uri)
    if outcome.status is Status.NOTHING_TO_DO:
        console.print("OPTIMIZE: no small files.")
    else:
        before, after = outcome.metrics["numFilesRemoved"], outcome.metrics["numFilesAdded"]
        console.print(f"OPTIMIZE: {before} files became {after}, version {outcome.version}.")


def _loaded_version(runtime: Runtime, uri: Path) -> int:
    """The last version before the first that changed rows."""
    table = runtime.table(uri)
    changed = [
        int(commit["version"])
        for commit in table.history()
        if commit.get("operation") in ("MERGE", "DELETE")
    ]
    return min(changed) - 1 if changed else table.version()


def _check(runtime: Runtime, root: Path, rows: int, loaded_version: int) -> None:
    sums = "count(*) as n, sum({column}) as total"
    loaded = runtime.sql(f"select {sums.format(column='dep_delay')} from flights_loaded")  # noqa: S608
    now = runtime.sql(f"select {sums.format(column='arr_delay')} from flights")  # noqa: S608
    found = [
        (row["n"], row["total"])
        for query in (loaded, now)
        for row in query.to_arrow_table().to_pylist()
    ]
    want = expected(rows)
    for what, got, wanted in (
        (f"version {loaded_version}", found[0], (want.loaded_rows, want.loaded_dep_delay)),
        ("the newest version", found[1], (want.rows, want.arr_delay)),
    ):
        if got != wanted:
            raise DemoError(
                f"{root / 'flights'} at {what} has (rows, sum of delays) {got}; the source says {wanted}."
            )


def expected(rows: int) -> Expected:
    """Row counts and sums from the source alone, in one pass."""
    loaded_rows = loaded_delay = kept = arrival = 0
    for batch in source.flights(rows):
        table = pa.table(batch)
        loaded_rows += table.num_rows
        loaded_delay += pc.sum(table["dep_delay"]).as_py() or 0
        flown = table.filter(pc.is_valid(table["dep_time"]))
        kept += flown.num_rows
        arrival += pc.sum(flown["arr_delay"]).as_py() or 0
        diverted = flown.filter(
            pc.and_(pc.is_null(flown["arr_delay"]), pc.is_valid(flown["arr_time"]))
        )
        for row in diverted.select(["arr_time", "sched_arr_time"]).to_pylist():
            arrival += (
                _minutes(row["arr_time"]) - _minutes(row["sched_arr_time"]) + 2160
            ) % 1440 - 720
    return Expected(loaded_rows, loaded_delay, kept, arrival)


def _minutes(clock: int) -> int:
    return clock // 100 * 60 + clock % 100


def _goodbye(console: Console, root: Path, paths: list[str]) -> None:
    flights = shlex.quote(str(root / "flights"))
    question = "'select origin, count(*) from flights group by origin'"
    console.print(f"Tables  {root}", soft_wrap=True)
    for path in paths:
        console.print(f"Report  {path}", soft_wrap=True)
    console.print("\nGo on with")
    for command in (f"sql -t flights={flights} {question}", f"history {flights}"):
        console.print(f"  {_command()} {command}", soft_wrap=True)


def _command() -> str:
    """The text by which this very command is called again, wherever it is installed."""
    called = Path(sys.argv[0])
    if called.name == "dfd":
        return shlex.quote(str(called.absolute()))
    return f"{shlex.quote(sys.executable)} -m dfd"
