"""What is staged and committed is read back as it was given, by every library."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Literal

import dfd
import dfd_native
import made
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake
from dfd_native import RuleViolation, StageError, TableError, stage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import READERS, Read, comparable
from schemas import Drawn, tables

ROWS = 100_000
TABLE = pa.table(
    {
        "id": pa.array(range(ROWS), pa.int64()),
        "g": pa.array([n * 7919 % 10 for n in range(ROWS)], pa.int32()),
        "x": pa.array(np.random.default_rng(1).random(ROWS)),
        "s": pa.array([f"row {n * 7919 % ROWS}" for n in range(ROWS)]),
    }
)
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"partition_by": ["g"]},
    {"partition_by": ["g"], "writers": 1},
    {"sort_by": ["s"]},
    {"sort_by": ["x"], "writers": 1},
    {"partition_by": ["g"], "sort_by": ["x", "id"]},
    {"target_file_bytes": 200_000},
    {"compression": "snappy"},
    {"compression": "none"},
]


def commit(uri: Path, staged: dfd_native.StagedFiles) -> None:
    """Append what was staged; a new table is made by hand, as deltalake makes none with local times in a map."""
    if staged.read_version is None:
        features = ["timestampNtz"] if "timestamp_ntz" in staged.schema_json else []
        columns = json.loads(staged.schema_json)["fields"]
        partition_by = staged.partition_by
        made.table(uri, columns, partition_by=partition_by, features=[], reader_features=features)
    made.commit(uri, staged)


def read_back(uri: Path, read: Read, expected: pa.Table) -> None:
    assert comparable(read(uri), expected.column_names) == comparable(
        expected, expected.column_names
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
def test_every_layout_holds_the_rows(tmp_path: Path, layout: dict[str, Any]) -> None:
    uri = tmp_path / "t"
    staged = stage(uri.as_uri(), TABLE.to_reader(1000), **layout)
    assert staged.read_version is None
    assert staged.partition_by == layout.get("partition_by", [])
    assert staged.rows == ROWS
    assert staged.bytes == sum((uri / action["path"]).stat().st_size for action in staged.actions)
    made.commit(uri, staged)
    read_back(uri, READERS["dfd"], TABLE)


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=tables(), writers=st.integers(1, 3), again=st.booleans())
def test_any_table_is_read_back(reader: str, drawn: Drawn, writers: int, again: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        uri = Path(directory).resolve() / "t"
        expected = drawn.stored
        staged = stage(uri.as_uri(), drawn.given, partition_by=drawn.partition_by, writers=writers)
        commit(uri, staged)
        if again:
            staged = stage(uri.as_uri(), drawn.given, writers=writers)
            assert staged.read_version == 1
            assert staged.partition_by == drawn.partition_by
            commit(uri, staged)
            expected = pa.concat_tables([expected, expected])
        read_back(uri, READERS[reader], expected)


def test_a_slice_of_nested_structs(tmp_path: Path) -> None:
    pair = pa.struct([("x", pa.struct([("y", pa.int64())]))])
    table = pa.table({"a": pa.array([{"x": {"y": n}} for n in range(4)], pair)}).slice(2)
    with stage((tmp_path / "t").as_uri(), table) as staged:
        assert made.data_files(tmp_path / "t", staged).to_pylist() == table.to_pylist()


@pytest.mark.parametrize("reader", READERS)
def test_partitions_of_any_name(tmp_path: Path, reader: str) -> None:
    names = ["a b", "a/b=c%20d", "ü'\"", "[:]{}#?", ".", "..", None]
    table = pa.table({"id": range(len(names)), "key one": names})
    uri = tmp_path / "t"
    made.commit(uri, stage(uri.as_uri(), table, partition_by=["key one"]))
    read_back(uri, READERS[reader], table)


FROM_PATHS = pytest.mark.xfail(
    strict=True, reason="polars reads the values of the paths, not of the log"
)


@pytest.mark.parametrize(
    "reader",
    [pytest.param(name, marks=FROM_PATHS if name == "polars" else ()) for name in READERS],
)
def test_a_partition_whose_name_is_too_long_for_a_directory(tmp_path: Path, reader: str) -> None:
    table = pa.table({"id": [1], "key": ["x" * 300]})
    uri = tmp_path / "t"
    made.commit(uri, stage(uri.as_uri(), table, partition_by=["key"]))
    read_back(uri, READERS[reader], table)


def test_files_are_what_every_reader_knows(tmp_path: Path) -> None:
    """No type of Arrow's own, no ids of fields, page indexes, zstd."""
    field = pa.field("s", pa.large_string(), metadata={"PARQUET:field_id": "7"})
    uri = tmp_path / "t"
    with stage(uri.as_uri(), pa.table([TABLE["s"].cast(field.type)], pa.schema([field]))) as staged:
        (action,) = staged.actions
        assert action["path"].endswith(".zstd.parquet")
        file = pq.ParquetFile(uri / action["path"])
        assert file.schema_arrow == pa.schema([("s", pa.string())])
        assert file.metadata.metadata is None or b"ARROW:schema" not in file.metadata.metadata
        column = file.metadata.row_group(0).column(0)
        assert column.compression == "ZSTD"
        assert column.has_column_index
        assert column.has_offset_index
        assert file.schema_arrow.field("s").metadata is None


