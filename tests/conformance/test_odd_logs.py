"""Logs with what other readers pass by, wherever it stands: it is read right, and skips as it does elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import checkpoints
import dfd
import pyarrow as pa
import pytest
from deltalake.exceptions import DeltaError
from dfd_native import OperationInfo, active_files, commit_files, stage
from reading import WAYS, by_engine, rows
from written_by_hand import add, commit, field, mapped, write

Read = Callable[[Path, str], pa.Table]
Place = Callable[[Path], None]


def in_a_commit(root: Path) -> None:
    """As it was written."""


PLACES: list[Place] = [in_a_commit, *checkpoints.KINDS]

FIELDS = [field("id", "long"), field("b", "boolean"), field("p", "decimal(5,2)")]
# Partition values as Java writes them, and what they are.
VALUES = {"1": "1.00", "1E+2": "100.00", "0E-10": "0.00", "-0.5": "-0.50", "2.50": "2.50"}
# The first can't be parsed, of the second a part, of the fourth all but what is told twice.
STATS: list[Any] = [
    "garbage",
    '{"numRecords":1,"minValues":{"id":1,"b":"true"},"maxValues":{"id":1},"nullCount":{"id":0}}',
    {"numRecords": 1, "minValues": {"id": 2}, "maxValues": {"id": 2}, "nullCount": {"id": 0}},
    '{"numRecords":99999999999999999999,"minValues":{"id":3},"maxValues":{"id":3}}',
    None,
]
ROWS = [(number, number % 2 == 0, Decimal(plain)) for number, plain in enumerate(VALUES.values())]


def data(number: int) -> pa.Table:
    return pa.table({"id": [number], "b": [number % 2 == 0]})


def odd_table(root: Path) -> Path:
    files = [data(number) for number in range(len(VALUES))]
    partitions = [{"p": text} for text in VALUES]
    return write(root, FIELDS, files, partition_by=["p"], partitions=partitions, stats=STATS)


def change_metadata(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    log = root / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "metaData" in action:
            change(action["metaData"])
    commit(root, 0, actions)


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("place", PLACES)
def test_values_and_statistics_are_read_wherever_they_stand(
    tmp_path: Path, place: Place, read: Read
) -> None:
    root = odd_table(tmp_path / "t")
    place(root)
    assert rows(read(root, "select id, b, p from t")) == ROWS
    assert rows(read(root, "select count(*) as n, min(p) as a, max(p) as z from t")) == [
        (5, Decimal("-0.50"), Decimal("100.00"))
    ]
    assert rows(read(root, "select min(id) as a, max(id) as z from t")) == [(0, 4)]
    assert rows(read(root, "select count(*) as n from t where b")) == [(3,)]
    for number, _, plain in ROWS:
        found = read(root, f"select id from t where p = cast('{plain:f}' as decimal(5,2))")
        assert rows(found) == [(number,)]
        assert rows(read(root, f"select id from t where id = {number}")) == [(number,)]


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("place", PLACES)
def test_what_still_tells_of_a_file_skips_it(tmp_path: Path, place: Place, read: Read) -> None:
    root = odd_table(tmp_path / "t")
    place(root)
    # By its bounds each of these is left out, and by its partition value all but one: they needn't be there.
    for number in (1, 2, 3):
        (root / f"part-{number}.parquet").unlink()
    assert rows(read(root, "select id from t where id >= 4")) == [(4,)]
    assert rows(read(root, "select id from t where p = 1")) == [(0,)]
    assert rows(read(root, "select id from t where p between 2 and 3")) == [(4,)]


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata.pop("configuration"),
        lambda metadata: metadata["format"].pop("options"),
        lambda metadata: metadata.pop("format"),
        lambda metadata: metadata.update(configuration=None, format=None, createdTime=None),
        lambda metadata: metadata.pop("createdTime"),
    ],
    ids=["configuration", "options", "format", "nulls", "createdTime"],
)
def test_metadata_needs_no_more_than_it_says(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], place: Place, read: Read
) -> None:
    files = [data(0), data(1)]
    partitions = [{"p": "1.00"}, {"p": None}]
    root = write(tmp_path / "t", FIELDS, files, partition_by=["p"], partitions=partitions)
    change_metadata(root, change)
    place(root)
    wanted = [(0, True, Decimal("1.00")), (1, False, None)]
    assert rows(read(root, "select id, b, p from t")) == wanted


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("place", [in_a_commit, checkpoints.classic])
def test_physical_names(tmp_path: Path, place: Place, read: Read) -> None:
    fields = [mapped("id", "long", 1), mapped("p", "decimal(5,2)", 2)]
    files = [pa.table({"col-1": [number]}) for number in range(2)]
    told = '{"numRecords":1,"minValues":{"col-1":"x"},"maxValues":{"col-1":1}}'
    root = write(
        tmp_path / "t", fields, files, mode="name", partition_by=["p"],
        partitions=[{"col-2": "1E+1"}, {"col-2": "7"}], stats=[told, told],
    )  # fmt: skip
    place(root)
    wanted = [(0, Decimal("10.00")), (1, Decimal("7.00"))]
    assert rows(read(root, "select id, p from t")) == wanted
    assert rows(read(root, "select id from t where p = 10")) == [(0,)]


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("is_odd", [False, True])
def test_a_known_table_gets_odd_commits(tmp_path: Path, is_odd: bool, read: Read) -> None:
    """Where it is odd already, and where it isn't; by odd commits, and by others after them."""
    root = tmp_path / "t"
    if is_odd:
        odd_table(root)
    else:
        plain = [{"p": text} for text in VALUES.values()]
        files = [data(number) for number in range(len(plain))]
        write(root, FIELDS, files, partition_by=["p"], partitions=plain)
    known = list(ROWS)
    assert rows(read(root, "select id, b, p from t")) == known
    later: list[tuple[str, str | None]] = [
        ("3E+1", "garbage"), ("3", None), ("4.00", '{"numRecords":1}'), ("5.00", ""), ("6E0", "{}"),
    ]  # fmt: skip
    for version, (value, told) in enumerate(later, 1):
        number = 100 + version
        new = add(root, f"later-{version}.parquet", data(number), {"p": value}, told)
        commit(root, version, [new])
        known.append((number, number % 2 == 0, Decimal(value).quantize(Decimal("0.01"))))
        assert rows(read(root, "select id, b, p from t")) == sorted(known, key=repr)
        assert rows(read(root, f"select id from t where p = {value}")) == [(number,)]
    removed = {"remove": {"path": "later-1.parquet", "deletionTimestamp": 0, "dataChange": True}}
    commit(root, len(later) + 1, [removed])
    known.remove((101, False, Decimal("30.00")))
    assert rows(read(root, "select id, b, p from t")) == sorted(known, key=repr)


