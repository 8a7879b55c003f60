"""The file of records: complete lines, whoever writes, and whatever becomes of the process."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dfd_obs import DiagnosticsReport, ObservabilityConfig, Observer, Recorded, UnreadableRecords

WRITER = """
import os, signal, sys, time
from dfd_obs import ObservabilityConfig, Observer
path, end = sys.argv[1:3]
if end == "handled":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
observer = Observer(ObservabilityConfig(sink=path, record_sql="text"))
for number in range(50):
    observer.start_query(f"select {number}").finish(rows=number)
synced = []
fsync = os.fsync
os.fsync = lambda fd: (fsync(fd), open(path + ".synced", "w").close())
print("written", flush=True)
if end == "killed" or end == "terminated" or end == "handled":
    time.sleep(60)
"""


def observed(path: Path, **options: int) -> Observer:
    return Observer(ObservabilityConfig(sink=str(path), record_sql="text", **options))


def test_records_are_read_back_as_they_were(tmp_path: Path) -> None:
    observer = observed(tmp_path / "new" / "records.jsonl")
    for number in range(3):
        observer.start_query(f"select {number}").finish(rows=number)
    with observer.operation("append", "/t") as operation:
        operation.finish({"version": 3})
    found = Recorded.read(tmp_path / "new" / "records.jsonl")
    assert tuple(found.queries) == observer.records
    assert tuple(found.operations) == observer.operations
    assert found.unreadable == 0
    lines = (tmp_path / "new" / "records.jsonl").read_text().splitlines()
    assert [json.loads(line)["format_version"] for line in lines] == [1] * 4


def test_the_report_of_a_file_is_the_same_twice(tmp_path: Path) -> None:
    observer = observed(tmp_path / "records.jsonl")
    for number in range(30):
        observer.start_query(f"select {number}").finish(rows=number)
    one, two = (
        DiagnosticsReport.of_recorded(Recorded.read(tmp_path / "records.jsonl")) for _ in "12"
    )
    assert (one.to_json(), one.to_html(), one.to_trace(), one.to_markdown()) == (
        two.to_json(), two.to_html(), two.to_trace(), two.to_markdown(),
    )  # fmt: skip
    # And a report is a file of records as well.
    one.save(tmp_path / "report")
    assert Recorded.read(tmp_path / "report").queries == one.queries


def test_a_full_file_is_moved_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    observer = observed(path, sink_max_bytes=4000, sink_files=2)
    for number in range(100):
        observer.start_query(f"select {number}").finish(rows=number)
    files = sorted(one.name for one in tmp_path.iterdir())
    assert files == ["records.jsonl", "records.jsonl.1", "records.jsonl.2"]
    assert all(one.stat().st_size <= 4000 for one in tmp_path.iterdir())
    rows = [one.rows for one in Recorded.read(path).queries]
    assert rows == list(range(100 - len(rows), 100))
    assert 10 < len(rows) < 30


SHARING = """
import sys, threading
from dfd_obs import ObservabilityConfig, Observer
config = ObservabilityConfig(sink=sys.argv[1], sink_max_bytes=200_000, sink_files=1000)
observer, part = Observer(config), int(sys.argv[2])
def work(thread):
    for number in range(100):
        observer.start_query("select 1").finish(rows=part * 400 + thread * 100 + number)
threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_and_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", SHARING, str(path), str(part)]) for part in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 3
    found = Recorded.read(path)
    assert found.unreadable == 0
    assert sorted(one.rows for one in found.queries) == list(range(1200))
    assert (tmp_path / "records.jsonl.1").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Nothing forks here.")
def test_a_forked_process_writes_too_though_the_lock_was_held(tmp_path: Path) -> None:
    script = f"""
import os, threading
from dfd_obs import ObservabilityConfig, Observer
observer = Observer(ObservabilityConfig(sink={str(tmp_path / "records.jsonl")!r}))
observer.start_query("select 1").finish(rows=0)
held, go = threading.Event(), threading.Event()
def hold():
    with observer._sink._lock:
        held.set()
        go.wait()
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    observer.start_query("select 1").finish(rows=1)
    os._exit(0)
go.set()
assert os.waitpid(child, 0)[1] == 0
observer.start_query("select 1").finish(rows=2)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)
    assert [one.rows for one in Recorded.read(tmp_path / "records.jsonl").queries] == [0, 1, 2]


@pytest.mark.parametrize(
    ("end", "code", "is_synced"),
    [
        ("ended", 0, True),
        ("terminated", -signal.SIGTERM, True),
        ("handled", 7, True),
        ("killed", -signal.SIGKILL, False),
    ],
)
def test_nothing_is_lost_however_a_process_ends(
    tmp_path: Path, end: str, code: int, is_synced: bool
) -> None:
    path = tmp_path / "records.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), end], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    if end in ("terminated", "handled"):
        process.terminate()
    if end == "killed":
        process.kill()
    assert process.wait(60) == code
    process.stdout.close()
    assert [one.rows for one in Recorded.read(path).queries] == list(range(50))
    assert Path(f"{path}.synced").exists() == is_synced


def test_a_file_that_cannot_be_written_warns_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    caplog.set_level(logging.WARNING)
    observer = observed(tmp_path / "file" / "records.jsonl")
    for _ in range(3):
        observer.start_query("select 1").finish(rows=1)
    warned = [one for one in caplog.records if one.name == "dfd_obs.sink"]
    assert len(warned) == 1
    assert "kept in memory alone" in warned[0].getMessage()
    assert len(observer.records) == 3


def test_half_a_line_is_left_out_and_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    observed(path).start_query("select 1").finish(rows=1)
    with path.open("ab") as file:
        file.write(b'{"format_version":1,"kind":"query","rec')
    observed(path).start_query("select 2").finish(rows=2)
    found = Recorded.read(path)
    assert [one.rows for one in found.queries] == [1, 2]
    assert found.unreadable == 1


def _of_no_records(path: Path) -> Path:
    path.write_text("no records\nat all\n")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda directory: directory / "missing", "can't be read"),
        (lambda directory: _of_no_records(directory / "other"), "is no file of records"),
    ],
)
def test_what_cannot_be_read_says_why(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(UnreadableRecords, match=message):
        Recorded.read(make(tmp_path))


def test_records_of_a_newer_format_are_refused(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"format_version":2,"kind":"query","record":{}}\n')
    with pytest.raises(UnreadableRecords, match="of format 2"):
        Recorded.read(tmp_path / "r")


def test_no_operation_fails_of_what_json_cannot_have(tmp_path: Path) -> None:
    observer = observed(tmp_path / "records.jsonl")
    for details in ({"note": "half of a pair: \ud800"}, {"note": "plain"}):
        with observer.operation("append", "/t") as operation:
            operation.finish(details)
    assert len(observer.operations) == 2
    (found,) = Recorded.read(tmp_path / "records.jsonl").operations
    assert found.details == {"note": "plain"}