def wide(rows: int, seed: int = 0) -> pa.RecordBatch:
    """A kilobyte a row that doesn't compress."""
    noise = np.random.default_rng(seed).bytes(rows * 1024)
    return pa.record_batch({"noise": pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(1024), rows, [None, pa.py_buffer(noise)])})  # fmt: skip


def noise(mebibytes: int) -> pa.RecordBatchReader:
    batches = (wide(1024, seed) for seed in range(mebibytes))
    return pa.RecordBatchReader.from_batches(wide(0).schema, batches)


def test_files_have_their_target_size(tmp_path: Path) -> None:
    target = 4 << 20
    with stage((tmp_path / "t").as_uri(), noise(40), target_file_bytes=target) as staged:
        sizes = sorted(action["size"] for action in staged.actions)
        assert len(sizes) in range(9, 12)
        # The last one of each writer is what is left.
        assert all(target <= size < 2 * target for size in sizes[2:])


def test_a_table_says_how_large_its_files_become(tmp_path: Path) -> None:
    uri = made.table(
        tmp_path / "t",
        [made.column("noise", "binary")],
        configuration={"delta.targetFileSize": f"{2 << 20}"},
    )
    with stage(uri.as_uri(), noise(8)) as staged:
        assert len(staged.actions) in range(4, 6)


def test_a_short_stream_is_one_file_and_a_long_one_is_shared(tmp_path: Path) -> None:
    uri = (tmp_path / "t").as_uri()
    with stage(uri, noise(20), writers=2) as staged:
        assert staged.metrics["writers"] == len(staged.actions) == 1
    with stage(uri, noise(120), writers=2) as staged:
        assert staged.metrics["writers"] == len(staged.actions) == 2


@pytest.mark.parametrize("layout", [{}, {"partition_by": ["g"]}, {"sort_by": ["id"]}], ids=repr)
def test_an_empty_stream_has_no_files(tmp_path: Path, layout: dict[str, Any]) -> None:
    uri = tmp_path / "t"
    with stage(uri.as_uri(), TABLE.schema.empty_table(), **layout) as staged:
        assert (staged.actions, staged.rows, staged.bytes) == ([], 0, 0)
        made.commit(uri, staged)
    assert DeltaTable(uri).to_pyarrow_table().schema.names == TABLE.column_names


