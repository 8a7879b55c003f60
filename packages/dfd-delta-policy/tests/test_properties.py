"""Table properties: what is taken means to deltalake what it means to Delta-Spark, and is read again so."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from dfd_delta_policy import GuardedTable, InvalidOperation, Status, UnsupportedTable
from dfd_delta_policy.properties import TableProperties, checked_properties
from hypothesis import given
from hypothesis import strategies as st

RETENTION = "delta.deletedFileRetentionDuration"
SECONDS = {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}


def set_to(key: str, text: str) -> str:
    return checked_properties({key: text})[key]


@pytest.mark.parametrize(
    ("key", "given", "written"),
    [
        (RETENTION, "interval 14 days", "interval 14 days"),
        (RETENTION, "interval 1 week", "interval 1 week"),
        (RETENTION, "interval  1  weeks", "interval  1  weeks"),
        (RETENTION, "30 days", "interval 30 days"),
        (RETENTION, "30 day", "interval 30 days"),
        (RETENTION, "INTERVAL 30 DAYS", "interval 30 days"),
        (RETENTION, " 24 Hours ", "interval 24 hours"),
        (RETENTION, "interval 1 week 2 days", "interval 9 days"),
        (RETENTION, "1 day 12 hours", "interval 36 hours"),
        (RETENTION, "007 days", "interval 7 days"),
        ("delta.logRetentionDuration", "5 minutes", "interval 5 minutes"),
        ("delta.setTransactionRetentionDuration", "1 Week", "interval 1 weeks"),
        ("delta.appendOnly", "TRUE", "true"),
        ("delta.enableChangeDataFeed", "False", "false"),
        ("delta.enableDeletionVectors", "True", "true"),
        ("delta.autoOptimize.autoCompact", "Auto", "auto"),
        ("delta.checkpointInterval", "+20", "20"),
        ("delta.checkpointInterval", "0020", "20"),
        ("delta.dataSkippingNumIndexedCols", "-1", "-1"),
        ("delta.dataSkippingStatsColumns", "a, b.c, `d e`.`f``g`", "a, b.c, `d e`.`f``g`"),
        ("delta.isolationLevel", "serializable", "Serializable"),
        ("delta.targetFileSize", "104857600", "104857600"),
        ("delta.targetFileSize", "100mb", "104857600"),
        ("delta.targetFileSize", "1 G", "1073741824"),
        ("delta.targetFileSize", "7b", "7"),
        ("owner", " TRUE ", " TRUE "),
    ],
)
def test_each_is_written_as_every_reader_takes_it(key: str, given: str, written: str) -> None:
    assert set_to(key, given) == written
    # What was written once stays as it is.
    assert set_to(key, written) == written
    assert key == "owner" or TableProperties({key: written}).is_plain(key)
    assert key == "owner" or TableProperties({key: given}).is_plain(key) == (given == written)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        (RETENTION, ["", "interval", "30", "days", "interval 1.5 days", "interval -1 days",
                     "1 month", "interval 2 years", "30 days ago", "5 nanoseconds", "3 millidays",
                     "\u0663 days", "30\u00a0days x", f"{10**18 - 1} weeks", f"{10**30} days"]),
        ("delta.appendOnly", ["", "yes", "1", "t", "true false"]),
        ("delta.checkpointInterval", ["", "0", "-1", "1.0", "ten", "\u0661", str(2**31), "1 0"]),
        ("delta.dataSkippingNumIndexedCols", ["-2", "all", str(2**31)]),
        ("delta.dataSkippingStatsColumns", ["", "a b", "1a", "a,,b", "`a", "a.", "ä", "a;b"]),
        ("delta.isolationLevel", ["WriteSerializable", "SnapshotIsolation", ""]),
        ("delta.targetFileSize", ["0", "-1", "1.5gb", "100 mib", "large", str(2**63), "9000pb"]),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_with_what_would(key: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(InvalidOperation, match=f"^{re.escape(key)} is .*, not ") as refused:
            checked_properties({key: value})
        assert repr(value) in str(refused.value)
    # The value that the message names is one.
    named = re.findall(r"'([^']+)'", str(refused.value))[:-1] or ["true", "20", "Serializable"]
    assert any(_is_taken(key, text) for text in named)


def _is_taken(key: str, text: str) -> bool:
    try:
        return bool(checked_properties({key: text}))
    except InvalidOperation:
        return False


def test_the_users_own_names_take_any_text() -> None:
    own = {"owner": "", "deltas": "30 days", "DELTA": "TRUE"}
    assert checked_properties(own) == own


@given(
    number=st.integers(0, 10**6),
    unit=st.sampled_from(sorted(SECONDS)),
    more=st.none() | st.tuples(st.integers(0, 60), st.sampled_from(sorted(SECONDS))),
    prefix=st.sampled_from(["", "interval ", "INTERVAL  ", " Interval\t"]),
    plural=st.sampled_from(["", "s", "S"]),
)
def test_intervals_mean_to_delta_kernel_what_they_mean_here(
    number: int, unit: str, more: tuple[int, str] | None, prefix: str, plural: str
) -> None:
    text = f"{prefix}{number} {unit}{plural}"
    length = timedelta(seconds=number * SECONDS[unit])
    if more is not None:
        text += f" {more[0]} {more[1]}"
        length += timedelta(seconds=more[0] * SECONDS[more[1]])
    written = set_to(RETENTION, text)
    # As delta_kernel's `parse_interval` takes it: the word, one number, one unit, small letters.
    word, count, found = written.split()
    assert word == "interval"
    assert timedelta(seconds=int(count) * SECONDS[found.removesuffix("s")]) == length
    assert TableProperties({RETENTION: written}).deleted_file_retention == length
    assert TableProperties({RETENTION: text}).deleted_file_retention == length


@pytest.mark.parametrize(
    "text", ["30 days", "INTERVAL 2 WEEKS", "1 week 2 days", "interval 36 hours", "90 minutes"]
)
def test_deltalake_keeps_the_retention_that_was_asked_for(table: GuardedTable, text: str) -> None:
    table.set_properties({RETENTION: text})
    handle = DeltaTable(table.uri)
    hours = TableProperties({RETENTION: text}).deleted_file_retention // timedelta(hours=1)
    with pytest.raises(Exception, match=f"greater than {hours} hours, got 0 hours"):
        handle.vacuum(0)


def test_deltalake_passes_over_what_delta_spark_takes(tmp_path: Path) -> None:
    """The reason why it is written otherwise here."""
    write_deltalake(tmp_path, pa.table({"id": [1]}))
    handle = DeltaTable(tmp_path)
    handle.alter.set_table_properties({RETENTION: "30 days", "delta.appendOnly": "TRUE"})
    with pytest.raises(Exception, match="greater than 168 hours"):
        handle.vacuum(0)
    handle.delete()
    assert pa.table(DeltaTable(tmp_path).scan()).num_rows == 0


def test_deltalake_keeps_booleans_and_numbers(table: GuardedTable, rows: Any) -> None:
    table.set_properties({"delta.appendOnly": "True", "delta.checkpointInterval": "+4"})
    with pytest.raises(Exception, match="append-only"):
        DeltaTable(table.uri).delete()
    for _ in range(2):
        write_deltalake(table.uri, pa.table({"id": [7], "s": ["x"]}), mode="append")
    assert (
        Path(table.uri.removeprefix("file://")) / f"_delta_log/{3:020}.checkpoint.parquet"
    ).exists()


@pytest.mark.parametrize("text", ["true", "TRUE"])
def test_a_table_that_spark_made_append_only_keeps_its_rows(
    table: GuardedTable, rows: Any, text: str
) -> None:
    DeltaTable(table.uri).alter.set_table_properties({"delta.appendOnly": text})
    before = rows(table)
    with pytest.raises(Exception, match="appends only"):
        table.delete("id = 1")
    assert rows(table) == before
    # It says so already, in other letters: it is set as every reader takes it.
    again = table.set_properties({"delta.appendOnly": "TRUE"})
    assert again.status is (Status.NOTHING_TO_DO if text == "true" else Status.COMMITTED)


def test_defaults_are_those_of_deltalake() -> None:
    properties = TableProperties({})
    assert properties.deleted_file_retention == timedelta(weeks=1)
    assert properties.checkpoint_interval == 100
    assert properties.cleans_log
    assert properties.target_file_bytes is None
    assert not properties.appends_only
    assert not properties.has_in_commit_timestamps


@pytest.mark.parametrize(
    ("configuration", "cleans"),
    [
        ({"delta.enableExpiredLogCleanup": "false"}, False),
        ({"delta.enableExpiredLogCleanup": "FALSE"}, False),
        ({"delta.logRetentionDuration": "interval 60 days"}, True),
        # deltalake would go by 30 days.
        ({"delta.logRetentionDuration": "60 days"}, False),
        ({"delta.logRetentionDuration": "soon"}, False),
    ],
)
def test_the_log_is_cleaned_up_where_deltalake_knows_how_far(
    configuration: dict[str, str], cleans: bool
) -> None:
    assert TableProperties(configuration).cleans_log is cleans


def test_a_text_that_means_nothing_is_no_default() -> None:
    properties = TableProperties(
        {
            RETENTION: "soon",
            "delta.checkpointInterval": "0",
            "delta.targetFileSize": "large",
            "delta.appendOnly": "maybe",
        }
    )
    for name in (
        "deleted_file_retention",
        "checkpoint_interval",
        "target_file_bytes",
        "appends_only",
    ):
        with pytest.raises(UnsupportedTable, match=r"The table's delta\..*set_properties"):
            getattr(properties, name)