@pytest.mark.parametrize("read", WAYS)
def test_a_table_made_anew_is_read_anew(tmp_path: Path, read: Read) -> None:
    root = odd_table(tmp_path / "t")
    assert len(read(root, "select id from t")) == 5
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    files = [data(7)]
    write(root, FIELDS, files, partition_by=["p"], partitions=[{"p": "9E0"}], stats=["null"])
    assert rows(read(root, "select id, b, p from t")) == [(7, False, Decimal("9.00"))]


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", "garbage"),
        ("decimal(5,2)", "1.505"),
        ("decimal(5,2)", "1E+3"),
        ("decimal(5,2)", "one"),
        ("integer", "1E+3"),
    ],
)
def test_what_is_no_value_of_its_column_is_an_error(
    tmp_path: Path, kind: str, text: str, read: Read
) -> None:
    """With the file and the column, though the log is odd elsewhere too."""
    fields = [field("id", "long"), field("m", "decimal(5,2)"), field("p", kind)]
    files = [pa.table({"id": [number]}) for number in range(2)]
    partitions = [{"m": "1E+1", "p": None}, {"m": "1.00", "p": text}]
    told = ["garbage", None]
    root = write(
        tmp_path / "t", fields, files, partition_by=["m", "p"], partitions=partitions, stats=told
    )
    change_metadata(root, lambda metadata: metadata.pop("configuration"))
    with pytest.raises(Exception, match=r"part-1\.parquet.*`p`") as failed:
        read(root, "select id from t")
    assert text in str(failed.value)


