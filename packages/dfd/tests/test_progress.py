"""Progress: what is under way is told while it lasts, and what is known of it is true."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from dfd.progress import Progress, ProgressWatch

LONG = "select count(*) as n from generate_series(1, 400000000) where value % 7 = 3"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Progress]:
    """What is told, of all that takes any time."""
    monkeypatch.setattr(ProgressWatch.__init__, "__defaults__", (0.0, 0.01, time.monotonic))
    return []


def until(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.01)


def test_a_query_is_told_of_while_it_runs_and_at_its_end(told: list[Progress]) -> None:
    with dfd.connect(progress=told.append) as runtime:
        assert runtime.sql(LONG).fetch_all() == [(57142857,)]
    read = [progress.rows_read for progress in told if progress.rows_read is not None]
    assert read == sorted(read)
    assert len(set(read)) > 2
    assert read[-1] == 400_000_000
    assert [progress.is_done for progress in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].rows == 1
    assert {progress.what for progress in told} == {"SELECT generate_series()"}
    assert told[-1].step == "deliver"


def test_a_stream_of_arrow_is_told_of_too(told: list[Progress]) -> None:
    with dfd.connect(progress=told.append) as runtime:
        pa.table(runtime.sql(LONG))
    assert told[-1].is_done
    assert told[-1].rows_read == 400_000_000


def test_a_run_that_is_dropped_ends(told: list[Progress]) -> None:
    with dfd.connect(progress=told.append) as runtime:
        reader = runtime.sql("select value from generate_series(1, 100000000)").reader()
        reader.read_next_batch()
        until(lambda: told)
        del reader
        gc.collect()
        until(lambda: told[-1].is_done)
    assert told[-1].is_done
    assert told[-1].rows_read is not None
    assert told[-1].rows_read < 100_000_000


def test_a_write_has_its_steps_and_the_query_that_it_writes(
    told: list[Progress], tmp_path: Path
) -> None:
    with dfd.connect(progress=told.append) as runtime:
        runtime.write(tmp_path, runtime.sql("select value as n from generate_series(1, 3000000)"))
    operations = [progress for progress in told if progress.what.startswith("append file://")]
    queries = [progress for progress in told if progress.what == "SELECT generate_series()"]
    assert "stage" in {progress.step for progress in operations}
    assert operations[-1].is_done
    assert operations[-1].step == "commit"
    assert operations[-1].rows is None
    assert queries[-1].is_done
    assert queries[-1].rows == 3_000_000


def test_a_stream_that_is_written_is_under_way_too(told: list[Progress], tmp_path: Path) -> None:
    seen = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(2):
            seen.wait(20)
            yield pa.record_batch({"n": [n]})

    def report(progress: Progress) -> None:
        told.append(progress)
        seen.set()

    with dfd.connect(progress=report) as runtime:
        schema = pa.schema({"n": pa.int64()})
        runtime.write(tmp_path, pa.RecordBatchReader.from_batches(schema, batches()))
    assert seen.is_set()
    assert told[-1].is_done


def test_a_query_that_fails_ends(told: list[Progress]) -> None:
    with dfd.connect(progress=told.append) as runtime, pytest.raises(dfd.QueryError):
        runtime.sql(
            "select 1 / (value - 50000000) from generate_series(1, 100000000)"
        ).to_arrow_table()
    assert told[-1].is_done


def test_what_is_short_is_not_told_of() -> None:
    told: list[Progress] = []
    with dfd.connect(progress=told.append) as runtime:
        runtime.sql("select 1").fetch_all()
    assert told == []


def test_a_callback_that_fails_stops_nothing(
    told: list[Progress], caplog: pytest.LogCaptureFixture
) -> None:
    def report(progress: Progress) -> None:
        told.append(progress)
        raise RuntimeError("no terminal")

    with dfd.connect(progress=report) as runtime:
        assert runtime.sql(LONG).fetch_one() == (57142857,)
    assert len(told) == 1
    assert "isn't called again" in caplog.text
