"""The suite that Spark wrote (`tools/write_spark_tables.py`) reads exactly, at every version.

What can't be read is refused by the name of its feature: `docs/limits.md` says what that is, and nothing else is.
Fifteen conditions of each table, by chance, are asked with one of three lists of columns, in turn; with DFD_LONG in the
environment all of them with each.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext

Read = Callable[[Path, int, str], pa.Table]
Find = Callable[[str], Path]
SUITE = Path(__file__).parent / "spark"
LONG = bool(os.environ.get("DFD_LONG"))
LIMITS = Path(__file__).parents[2] / "docs/limits.md"


def limits(heading: str) -> dict[str, str]:
    """What is refused, and how the refusal names it: the table under a heading of the limits."""
    section = (
        LIMITS.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    )
    return dict(re.findall(r"^\| `([\w-]+)` \|.*\| `([^`|]+)` \|$", section, re.MULTILINE))


REFUSED = limits("Tables")
FEATURES = limits("Features")
OTHERWISE = limits("Read as something else")


def versions() -> Iterator[object]:
    for expected in sorted(SUITE.glob("*/expected/*.parquet")):
        table = expected.parents[1].name
        if table not in REFUSED:
            yield pytest.param(table, int(expected.stem), id=f"{table}-{expected.stem}")


def comparable(table: pa.Table) -> list[str]:
    """Rows whatever their order, and that of the fields in a struct, which the types tell."""

    def plain(value: object) -> object:
        return (
            sorted((key, plain(it)) for key, it in value.items())
            if isinstance(value, dict)
            else value
        )

    return sorted(repr(plain(row)) for row in table.to_pylist())


def nullable(kind: pa.DataType) -> pa.DataType:
    """The type as it is read, for NOT NULL is a rule for writers."""
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(it.name, nullable(it.type)) for it in kind])
    if pa.types.is_list(kind):
        return pa.list_(nullable(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(nullable(kind.key_type), nullable(kind.item_type))
    return kind


@pytest.fixture(scope="session")
def find(tmp_path_factory: pytest.TempPathFactory) -> Find:
    """Where a table of the suite is; those of very many files are unpacked first."""
    unpacked = tmp_path_factory.mktemp("spark")

    def find(name: str) -> Path:
        packed = SUITE / name / "delta.tar.xz"
        if not packed.exists():
            return SUITE / name / "delta"
        if not (unpacked / name).exists():
            with tarfile.open(packed) as archive:
                archive.extractall(unpacked / name, filter="data")
        return unpacked / name / "delta"

    return find


def by_runtime(uri: Path, version: int, sql: str) -> pa.Table:
    with dfd.connect() as runtime:
        runtime.register("t", uri, version=version)
        return runtime.sql(sql).to_arrow_table()


def by_plain_session(uri: Path, version: int, sql: str) -> pa.Table:
    context = SessionContext()
    context.register_table("t", dfd_native.delta_table(uri.as_uri(), version=version))
    return context.sql(sql).to_arrow_table()


@pytest.mark.parametrize("read", [by_runtime, by_plain_session])
@pytest.mark.parametrize(("table", "version"), list(versions()))
def test_reads_exactly(find: Find, table: str, version: int, read: Read) -> None:
    uri = find(table)
    found = read(uri, version, "select * from t")
    counted = read(uri, version, "select count(*) as n from t")
    wanted = pq.ParquetFile(SUITE / table / f"expected/{version}.parquet").read()
    assert found.column_names == wanted.column_names
    for column in wanted.schema:
        if table not in OTHERWISE or column.name not in OTHERWISE[table]:
            assert found.schema.field(column.name).type == nullable(column.type)
        else:
            assert pa.types.is_struct(found.schema.field(column.name).type)
    assert counted["n"].to_pylist() == [wanted.num_rows]
    assert comparable(found) == comparable(wanted)


def newest(table: str) -> int:
    return max(int(expected.stem) for expected in (SUITE / table / "expected").iterdir())


READ = sorted({path.name for path in SUITE.iterdir()} - REFUSED.keys())


def conditions(session: SessionContext, column: str, first: str) -> Iterator[str]:
    """Of a column, by operators that a leaf applies itself and by a function that it doesn't."""
    yield f"{column} is null"
    known = f"from t where {column} is not null"
    found = session.sql(
        f"select arrow_cast({column}, 'Utf8') as v, arrow_typeof({column}) as type {known} order by {column}"
    ).to_pylist()
    if not found or "Binary" in found[0]["type"]:
        return
    middle = found[len(found) // 2]
    quoted = middle["v"].replace("'", "''")
    value = f"arrow_cast('{quoted}', '{middle['type']}')"
    for sign in ("=", "<>", "<", ">="):
        yield f"{column} {sign} {value}"
    yield f"not ({column} <= {value}) or {first} is null"
    yield f"{column} in ({value}, null)"
    yield f"coalesce({column}, {value}) = {value}"


@pytest.mark.parametrize("table", READ)
def test_filters_find_what_they_find_in_memory(find: Find, table: str) -> None:
    uri = find(table)
    memory, plain = SessionContext(), SessionContext()
    plain.register_table("t", dfd_native.delta_table(uri.as_uri()))
    everything = plain.table("t").to_arrow_table()
    memory.from_arrow(everything, name="t")
    names = [f'"{field.name}"' for field in everything.schema if not pa.types.is_nested(field.type)]
    with dfd.connect() as runtime:
        runtime.register("t", uri)
        every = [each for name in names for each in conditions(memory, name, names[0])]
        some = every if LONG else random.Random(table).sample(every, min(15, len(every)))
        for number, condition in enumerate(some):
            lists = (", ".join(names), names[0], "count(*) as n")
            for wanted in lists if LONG else [lists[number % 3]]:
                sql = f"select {wanted} from t where {condition}"
                expected = comparable(memory.sql(sql).to_arrow_table())
                assert comparable(plain.sql(sql).to_arrow_table()) == expected, sql
                assert comparable(runtime.sql(sql).to_arrow_table()) == expected, sql
            few = f"select {names[0]} from t where {condition} limit 3"
            assert plain.sql(few).count() == memory.sql(few).count(), few


@pytest.mark.parametrize("table", READ)
def test_the_newest_version_is_the_one_without_a_number(find: Find, table: str) -> None:
    opened = dfd_native.delta_table(find(table).as_uri())
    assert opened.version == newest(table)


# The values of partition columns alone decide; each is asked for by what Spark read.
@pytest.mark.parametrize("table", ["partitions", "partitions_odd"])
def test_each_value_of_a_partition_column_is_found(find: Find, table: str) -> None:
    wanted = pq.ParquetFile(SUITE / table / f"expected/{newest(table)}.parquet").read()
    with dfd.connect() as runtime:
        runtime.register("t", find(table))
        for name in wanted.column_names[1:]:
            for row in wanted.select(["id", name]).to_pylist():
                value = pa.scalar(row[name], wanted.schema.field(name).type)
                query = runtime.sql(
                    f'select id from t where "{name}" is not distinct from $value',
                    params={"value": value},
                )
                assert row["id"] in query.to_arrow_table()["id"].to_pylist(), (name, row)


@pytest.mark.parametrize(("table", "feature"), REFUSED.items())
def test_refuses_by_name(find: Find, table: str, feature: str) -> None:
    with dfd.connect() as runtime, pytest.raises(dfd.QueryError, match=re.escape(feature)):
        runtime.register("t", find(table))
    with pytest.raises(dfd_native.TableError, match=re.escape(feature)):
        dfd_native.delta_table(find(table).as_uri())


@pytest.mark.parametrize(("feature", "told"), FEATURES.items())
def test_refuses_reader_features_by_name(tmp_path: Path, feature: str, told: str) -> None:
    shutil.copytree(SUITE / "evolution/delta", tmp_path / "t")
    protocol = {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": [feature],
        "writerFeatures": [feature],
    }
    commit = tmp_path / "t/_delta_log/00000000000000000002.json"
    commit.write_text(json.dumps({"protocol": protocol}) + "\n", encoding="utf-8")
    assert dfd_native.delta_table((tmp_path / "t").as_uri(), version=1).version == 1
    with pytest.raises(dfd_native.TableError, match=re.escape(told)):
        dfd_native.delta_table((tmp_path / "t").as_uri())


def test_the_suite_is_there() -> None:
    assert len(list(versions())) > 120
    assert REFUSED.keys() | OTHERWISE.keys() <= {path.name for path in SUITE.iterdir()}
    assert FEATURES
