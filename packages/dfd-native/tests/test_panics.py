"""No panic passes the border: whatever a log, a plan or a stream has in it, a door opens or raises an error of ours.

pyo3 makes a `PanicException` of a panic, which is no `Exception`, so that it goes through every
`except Exception` of a program.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext
from deltalake import write_deltalake
from dfd_base import DfdError

EXPECTED = (DfdError, TypeError, ValueError)
ROWS = pa.table({"id": [1, 2, 3], "s": ["a", "b", None], "p": ["x", "y", "x"]})
Action = dict[str, Any]


def tried(door: Callable[[], object], *also: type[Exception]) -> str | None:
    """What a door raises, by its class; None where it opens."""
    try:
        door()
    except (*EXPECTED, *also) as error:
        return type(error).__name__
    return None


def query(session: SessionContext) -> None:
    session.sql("select id, s, p from t where id > 1 and p <> 'z'").collect()
    session.sql("select count(*), min(id), max(s) from t").collect()


def in_engine(table: dfd_native.DeltaTable) -> None:
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.register_table("t", table)
    frame = session.sql("select id, s, p from t where id > 1 and p <> 'z'")
    try:
        plan = frame.optimized_logical_plan()
    except Exception:  # noqa: BLE001 - of the session, where the columns have odd types
        return
    for _ in dfd_native.Engine().run(plan, session):
        pass


def in_a_plain_session(table: dfd_native.DeltaTable) -> None:
    session = SessionContext()
    session.register_table("t", table)
    query(session)


def removed_all(uri: str) -> None:
    """A commit that takes all files away; of a copy, as each table here is one."""
    files = dfd_native.active_files(uri)
    info = dfd_native.OperationInfo("DELETE", "test")
    for timestamp in (True, False):
        dfd_native.commit_files(
            uri,
            read_version=files.version + (not timestamp),
            info=info,
            removes=files,
            in_commit_timestamp=timestamp,
        )


def by_functions(uri: str) -> None:
    session = SessionContext()
    dfd_native.register_table_functions(session)
    path = uri.removeprefix("file://")
    for call in (f"read_delta('{path}')", f"delta_history('{path}')", f"delta_files('{path}')"):
        session.sql(f"select * from {call}").collect()
    session.sql(f"select * from read_delta_cdf('{path}', 0)").collect()


def all_doors(uri: str, only: Collection[str] = ()) -> dict[str, str | None]:
    """What each door of a table raises; each of `only` these where they are given."""
    opened: list[dfd_native.DeltaTable] = []

    def with_table(door: Callable[[dfd_native.DeltaTable], object]) -> Callable[[], object]:
        return lambda: door(opened[0]) if opened else None

    def paths() -> list[str]:
        return [action["path"] for action in dfd_native.active_files(uri).actions]

    # datafusion raises an Exception of what failed beyond the border.
    beyond: tuple[type[Exception], ...] = (Exception,)
    doors: dict[str, tuple[Callable[[], object], tuple[type[Exception], ...]]] = {
        "delta_table": (lambda: opened.append(dfd_native.delta_table(uri)), ()),
        "active_files": (lambda: dfd_native.active_files(uri), ()),
        "misread_columns": (lambda: dfd_native.misread_columns(uri, version=1), ()),
        "stage": (lambda: dfd_native.stage(uri, ROWS).drop(), ()),
        "rewrite": (lambda: dfd_native.rewrite(uri, version=1, paths=paths()).drop(), ()),
        "commits_since": (lambda: dfd_native.commits_since(uri, version=0), ()),
        "abandoned_stages": (lambda: dfd_native.abandoned_stages(uri), ()),
        "refresh": (with_table(lambda table: dfd_native.refresh([table])), ()),
        "history": (with_table(lambda table: table.history()), ()),
        "files": (with_table(lambda table: table.files()), ()),
        "changes": (with_table(lambda table: table.changes(0, 1)), ()),
        "engine": (with_table(in_engine), ()),
        "plain session": (with_table(in_a_plain_session), beyond),
        "table functions": (lambda: by_functions(uri), beyond),
    }
    # The last: it makes a version more.
    doors["commit_files"] = (lambda: removed_all(uri), (FileExistsError,))
    return {
        name: tried(door, *also) for name, (door, also) in doors.items() if not only or name in only
    }


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "t"
    write_deltalake(path, ROWS.slice(0, 2), partition_by=["p"])
    write_deltalake(path, ROWS.slice(2), mode="append", partition_by=["p"])
    return path


def log_of(table: Path) -> list[list[Action]]:
    commits = sorted((table / "_delta_log").glob("*.json"))
    return [[json.loads(line) for line in one.read_text().splitlines()] for one in commits]


def copied(good: Path, to: Path, log: list[list[Action]]) -> str:
    """The files of the table under another log."""
    for file in good.rglob("*.parquet"):
        target = to / file.relative_to(good)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    (to / "_delta_log").mkdir(parents=True)
    for version, actions in enumerate(log):
        lines = "\n".join(json.dumps(action) for action in actions)
        (to / f"_delta_log/{version:020}.json").write_text(lines)
    return to.as_uri()


def test_the_doors_of_a_good_table_open(good: Path, tmp_path: Path) -> None:
    raised = all_doors(copied(good, tmp_path / "t", log_of(good)))
    # It keeps no change data.
    assert raised.pop("table functions") is not None
    assert set(raised.values()) <= {None, "TableError", "InvalidCommit"}
    assert {name for name, error in raised.items() if error} <= {"changes", "commit_files"}


VALUES = [None, -1, 1e308, 10**25, "", "x", "\x00é", [], [1], {}, {"a": 1}, True]


def poisoned_actions(log: list[list[Action]]) -> Iterator[tuple[str, list[list[Action]]]]:
    """The log with each field of its first protocol, metaData and add in turn as something else."""
    for kind in ("protocol", "metaData", "add"):
        place, number = next(
            (version, number)
            for version, actions in enumerate(log)
            for number, action in enumerate(actions)
            if kind in action
        )
        fields = list(log[place][number][kind]) + {"protocol": ["readerFeatures"]}.get(kind, [])
        for field in fields:
            for value in VALUES:
                changed = copy.deepcopy(log)
                changed[place][number][kind][field] = value
                yield f"{kind}.{field}={value!r}"[:60], changed
        changed = copy.deepcopy(log)
        changed[place][number][kind] = None
        yield f"{kind}=None", changed


QUICK = {"delta_table", "active_files", "files", "engine"}


def test_fields_of_the_log_of_other_types(good: Path, tmp_path: Path) -> None:
    outcomes = {}
    for number, (name, log) in enumerate(poisoned_actions(log_of(good))):
        uri = copied(good, tmp_path / str(number) / "t", log)
        outcomes[name] = all_doors(uri, QUICK)["delta_table"]
    assert len(outcomes) > 200
    assert sum(error is not None for error in outcomes.values()) > 50


def with_add(log: list[list[Action]], **fields: Any) -> list[list[Action]]:
    changed = copy.deepcopy(log)
    for action in changed[1]:
        if "add" in action:
            action["add"].update(fields)
    return changed


def with_features(log: list[list[Action]], *features: str) -> list[list[Action]]:
    changed = copy.deepcopy(log)
    for action in changed[0]:
        if "protocol" in action:
            action["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": list(features),
                "writerFeatures": list(features),
            }
    return changed


def with_metadata(log: list[list[Action]], **fields: Any) -> list[list[Action]]:
    changed = copy.deepcopy(log)
    for action in changed[0]:
        if "metaData" in action:
            action["metaData"].update(fields)
    return changed


VECTOR = {"storageType": "i", "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
          "offset": None, "sizeInBytes": 44, "cardinality": 6}  # fmt: skip
VECTORS = [
    {**VECTOR, "storageType": "x"},
    {**VECTOR, "storageType": ""},
    {**VECTOR, "storageType": None},
    {**VECTOR, "pathOrInlineDv": ""},
    {**VECTOR, "pathOrInlineDv": "not base 85 \u00e9"},
    {**VECTOR, "pathOrInlineDv": None},
    {**VECTOR, "sizeInBytes": -1},
    {**VECTOR, "sizeInBytes": 1 << 40},
    {**VECTOR, "cardinality": -1},
    {**VECTOR, "cardinality": 1 << 62},
    {**VECTOR, "storageType": "u", "pathOrInlineDv": "short"},
    {**VECTOR, "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 1 << 31},
    {**VECTOR, "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": -5},
    {**VECTOR, "storageType": "p", "pathOrInlineDv": "file:///nowhere/x.bin", "offset": 1},
    {**VECTOR, "storageType": "p", "pathOrInlineDv": "no uri", "offset": 1},
]


@pytest.mark.parametrize("vector", VECTORS, ids=repr)
def test_deletion_vectors(good: Path, tmp_path: Path, vector: dict[str, Any]) -> None:
    log = with_features(log_of(good), "deletionVectors")
    uri = copied(good, tmp_path / "t", with_add(log, deletionVector=vector))
    all_doors(uri)


STATS = [
    "", "no json", "[]", "null", "{", '{"numRecords": -1}', '{"numRecords": 1e300}',
    '{"numRecords": "many"}', '{"numRecords": 9223372036854775808}',
    '{"numRecords": 1, "minValues": [], "maxValues": 1, "nullCount": "x"}',
    '{"numRecords": 1, "minValues": {"id": "x"}, "maxValues": {"id": {}}, "nullCount": {"id": -1}}',
    '{"numRecords": 1, "minValues": {"id": 1e400}, "maxValues": {"id": 1e400}}',
    '{"numRecords": 0, "nullCount": {"id": 9223372036854775807, "s": 9223372036854775807}}',
]  # fmt: skip


@pytest.mark.parametrize("stats", STATS)
def test_statistics(good: Path, tmp_path: Path, stats: str) -> None:
    all_doors(copied(good, tmp_path / "t", with_add(log_of(good), stats=stats)))


def schema_of(*kinds: Any) -> str:
    fields = [
        {"name": name, "type": kind, "nullable": True, "metadata": {}}
        for name, kind in zip(("id", "s", "p"), kinds, strict=False)
    ]
    return json.dumps({"type": "struct", "fields": fields})


def nested(depth: int) -> Any:
    kind: Any = "long"
    for _ in range(depth):
        kind = {"type": "array", "elementType": kind, "containsNull": True}
    return kind


METADATA: list[dict[str, Any]] = [
    {"schemaString": "no json"},
    {"schemaString": schema_of()},
    {"schemaString": schema_of("long")},
    {"schemaString": schema_of("nothing", "string", "string")},
    {"schemaString": schema_of("decimal(99,99)", "string", "string")},
    {"schemaString": schema_of("decimal(5,-3)", "string", "string")},
    {"schemaString": schema_of({"type": "map"}, "string", "string")},
    {"schemaString": schema_of({"type": "struct", "fields": []}, "string", "string")},
    {"schemaString": schema_of(nested(100), "string", "string")},
    {"schemaString": schema_of("string", "binary", "date")},
    {"schemaString": schema_of("long", "long", "long").replace('"s"', '"id"')},
    {"schemaString": schema_of("variant", "string", "string")},
    {"partitionColumns": ["gone"]},
    {"partitionColumns": ["p", "p"]},
    {"partitionColumns": ["id", "s", "p"]},
    {"configuration": {"delta.columnMapping.mode": "bogus"}},
    {"configuration": {"delta.columnMapping.mode": "id", "delta.columnMapping.maxColumnId": "x"}},
    {"configuration": {"delta.checkpointInterval": "-1", "delta.logRetentionDuration": "soon"}},
    {"configuration": {"delta.dataSkippingNumIndexedCols": "99999999999999999999"}},
    {"configuration": {"delta.dataSkippingStatsColumns": "`,,"}},
    {"configuration": {"delta.targetFileSize": "-5"}},
    {"configuration": {"delta.constraints.odd": "((("}},
    {"configuration": {"delta.enableChangeDataFeed": "maybe"}},
    {"format": {"provider": "orc", "options": {}}},
]


@pytest.mark.parametrize("fields", METADATA, ids=lambda fields: json.dumps(fields)[:50])
def test_metadata(good: Path, tmp_path: Path, fields: dict[str, Any]) -> None:
    all_doors(copied(good, tmp_path / "t", with_metadata(log_of(good), **fields)))


FILES = [
    b"",
    b"\x00",
    b"{}",
    b"{}\n{}\n",
    b"[]",
    b"null",
    b"\n\n\n",
    b'{"add":',
    b"PAR1PAR1",
    b"\xff" * 99,
]


@pytest.mark.parametrize("content", FILES)
@pytest.mark.parametrize(
    "name",
    [
        "00000000000000000000.json", "00000000000000000001.json", "00000000000000000002.json",
        "00000000000000000001.checkpoint.parquet", "_last_checkpoint", "00000000000000000001.crc",
        "00000000000000000000.00000000000000000001.compacted.json",
        "00000000000000000001.checkpoint.0000000001.0000000002.parquet",
        "18446744073709551615.json", "99999999999999999999.json",
    ],
)  # fmt: skip
def test_files_of_the_log(good: Path, tmp_path: Path, name: str, content: bytes) -> None:
    uri = copied(good, tmp_path / "t", log_of(good))
    (tmp_path / "t/_delta_log" / name).write_bytes(content)
    all_doors(uri)


def test_arguments(good: Path, tmp_path: Path) -> None:
    uri = good.as_uri()
    uris = [
        "",
        " ",
        "x",
        "file:",
        "file://",
        "s3://",
        "file:///\x00",
        "file:///%zz",
        "é://b",
        "memory:",
    ]
    for odd in uris:
        tried(lambda odd=odd: dfd_native.delta_table(odd))
        tried(lambda odd=odd: dfd_native.stage(odd, ROWS))
        tried(lambda odd=odd: dfd_native.commit(odd, version=0, actions=b"{}"), OSError)
        tried(lambda odd=odd: dfd_native.abandoned_stages(odd))
    for version in (-1, 1 << 63, 1 << 64, 99):
        tried(lambda version=version: dfd_native.delta_table(uri, version=version), OverflowError)
        tried(
            lambda version=version: dfd_native.misread_columns(uri, version=version), OverflowError
        )
        tried(
            lambda version=version: dfd_native.rewrite(uri, version=version, paths=[]),
            OverflowError,
        )
    options: dict[str, Any] = {
        "partition_by": ["nothing"], "sort_by": [""], "compression": "x", "target_file_bytes": 0,
        "writers": 0, "memory_limit_bytes": 0,
    }  # fmt: skip
    for name, value in options.items():
        tried(lambda name=name, value=value: dfd_native.stage(uri, ROWS, **{name: value}))
    tried(lambda: dfd_native.commit((tmp_path / "n").as_uri(), version=0, actions=b""))
    tried(lambda: dfd_native.delta_table((tmp_path / "n").as_uri()))


@pytest.mark.parametrize(
    "plan", [b"", b"\x00", b"\xff" * 64, b"DFPY", b"\n\x02\x08\x01", b"\x0a" * 5000]
)
def test_plans(plan: bytes) -> None:
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    with pytest.raises(dfd_native.EngineRefusal):
        dfd_native.Engine().run(plan, session)


def test_cut_plans(good: Path) -> None:
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.register_table("t", dfd_native.delta_table(good.as_uri()))
    plan = session.sql("select id from t where s = 'a'").optimized_logical_plan().to_bytes(session)
    engine = dfd_native.Engine()
    for end in range(0, len(plan), 3):
        tried(lambda end=end: engine.run(plan[:end], session))
    for place in range(0, len(plan), 3):
        flipped = plan[:place] + bytes([plan[place] ^ 0xFF]) + plan[place + 1 :]
        tried(lambda flipped=flipped: engine.run(flipped, session))


class Stream:
    """Exports what it is told to."""

    def __init__(self, exported: object) -> None:
        self.exported = exported

    def __arrow_c_stream__(self, _schema: object = None) -> object:
        return self.exported


def streams() -> Iterator[object]:
    yield Stream(None)
    yield Stream(7)
    yield Stream(ROWS.schema.__arrow_c_schema__())
    yield Stream(ROWS["id"].chunk(0).__arrow_c_array__()[1])
    given = ROWS.__arrow_c_stream__()
    dfd_native.arrow_stream_to_batches(Stream(given))
    yield Stream(given)
    yield ROWS["id"]
    rows = pa.StructArray.from_arrays([pa.array([1])], ["a"], mask=pa.array([True]))
    yield pa.chunked_array([rows])
    yield object()
    yield None


def test_streams(good: Path) -> None:
    doors: tuple[Callable[[Any], object], ...] = (
        lambda data: list(dfd_native.adapt_stream(data)),
        dfd_native.arrow_stream_to_batches,
        lambda data: dfd_native.stage(good.as_uri(), data),
    )
    for door in doors:
        for data in streams():
            assert tried(lambda door=door, data=data: door(data)) is not None


def test_a_function_that_panics_is_told(good: Path) -> None:
    """Python code that raises what is no Exception, in the middle of a query of the engine."""
    from datafusion import udf

    def fails(_: pa.Array) -> pa.Array:
        raise ArithmeticError("of a function")

    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.register_table("t", dfd_native.delta_table(good.as_uri()))
    session.register_udf(udf(fails, [pa.int64()], pa.int64(), "volatile", "fails"))
    plan = session.sql("select fails(id) from t").optimized_logical_plan()
    with pytest.raises(DfdError, match="of a function"):
        list(dfd_native.Engine().run(plan, session))