def test_rows_are_sorted_in_their_files(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    with stage(
        uri.as_uri(), TABLE, partition_by=["g"], sort_by=["x"], target_file_bytes=50_000
    ) as staged:
        assert len(staged.actions) > 10
        for action in staged.actions:
            xs = pq.ParquetFile(uri / action["path"]).read(["x"])["x"].to_pylist()
            assert xs == sorted(xs)


def test_a_run_of_the_engine_is_staged_inside(tmp_path: Path) -> None:
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    write_deltalake(tmp_path / "source", TABLE)
    session.register_table("source", dfd_native.delta_table((tmp_path / "source").as_uri()))
    engine = dfd_native.Engine()
    frame = session.sql("select g, sum(x) as total, max(s) as last from source group by g")
    run = engine.run(frame.optimized_logical_plan(), session, frame.schema())
    uri = tmp_path / "t"
    staged = stage(uri.as_uri(), run, partition_by=["g"])
    made.commit(uri, staged)
    read_back(uri, READERS["dfd"], frame.to_arrow_table())

    def rows_out(node: dfd_native._native.PlanNode) -> int:
        metrics = node.metrics()
        found = metrics.metrics() if metrics else []
        # Of each partition.
        rows = sum(metric.value for metric in found if metric.name == "output_rows")
        return max([rows, *map(rows_out, node.children())])

    assert rows_out(run.plan) == ROWS
    with pytest.raises(dfd_native.EngineError, match="begun before"):
        stage(uri.as_uri(), run)


def test_a_function_of_python_runs_while_its_query_is_staged(tmp_path: Path) -> None:
    from datafusion import udf

    with dfd.connect() as runtime:
        double = udf(
            lambda xs: pa.compute.multiply(xs, 2), [pa.int64()], pa.int64(), "immutable", "double"
        )
        runtime.session.register_udf(double)
        query = runtime.sql("select double(value) as v from generate_series(1, 100000)")
        with stage((tmp_path / "t").as_uri(), query) as staged:
            (action,) = staged.actions
            assert pq.read_metadata(tmp_path / "t" / action["path"]).num_rows == 100_000


def test_mapped_columns_have_their_physical_names(tmp_path: Path) -> None:
    def mapped(name: str, kind: Any, number: int) -> dict[str, Any]:
        names = {"delta__columnMapping__physicalName": f"col-{number}"}
        found = made.column(name, kind, **names)
        found["metadata"]["delta.columnMapping.id"] = number
        return found

    def pair(first: int) -> dict[str, Any]:
        inner = [mapped("x", "long", first), mapped("y z", "string", first + 1)]
        return {"type": "struct", "fields": inner}

    many = {"type": "array", "elementType": pair(7), "containsNull": True}
    uri = made.table(
        tmp_path / "t",
        [
            mapped("id", "long", 1),
            mapped("in side", pair(3), 2),
            mapped("many", many, 5),
            mapped("key", "string", 6),
        ],
        partition_by=["key"],
        configuration={"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "8"},
        features=[],
        reader_features=["columnMapping"],
    )
    table = pa.table(
        {
            "key": ["a", None, "a"],
            "id": [1, 2, 3],
            "in side": [{"x": 1, "y z": "one"}, None, {"x": None, "y z": None}],
            "many": [[{"x": 1, "y z": None}, None], [], None],
        }
    )
    staged = stage(uri.as_uri(), table)
    assert {frozenset(action["partition_values"].items()) for action in staged.actions} == {
        frozenset({("col-6", "a")}),
        frozenset({("col-6", None)}),
    }
    for action in staged.actions:
        assert "key" not in action["path"]
        assert "y z" not in action["stats"]
        file = pq.ParquetFile(uri / action["path"])
        assert file.schema_arrow.names == ["col-1", "col-2", "col-5"]
        inside = file.schema_arrow.field("col-2").type
        assert [inside.field(index).name for index in range(2)] == ["col-3", "col-4"]
        assert file.schema_arrow.field("col-1").metadata[b"PARQUET:field_id"] == b"1"
    made.commit(uri, staged)
    read_back(uri, READERS["dfd"], table)


def test_partitions_must_agree_with_the_table(tmp_path: Path) -> None:
    uri = tmp_path / "t"
    write_deltalake(uri, TABLE.slice(0, 10), partition_by=["g"])
    before = made.listing(uri)
    with pytest.raises(RuleViolation, match=r'partitioned by \["g"\], not by \["s"\]'):
        stage(uri.as_uri(), TABLE, partition_by=["s"])
    with pytest.raises(RuleViolation, match="partitioned by"):
        stage(uri.as_uri(), TABLE, partition_by=[])
    assert made.listing(uri) == before
    stage(uri.as_uri(), TABLE, partition_by=["g"]).drop()
    assert made.listing(uri) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sort_by": ["missing"]}, "`missing`"),
        ({"sort_by": ["many"]}, "`many`"),
        ({"partition_by": ["missing"]}, "`missing`"),
        ({"sort_by": "id"}, "is a list of texts"),
        ({"partition_by": "id"}, "is a list of texts"),
        ({"compression": "gzip"}, "'gzip'|\"gzip\""),
        ({"target_file_bytes": 0}, "target_file_bytes"),
        ({"writers": 0}, "writers"),
        ({"memory_limit_bytes": -1}, "memory_limit_bytes"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    table = pa.table({"id": [1], "many": [[1]]})
    with pytest.raises(ValueError, match=told):
        stage((tmp_path / "t").as_uri(), table, **options)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_stream_or_no_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        stage((tmp_path / "t").as_uri(), [1, 2])  # type: ignore[arg-type]
    with pytest.raises(TableError, match="nowhere"):
        stage("nowhere://t", TABLE)
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(StageError, match=r"(?i)permission"):
            stage((tmp_path / "t").as_uri(), TABLE)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
def test_whole_numbers_are_packed_but_for_readers_of_old(
    tmp_path: Path, compression: Literal["zstd", "snappy", "none"]
) -> None:
    rows = 200_000
    ids = pa.array(np.random.default_rng(7).permutation(rows))
    data = pa.table(
        {
            "long": ids,
            "int": ids.cast(pa.int32()),
            "at": ids.cast(pa.timestamp("us", "UTC")),
            "amount": ids.cast(pa.int32()).cast(pa.decimal128(18, 0)),
            "few": pc.bit_wise_and(ids, 7),
            "real": ids.cast(pa.float64()),
            "text": ids.cast(pa.string()),
        }
    )
    uri = tmp_path / "t"
    with stage(uri.as_uri(), data, compression=compression, writers=1) as staged:
        (action,) = staged.actions
        group = pq.read_metadata(uri / action["path"]).row_group(0)
        assert made.data_files(uri, staged).equals(data)
    columns = {column.path_in_schema: column for column in map(group.column, range(7))}
    packed = {name for name, column in columns.items() if "DELTA_BINARY_PACKED" in column.encodings}
    assert packed == (set() if compression == "snappy" else {"long", "int", "at", "amount"})
    if packed:
        assert columns["long"].total_compressed_size < rows * 6


def test_dictionaries_that_are_given_up_are_not_tried_again(tmp_path: Path) -> None:
    rows = 1_500_000
    ids = np.random.default_rng(7).permutation(rows)
    # The first rows tell of the unlike numbers; of the pairs only a file does.
    data = pa.table({"unlike": ids, "pairs": np.arange(rows) // 2, "few": ids % 7})
    uri = tmp_path / "t"
    with stage(uri.as_uri(), data, writers=1, target_file_bytes=1_400_000) as staged:
        footers = [pq.read_metadata(uri / action["path"]) for action in staged.actions]
        assert made.data_files(uri, staged).equals(data)
    assert len(footers) > 2
    groups = [footer.row_group(0) for footer in footers]
    has = [[group.column(at).has_dictionary_page for at in range(3)] for group in groups]
    assert has == [[False, True, True]] + [[False, False, True]] * (len(footers) - 1)