def test_versions_times_and_changes_of_an_odd_log(tmp_path: Path) -> None:
    """What else reads a log: older versions, history, files, and the change feed."""
    root = odd_table(tmp_path / "t")
    change_metadata(root, lambda metadata: metadata.update(configuration=None))
    enabled = {"delta.enableChangeDataFeed": "true"}
    lines = (root / "_delta_log" / f"{0:020}.json").read_text().splitlines()
    metadata = json.loads(lines[1])["metaData"]
    metadata["configuration"] = enabled
    del metadata["format"]["options"]
    commit(root, 1, [{"metaData": metadata}])
    new = add(root, "new.parquet", data(9), {"p": "9E+1"}, "[]")
    commit(root, 2, [new])
    with dfd.connect() as runtime:
        read = lambda sql: rows(runtime.sql(sql).to_arrow_table())  # noqa: E731
        assert read(f"select id, b, p from read_delta('{root}', 0)") == ROWS
        assert read(f"select id from read_delta('{root}') where p = 90") == [(9,)]
        assert len(read(f"select * from delta_history('{root}')")) == 3
        told = read(f"select path, num_records from delta_files('{root}')")
        assert told == [
            ("new.parquet", None),
            ("part-0.parquet", None),
            ("part-1.parquet", 1),
            ("part-2.parquet", 1),
            ("part-3.parquet", None),
            ("part-4.parquet", None),
        ]
        changed = f"select id, p, _change_type from read_delta_cdf('{root}', 1, 2)"
        assert read(changed) == [(9, Decimal("90.00"), "insert")]


def test_an_odd_table_is_appended_to_and_overwritten(tmp_path: Path) -> None:
    root = odd_table(tmp_path / "t")
    change_metadata(root, lambda metadata: metadata.pop("configuration"))
    uri, info = root.as_uri(), OperationInfo(operation="WRITE", engine="tests/1")
    new = pa.table({
        "id": [50], "b": [True], "p": pa.array([Decimal("1.00")], pa.decimal128(5, 2)),
    })  # fmt: skip
    with stage(uri, new) as staged:
        assert commit_files(uri, read_version=0, info=info, adds=[staged]) == 1
        staged.release()
    appended = (50, True, Decimal("1.00"))
    read = "select id, b, p from t"
    assert rows(by_engine(root, read)) == sorted([*ROWS, appended], key=repr)
    files = active_files(uri)
    with stage(uri, new) as staged:
        assert commit_files(uri, read_version=1, info=info, adds=[staged], removes=files) == 2
        staged.release()
    assert rows(by_engine(root, read)) == [appended]


@pytest.mark.parametrize("verb", ["append", "overwrite", "delete", "optimize", "vacuum"])
def test_what_opens_a_table_of_deltalake_refuses_an_odd_one(tmp_path: Path, verb: str) -> None:
    """It can't be opened there; here it would be noticed that it can."""
    root = odd_table(tmp_path / "t")
    before = {path: path.stat().st_size for path in root.rglob("*")}
    new = pa.table({"id": [5], "b": [True], "p": pa.array([Decimal(1)], pa.decimal128(5, 2))})
    with dfd.connect() as runtime:
        work: dict[str, Callable[[], Any]] = {
            "append": lambda: runtime.write(str(root), new, mode="append"),
            "overwrite": lambda: runtime.write(str(root), new, mode="overwrite"),
            "delete": lambda: runtime.delete(str(root), "id = 1"),
            "optimize": lambda: runtime.optimize(str(root)),
            "vacuum": lambda: runtime.vacuum(str(root)),
        }
        with pytest.raises(DeltaError, match=r"'1' as 'decimal\(5,2\)'"):
            work[verb]()
    assert {path: path.stat().st_size for path in root.rglob("*")} == before
