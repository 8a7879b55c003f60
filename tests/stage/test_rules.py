"""What a table asks of its writers is kept: nothing else is staged, and nothing is left of a refusal."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import made
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import CommitFailedError
from dfd_native import RuleViolation, stage

UTC = timezone.utc


def refused(uri: Path, data: Any, *told: str, **options: Any) -> None:
    """`data` isn't staged; the refusal says all of `told`, and no file is there that wasn't before."""
    before = made.listing(uri)
    with pytest.raises(RuleViolation) as error:
        stage(uri.as_uri(), data, **options)
    for text in told:
        assert text in str(error.value)
    assert made.listing(uri) == before


def read(uri: Path) -> pa.Table:
    with dfd.connect() as runtime:
        runtime.register("t", uri)
        return runtime.sql("select * from t").to_arrow_table()


def schema_of(uri: Path) -> list[dict[str, Any]]:
    """The columns as the newest metadata has them."""
    found: list[dict[str, Any]] = []
    for commit in sorted((uri / "_delta_log").glob("*.json")):
        for line in commit.read_text(encoding="utf-8").splitlines():
            if metadata := json.loads(line).get("metaData"):
                found = json.loads(metadata["schemaString"])["fields"]
    return found


# Generated columns

GENERATED = made.rows_of("rules_generated")
EXPRESSIONS = {
    field["name"]: field["metadata"]["delta.generationExpression"]
    for field in schema_of(made.SUITE / "rules_generated/delta")
    if "delta.generationExpression" in field["metadata"]
}


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    uri = made.spark("rules_generated", tmp_path_factory.mktemp("generated") / "t")
    given = GENERATED.drop_columns(list(EXPRESSIONS))
    with stage(uri.as_uri(), given) as staged:
        return made.data_files(uri, staged).sort_by("id")


@pytest.mark.parametrize("name", EXPRESSIONS, ids=EXPRESSIONS.values())
def test_generated_columns_are_what_spark_computes(computed: pa.Table, name: str) -> None:
    wanted = GENERATED.sort_by("id")[name]
    # By their text, in which NaN is equal and zeros aren't.
    assert list(map(repr, computed[name].to_pylist())) == list(map(repr, wanted.to_pylist()))


def test_generated_columns_may_be_given_as_they_are(tmp_path: Path) -> None:
    uri = made.spark("rules_generated", tmp_path / "t")
    with stage(uri.as_uri(), GENERATED) as staged:
        assert made.comparable(made.data_files(uri, staged)) == made.comparable(GENERATED)


OTHER = {
    pa.bool_(): lambda value: not value,
    pa.string(): lambda value: f"{value}x",
    pa.date32(): lambda value: date(1999, 1, 1),
    pa.timestamp("us", "UTC"): lambda value: datetime(1999, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("name", EXPRESSIONS, ids=EXPRESSIONS.values())
def test_generated_columns_of_another_value_are_refused(tmp_path: Path, name: str) -> None:
    uri = made.spark("rules_generated", tmp_path / "t")
    kind = GENERATED.schema.field(name).type
    row = GENERATED["id"].to_pylist().index(1)
    values = GENERATED[name].to_pylist()
    values[row] = OTHER.get(kind, lambda value: 1 if value is None else value + 1)(values[row])
    place = GENERATED.schema.get_field_index(name)
    wrong = pa.array(values[row : row + 1]).cast(kind, safe=False)
    column = pa.chunked_array([
        *GENERATED[name].slice(0, row).chunks, wrong, *GENERATED[name].slice(row + 1).chunks,
    ])  # fmt: skip
    data = GENERATED.set_column(place, name, column)
    refused(uri, data, f"row {row} ", f"`{name}`", EXPRESSIONS[name])


def test_a_null_isnt_what_a_generated_column_has(tmp_path: Path) -> None:
    columns = [
        made.column("i", "integer"),
        made.column("twice", "integer", delta__generationExpression="i * 2"),
    ]
    uri = made.table(tmp_path / "t", columns)
    data = pa.table(
        {"i": pa.array([None, 1], pa.int32()), "twice": pa.array([None, None], pa.int32())}
    )
    refused(uri, data, "row 1 ", "`twice` is null", "i * 2", "is 2")


def test_an_overflow_is_named_by_its_row(tmp_path: Path) -> None:
    columns = [
        made.column("i", "integer"),
        made.column("twice", "integer", delta__generationExpression="i * 2"),
    ]
    uri = made.table(tmp_path / "t", columns)
    batches = [pa.record_batch({"i": pa.array([value, value], pa.int32())}) for value in (1, 2**30)]
    refused(uri, pa.Table.from_batches(batches), "row 2 ", "`twice`", "verflow")


# Constraints and invariants

GOOD = {
    "id": 7, "amount": Decimal("1.00"), "day": date(2020, 1, 1), "code": "A", "odd name": None,
    "r": {"a": 1, "b": 2}, "at": datetime(2022, 3, 4, 5, tzinfo=UTC), "ratio": 0.5,
}  # fmt: skip
CHECKS = pa.schema([
    ("id", pa.int64()), ("amount", pa.decimal128(9, 2)), ("day", pa.date32()), ("code", pa.string()),
    ("odd name", pa.string()), ("r", pa.struct({"a": pa.int32(), "b": pa.int32()})),
    ("at", pa.timestamp("us", "UTC")), ("ratio", pa.float64()),
])  # fmt: skip
BAD = [
    ("amount", {"amount": Decimal("0.00")}, "amount is 0.00"),
    ("amount", {"amount": Decimal("1000.50")}, "amount is 1000.50"),
    ("amount", {"amount": None}, "amount is null"),
    ("day", {"day": date(1999, 12, 31)}, "day is 1999-12-31"),
    ("code", {"code": "a"}, "code is a"),
    ("code", {"code": None}, "code is null"),
    ("odd name", {"odd name": "  "}, "odd name is "),
    ("odd name", {"odd name": "123456"}, "odd name is 123456"),
    ("inner", {"r": {"a": 1, "b": 1}}, "r is "),
    ("inner", {"r": None}, "r is null"),
    ("seen", {"at": datetime(2019, 12, 31, 23, 59, 59, 999999, UTC)}, "at is 2019-12-31T23:59:59.999999Z"),
    ("ratio", {"ratio": float("nan")}, "ratio is NaN"),
    ("ratio", {"ratio": 2.0000001}, "ratio is 2.0000001"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "told"), BAD)
def test_a_broken_constraint_is_named_with_the_row(
    tmp_path: Path, name: str, change: dict[str, Any], told: str
) -> None:
    uri = made.spark("rules_checks", tmp_path / "t")
    rows = [GOOD] * 5 + [GOOD | change] + [GOOD]
    batches = pa.Table.from_pylist(rows, CHECKS).to_batches(max_chunksize=2)
    refused(uri, pa.Table.from_batches(batches), "row 5 ", f"`{name}`", told)


def test_what_keeps_the_constraints_is_written(tmp_path: Path) -> None:
    uri = made.spark("rules_checks", tmp_path / "t")
    new = pa.Table.from_pylist([GOOD, GOOD | {"id": 8, "odd name": " é "}], CHECKS)
    with stage(uri.as_uri(), new) as staged:
        made.commit(uri, staged)
    days = pa.array([date(2022, 3, 4)] * 2)
    wanted = pa.concat_tables([made.rows_of("rules_checks"), new.append_column("on", days)])
    assert made.comparable(read(uri)) == made.comparable(wanted)


@pytest.mark.parametrize(
    ("row", "column", "told"),
    [
        ({"id": 0, "s": "a", "r": {"a": 1}}, "id", "id > 0"),
        ({"id": None, "s": "a", "r": {"a": 1}}, "id", "id is null"),
        ({"id": 1, "s": None, "r": {"a": 1}}, "s", "s is not null"),
        ({"id": 1, "s": "a", "r": {"a": 10}}, "r.a", "r.a < 10"),
    ],
)
def test_a_broken_invariant_is_named_with_the_row(
    tmp_path: Path, row: dict[str, Any], column: str, told: str
) -> None:
    uri = made.spark("rules_invariants", tmp_path / "t")
    schema = pa.schema({"id": pa.int32(), "s": pa.string(), "r": pa.struct({"a": pa.int32()})})
    good = {"id": 1, "s": "a", "r": {"a": 1}}
    refused(uri, pa.Table.from_pylist([good, row], schema), "row 1 ", f"`{column}`", told)
    with stage(uri.as_uri(), pa.Table.from_pylist([good], schema)) as staged:
        assert staged.rows == 1


MEANT_OTHERWISE = [
    "s = 'it''s'",
    "s RLIKE 'a'", "s REGEXP 'a'", "i DIV 2 = 1", "rand() > 0.5", "! o", "current_date() > y", "1 / i > 0", "i % l = 0",
    "m / 2 > 1", "f > l", "d > m", "round(d) = 1", "floor(d) = 1", "s > 5", "i = '5'", "substring(s, 0, 2) = 'a'",
    "substring(s, i, 2) = 'a'", r"s LIKE 'a\\_b'", "s LIKE 'a!_b' ESCAPE '!'", "at > '2020'", "y > '2020-1-1'", "hash(s) = 1", "i & 1 = 0", "nope > 1",
    "exists(a, x -> x > 0)", "a[0] = 1", "size(a) = 1", "array_contains(a, 1)", "CAST(d AS STRING) = '1.0'", "CAST(s AS INT) = 1",
    "s ILIKE 'a'", "i", "i > 0 AND", "r = r", "CAST(d AS INT) = 1", "to_date(s) > y", "date_format(y, 'MMM') = 'Jan'",
    "date_format(y, 'yyyyy') = '1'", "(SELECT 1) = 1", "i IN (SELECT 1)", "second(at) = 1", "concat(s, i) = 'a1'", "`a`.`b` > 1",
]  # fmt: skip


@pytest.mark.parametrize("text", MEANT_OTHERWISE)
def test_an_expression_of_another_meaning_is_refused_by_its_text(tmp_path: Path, text: str) -> None:
    kinds = {
        "i": "integer", "l": "long", "f": "float", "d": "double", "m": "decimal(9,2)", "s": "string", "y": "date",
        "at": "timestamp", "o": "boolean", "a": {"type": "array", "elementType": "integer", "containsNull": True},
        "r": {"type": "struct", "fields": [made.column("a", "integer")]},
    }  # fmt: skip
    columns = [made.column(name, kind) for name, kind in kinds.items()]
    uri = made.table(tmp_path / "t", columns, configuration={"delta.constraints.odd": text})
    refused(uri, pa.table({"i": pa.array([1], pa.int32())}), "`odd`", text, "Spark")


# Nulls and defaults


def nested_rows() -> tuple[pa.Schema, dict[str, Any]]:
    inner = pa.struct([pa.field("b", pa.string(), nullable=False)])
    schema = pa.schema({
        "id": pa.int64(),
        "r": pa.struct([pa.field("a", pa.int32(), nullable=False), ("inner", inner)]),
        "whole": pa.struct([pa.field("c", pa.int32(), nullable=False)]),
        "items": pa.list_(pa.struct({"d": pa.int32()})),
        "pairs": pa.map_(pa.string(), pa.int32()),
    })  # fmt: skip
    good = {
        "id": 1, "r": {"a": 1, "inner": {"b": "x"}}, "whole": {"c": 1}, "items": [{"d": None}, None], "pairs": [("k", None)],
    }  # fmt: skip
    return schema, good


@pytest.mark.parametrize("says_so", [True, False])
@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"id": None}, "`id`"),
        ({"whole": None}, "`whole`"),
        ({"whole": {"c": None}}, "`whole.c`"),
        ({"r": {"a": None, "inner": None}}, "`r.a`"),
        ({"r": {"a": 1, "inner": {"b": None}}}, "`r.inner.b`"),
    ],
)
def test_a_null_is_refused_at_its_place(
    tmp_path: Path, change: dict[str, Any], column: str, says_so: bool
) -> None:
    uri = made.spark("rules_nested", tmp_path / "t")
    schema, good = nested_rows()
    if not says_so:
        schema = loose(schema)
    # pyarrow takes a schema's word for what isn't null.
    data = pa.Table.from_pylist([good, good, good | change], schema)
    refused(uri, data, "row 2 ", column, "null")


def loose(schema: pa.Schema) -> pa.Schema:
    def kind(of: pa.DataType) -> pa.DataType:
        return (
            pa.struct({field.name: kind(field.type) for field in of})
            if pa.types.is_struct(of)
            else of
        )

    return pa.schema({field.name: kind(field.type) for field in schema})


def test_a_null_struct_has_no_fields_to_spark(tmp_path: Path) -> None:
    uri = made.spark("rules_nested", tmp_path / "t")
    schema, good = nested_rows()
    refused(uri, pa.Table.from_pylist([good, good | {"r": None}], schema), "row 1 ", "`r.a`")
    with stage(uri.as_uri(), pa.Table.from_pylist([good], schema)) as staged:
        made.commit(uri, staged)
    wanted = [*made.comparable(made.rows_of("rules_nested")), repr(good)]
    assert made.comparable(read(uri)) == sorted(wanted)


def test_a_new_table_lets_structs_be_null(tmp_path: Path) -> None:
    schema, good = nested_rows()
    data = pa.Table.from_pylist([good | {"r": None}, good], schema)
    with stage((tmp_path / "t").as_uri(), data) as staged:
        fields = {field["name"]: field for field in json.loads(staged.schema_json)["fields"]}
        made.commit(tmp_path / "t", staged)
    assert [field["nullable"] for field in fields["r"]["type"]["fields"]] == [True, True]
    assert made.comparable(read(tmp_path / "t")) == made.comparable(data)


DEFAULTS = {
    "s": "its", "i": -7, "m": Decimal("1.50"), "y": date(2020, 2, 29), "o": True, "d": 0.1, "n": None, "f": 0.5, "required": 3,
}  # fmt: skip


def test_columns_that_are_left_out_have_their_defaults(tmp_path: Path) -> None:
    uri = made.spark("rules_defaults", tmp_path / "t")
    with stage(uri.as_uri(), pa.table({"id": [5, 6]})) as staged:
        assert made.data_files(uri, staged).to_pylist() == [
            {"id": 5} | DEFAULTS,
            {"id": 6} | DEFAULTS,
        ]
    given = dict.fromkeys(DEFAULTS) | {"required": 4}
    with stage(
        uri.as_uri(),
        pa.Table.from_pylist([{"id": 5} | given], made.rows_of("rules_defaults").schema),
    ) as staged:
        assert made.data_files(uri, staged).to_pylist() == [{"id": 5} | given]


def test_deltalake_commits_to_no_table_with_defaults(tmp_path: Path) -> None:
    uri = made.spark("rules_defaults", tmp_path / "t")
    with (
        stage(uri.as_uri(), pa.table({"id": [5]})) as staged,
        pytest.raises(CommitFailedError, match="AllowColumnDefaults"),
    ):
        made.commit(uri, staged)


def test_a_default_that_is_computed_is_refused_where_it_is_needed(tmp_path: Path) -> None:
    columns = [
        made.column("id", "long"),
        made.column("at", "timestamp", CURRENT_DEFAULT="current_timestamp()"),
    ]
    uri = made.table(tmp_path / "t", columns, features=["allowColumnDefaults"])
    refused(uri, pa.table({"id": [1]}), "`at`", "current_timestamp()")
    at = pa.array([None], pa.timestamp("us", "UTC"))
    with stage(uri.as_uri(), pa.table({"id": [1], "at": at})) as staged:
        assert staged.rows == 1


# Column mapping


@pytest.mark.parametrize("mode", ["name", "id"])
def test_mapped_columns_are_written_under_their_physical_names(tmp_path: Path, mode: str) -> None:
    uri = made.spark(f"rules_mapping_{mode}", tmp_path / "t")
    old = made.rows_of(f"rules_mapping_{mode}")
    new = old.drop_columns(["twice"])
    with stage(uri.as_uri(), new) as staged:
        assert {Path(action["path"]).parent for action in staged.actions} == {Path()}
        by_name = {field["name"]: field["metadata"] for field in schema_of(uri)}
        names = {name: field["delta.columnMapping.physicalName"] for name, field in by_name.items()}
        for action in staged.actions:
            assert set(action["partition_values"]) == {names["p"]}
            bounds = json.loads(action["stats"])["minValues"]
            assert names["id"] in bounds
            found = pq.ParquetFile(uri / action["path"]).schema_arrow
            ids = {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in found}
            assert ids == {
                names[name]: field["delta.columnMapping.id"]
                for name, field in by_name.items()
                if name != "p"
            }
        made.commit(uri, staged)
    assert made.comparable(read(uri)) == sorted(made.comparable(old) * 2)
    refused(uri, new.set_column(0, "id", pa.array([2**62] * 2)), "row 0 ", "`twice`")


# Features


@pytest.mark.parametrize(
    "feature",
    [
        "rowTracking",
        "icebergCompatV2",
        "clustering",
        "aFeatureOfTheFuture",
        "materializePartitionColumns",
    ],
)
def test_a_feature_of_writers_is_refused_by_its_name(tmp_path: Path, feature: str) -> None:
    features = [feature, "domainMetadata"]
    uri = made.table(tmp_path / "t", [made.column("id", "long")], features=features)
    refused(uri, pa.table({"id": [1]}), feature)


def test_a_variant_is_refused_by_its_column(tmp_path: Path) -> None:
    uri = made.spark("variant", tmp_path / "t")
    refused(uri, read(uri), "variant", "`v`")


def test_an_identity_is_refused_by_its_column(tmp_path: Path) -> None:
    columns = [
        made.column("id", "long") | {"metadata": {"delta.identity.start": 1, "delta.identity.step": 1, "delta.identity.allowExplicitInsert": False}},
        made.column("s", "string"),
    ]  # fmt: skip
    uri = made.table(tmp_path / "t", columns, features=["identityColumns"])
    refused(uri, pa.table({"s": ["a"]}), "identity", "`id`")


# Columns and values

PLAIN = [made.column("i", "integer"), made.column("s", "string", nullable=False)]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pa.table({"i": [1]}), "lacks the column `s`"),
        (pa.table({"i": [1], "s": ["a"], "x": [1]}), "`x`"),
        (pa.table({"i": [1], "s": ["a"], "S": ["a"]}), "`S`"),
        (pa.Table.from_arrays([pa.array([1]), pa.array(["a"]), pa.array(["a"])], ["i", "s", "s"]), "two columns named `s`"),
        (pa.table({"i": [date(2020, 1, 1)], "s": ["a"]}), "`i`"),
        (pa.table({"i": [1, 2, 2**31], "s": ["a"] * 3}), "row 2 "),
        (pa.table({"i": [1.0, 1.5], "s": ["a"] * 2}), "row 1 "),
        (pa.table({"i": [1, 2], "s": ["a", None]}), "row 1 "),
        (pa.table({"i": [1, 2], "s": [b"a", b"\xff"]}), "row 1 "),
    ],
)  # fmt: skip
def test_what_doesnt_fit_is_named(tmp_path: Path, data: pa.Table, told: str) -> None:
    refused(made.table(tmp_path / "t", PLAIN), data, told)


def test_what_fits_is_written_as_the_table_has_it(tmp_path: Path) -> None:
    uri = made.table(tmp_path / "t", PLAIN)
    texts = pa.array(["a", "b"]).dictionary_encode()
    with stage(
        uri.as_uri(), pa.table({"s": texts, "i": pa.array([1, None], pa.uint64())})
    ) as staged:
        found = made.data_files(uri, staged)
    assert found.schema.names == ["i", "s"]
    assert found.schema.types == [pa.int32(), pa.string()]
    assert found.to_pylist() == [{"i": 1, "s": "a"}, {"i": None, "s": "b"}]


NEW = {
    "byte": ([1], pa.uint8(), "short"),
    "short": ([1], pa.uint16(), "integer"),
    "int": ([1], pa.uint32(), "long"),
    "long": ([2**64 - 1], pa.uint64(), "decimal(20,0)"),
    "half": ([0.5], pa.float16(), "float"),
    "text": (["a"], pa.large_string(), "string"),
    "view": (["a"], pa.string_view(), "string"),
    "bytes": ([b"a"], pa.binary(1), "binary"),
    "dictionary": (["a"], pa.dictionary(pa.int8(), pa.string()), "string"),
    "day": ([date(2020, 1, 1)], pa.date64(), "date"),
    "utc": ([1], pa.timestamp("ns", "Europe/Berlin"), None),
    "at": ([1], pa.timestamp("s", "Europe/Berlin"), "timestamp"),
    "wall": ([1], pa.timestamp("ms"), "timestamp_ntz"),
    "decimal": ([Decimal("1.5")], pa.decimal256(38, 3), "decimal(38,3)"),
}


@pytest.mark.parametrize("name", NEW)
def test_a_new_table_has_plain_types(tmp_path: Path, name: str) -> None:
    values, kind, delta = NEW[name]
    data = pa.table({"c": pa.array(values, kind)})
    uri = tmp_path / "t"
    if delta is None:
        refused(uri, data, "row 0 ", "`c`")
        return
    with stage(uri.as_uri(), data) as staged:
        assert staged.read_version is None
        (field,) = json.loads(staged.schema_json)["fields"]
        assert field == {"name": "c", "type": delta, "nullable": True, "metadata": {}}
        made.commit(uri, staged)
    assert read(uri).num_rows == 1


@pytest.mark.parametrize(
    "kind", [pa.time64("us"), pa.duration("s"), pa.decimal256(76, 3), pa.null(), pa.month_day_nano_interval()]
)  # fmt: skip
def test_a_type_that_delta_lacks_is_refused(tmp_path: Path, kind: pa.DataType) -> None:
    data = pa.table({"i": [1], "c": pa.array([None], kind)})
    refused(tmp_path / "t", data, "`c`", "cast it first")


@pytest.mark.parametrize(
    ("partition_by", "told"),
    [
        (["x"], "`x`"),
        (["l"], "`l`"),
        (["i", "l", "e"], "`l`"),
        (["i", "e"], "needs one that isn't"),
        (["i", "i"], "`i` is named twice"),
    ],
)
def test_what_cant_be_partitioned_is_refused(
    tmp_path: Path, partition_by: list[str], told: str
) -> None:
    data = pa.table({"i": [1], "e": ["e"], "l": [[1]]})
    data = data if "needs" not in told else data.drop_columns(["l"])
    refused(tmp_path / "t", data, told, partition_by=partition_by)


@pytest.mark.parametrize(
    ("sort_by", "told"),
    [(["x"], "isn't there"), (["l"], "has no order"), (["i", "i"], "named twice")],
)
def test_what_cant_be_sorted_by_is_refused(tmp_path: Path, sort_by: list[str], told: str) -> None:
    data = pa.table({"i": [1], "l": [[1]]})
    refused(tmp_path / "t", data, f"`{sort_by[0]}`", told, sort_by=sort_by)


def test_names_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "t", pa.table({"a": [1], "A": [1]}), "`A`")


@pytest.mark.parametrize("value", ["", b"", b"\xff"])
def test_a_partition_value_that_would_be_another_is_refused(
    tmp_path: Path, value: str | bytes
) -> None:
    data = pa.table({"i": [1, 2], "p": [None, value]})
    refused(tmp_path / "t", data, "row 1 ", "`p`", partition_by=["p"])


@pytest.mark.parametrize("name", ["partitions", "partitions_odd", "partitions_binary"])
def test_partition_values_are_read_back(tmp_path: Path, name: str) -> None:
    uri = made.spark(name, tmp_path / "t")
    rows = made.rows_of(name)
    with stage(uri.as_uri(), rows) as staged:
        made.commit(uri, staged)
    assert made.comparable(read(uri)) == sorted(made.comparable(rows) * 2)


def test_a_long_partition_value_has_a_directory(tmp_path: Path) -> None:
    values = ["é" * 300, "é" * 299 + "x", "a" * 400]
    data = pa.table({"i": [1, 2, 3], "p": values})
    uri = tmp_path / "t"
    with stage(uri.as_uri(), data, partition_by=["p"]) as staged:
        assert [action["partition_values"] for action in staged.actions]
        made.commit(uri, staged)
    assert made.comparable(read(uri)) == made.comparable(data)


def test_the_refusal_is_an_error_of_the_stage_and_of_a_value() -> None:
    assert issubclass(RuleViolation, (dfd_native.StageError, ValueError))
