"""The audit: finds what racing writers did to a table, and nothing where there is nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError
from dfd_delta_policy import GuardedTable, InvalidOperation, UnsupportedTable
from dfd_delta_policy.log.audit import Audit, ViolationKind, audit
from dfd_storage import StorageProfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SPARK = Path(__file__).parents[4] / "tests/conformance/spark"
DAT = Path(__file__).parents[5] / "shared/conformance/dat"
Action = dict[str, Any]

# Damage that is made for real


def appended(path: Path, files: int = 4) -> Path:
    for n in range(files):
        write_deltalake(path, pa.table({"id": [n * 10, n * 10 + 1]}), mode="append")
    return path


def ids(path: Path, version: int | None = None) -> list[int]:
    return sorted(pa.table(DeltaTable(path, version=version).scan())["id"].to_pylist())


def told(found: Audit) -> list[tuple[int, str, str | None, int | None]]:
    return [(v.version, v.kind.value, v.operation, v.earlier) for v in found.violations]


def test_two_compactions_of_one_snapshot(tmp_path: Path) -> None:
    table = appended(tmp_path / "t")
    before = ids(table)
    one, other = DeltaTable(table), DeltaTable(table)
    one.optimize.compact()
    other.optimize.compact()
    assert ids(table) == sorted(before * 2), "deltalake's race is mended: what is this test for?"
    found = audit(table)
    assert told(found) == [(5, "removed twice", "OPTIMIZE", 4)] * 4
    assert (found.first, found.last, found.sound_version, found.is_sound) == (0, 5, 4, False)
    assert {v.writer for v in found.violations} == {DeltaTable(table).history(1)[0]["engineInfo"]}
    assert found.sound_version is not None
    assert ids(table, found.sound_version) == before
    # The cure that it names, and that is known to have cured.
    GuardedTable(table).restore(found.sound_version)
    assert ids(table) == before
    cured = audit(table)
    assert (cured.violations, cured.sound_version, cured.is_sound) == (found.violations, 6, True)


COMPACTS = """
import sys
from deltalake import DeltaTable
table = DeltaTable(sys.argv[1])
print("read", flush=True)
sys.stdin.readline()
table.optimize.compact()
"""


def test_two_compacting_processes(tmp_path: Path) -> None:
    table = appended(tmp_path / "t")
    before = ids(table)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COMPACTS, str(table)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "read\n"
    for process in processes:
        process.communicate("go\n", timeout=120)
        assert process.returncode == 0
    assert ids(table) == sorted(before * 2)
    found = audit(table)
    assert told(found) == [(5, "removed twice", "OPTIMIZE", 4)] * 4
    assert found.sound_version == 4


def test_a_compaction_brings_back_what_an_overwrite_removes(tmp_path: Path) -> None:
    table = appended(tmp_path / "t")
    before = ids(table)
    stale = DeltaTable(table)
    DeltaTable(table).optimize.compact()
    write_deltalake(stale, pa.table({"id": [99]}), mode="overwrite")
    write_deltalake(table, pa.table({"id": [100]}), mode="append")
    assert ids(table) == [*before, 99, 100]
    found = audit(table)
    assert told(found) == [(5, "removed twice", "WRITE", 4)] * 4
    assert (found.last, found.sound_version) == (6, 4)
    assert ids(table, 4) == before


def test_a_write_that_is_committed_again(tmp_path: Path) -> None:
    """A write comes again, as after a lost answer; and again once its rows were deleted."""
    table = GuardedTable(tmp_path / "t")
    table.append(pa.table({"id": [1]}))
    table.append(pa.table({"id": [2, 3]}))
    commit = tmp_path / f"t/_delta_log/{1:020}.json"
    commit_at(tmp_path / "t", 2, commit.read_text())
    assert told(audit(table.uri)) == [(2, "added twice", "WRITE", 1)]
    table.delete()
    assert ids(tmp_path / "t") == []
    commit_at(tmp_path / "t", 4, commit.read_text())
    assert ids(tmp_path / "t") == [2, 3]
    assert told(audit(table.uri)) == [
        (2, "added twice", "WRITE", 1),
        (4, "brought back", "WRITE", 3),
    ]
    assert audit(table.uri).sound_version == 1


def commit_at(table: Path, version: int, text: str) -> None:
    with (table / f"_delta_log/{version:020}.json").open("x") as commit:
        commit.write(text)


def test_a_removal_that_names_another_file(tmp_path: Path) -> None:
    """deltalake escapes letters that Spark left as they are."""
    table = tmp_path / "t"
    shutil.copytree(SPARK / "partitions_odd/delta", table)
    last = DeltaTable(table).version()
    DeltaTable(table).delete()
    left = pa.table(DeltaTable(table).get_add_actions())["path"].to_pylist()
    assert left, "deltalake's removals take now: what is this test for?"
    found = audit(table).violations
    assert {(v.version, v.kind.value, v.operation) for v in found} == {
        (last + 1, "removed unknown", "DELETE")
    }
    assert len(found) == len(left)


@pytest.fixture
def with_vector(tmp_path: Path) -> tuple[Path, Action]:
    """A table by Spark that deleted rows by deletion vectors, and an add that carries one."""
    table = tmp_path / "vectors"
    shutil.copytree(SPARK / "dv_delete/delta", table)
    adds = [action["add"] for action in actions_of(table) if "add" in action]
    return table, next(add for add in reversed(adds) if add.get("deletionVector"))


def actions_of(table: Path) -> Iterator[Action]:
    for commit in sorted((table / "_delta_log").glob("*.json")):
        yield from map(json.loads, commit.read_text().splitlines())


@pytest.mark.parametrize("changes_data", [True, False])
def test_one_data_file_with_two_deletion_vectors_is_read_twice(
    with_vector: tuple[Path, Action], changes_data: bool
) -> None:
    table, add = with_vector
    last = DeltaTable(table).version()
    rows = counted(table)
    vector = {"storageType": "u", "pathOrInlineDv": "vBn[lx{q8@P<9BNH/isA", "offset": 1}
    other = {**add, "deletionVector": vector, "dataChange": changes_data}
    plain = {key: it for key, it in other.items() if key != "deletionVector"}
    commit_at(table, last + 1, log_lines("UPDATE", {"add": plain}))
    assert counted(table) > rows, "this reader takes the newest deletion vector by itself"
    assert told(audit(table)) == [(last + 1, "brought back", "UPDATE", 2)]
    commit_at(table, last + 2, log_lines("UPDATE", {"add": other}))
    (_, twice) = audit(table).violations
    assert (twice.kind, twice.version, twice.path) == ("added twice", last + 2, add["path"])
    assert twice.deletion_vector == "uvBn[lx{q8@P<9BNH/isA@1"


def test_a_removal_without_the_deletion_vector_is_of_no_effect(
    with_vector: tuple[Path, Action],
) -> None:
    table, add = with_vector
    last = DeltaTable(table).version()
    rows = counted(table)
    remove = {"path": add["path"], "dataChange": True, "deletionTimestamp": 1795514665652}
    commit_at(table, last + 1, log_lines("DELETE", {"remove": remove}))
    assert counted(table) == rows
    assert told(audit(table)) == [(last + 1, "removed twice", "DELETE", 2)]
    remove["deletionVector"] = add["deletionVector"]
    commit_at(table, last + 2, log_lines("DELETE", {"remove": remove}))
    assert counted(table) < rows
    assert [v.version for v in audit(table).violations] == [last + 1]


def counted(table: Path) -> int:
    from deltalake import QueryBuilder

    rows = QueryBuilder().register("t", DeltaTable(table)).execute("select * from t")
    return pa.table(rows).num_rows


# Logs that are written by hand

SCHEMA = {"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True}]}
SCHEMA["fields"][0]["metadata"] = {}  # type: ignore[index]
RULES: list[Action] = [
    {
        "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors"],
        }
    },
    {
        "metaData": {
            "id": "t",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(SCHEMA),
            "partitionColumns": [],
            "configuration": {},
            "createdTime": 0,
        }
    },
]


class Told(NamedTuple):
    """An add or a remove of a made-up log."""

    verb: str
    path: str
    vector: int | None = None
    changes_data: bool = True

    def as_action(self) -> Action:
        said: Action = {"path": self.path, "dataChange": self.changes_data}
        if self.vector is not None:
            said["deletionVector"] = {
                "storageType": "u",
                "pathOrInlineDv": "vBn[lx{q8@P<9BNH/isA",
                "offset": self.vector,
                "sizeInBytes": 1,
                "cardinality": 1,
            }
        if self.verb == "add":
            said |= {"partitionValues": {}, "size": 1, "modificationTime": 0, "stats": None}
        else:
            said |= {"deletionTimestamp": 4_000_000_000_000}
        return {self.verb: said}


def log_lines(operation: str, *actions: Action) -> str:
    info = {"commitInfo": {"operation": operation, "engineInfo": "somebody"}}
    return "".join(json.dumps(action) + "\n" for action in (info, *actions))


def log_of(table: Path, commits: list[tuple[str, list[Told]]]) -> Path:
    (table / "_delta_log").mkdir(parents=True)
    for version, (operation, actions) in enumerate(commits):
        rules = [] if version else RULES
        commit_at(table, version, log_lines(operation, *rules, *(a.as_action() for a in actions)))
    return table


A, B = Told("add", "a"), Told("add", "b")
NOT_A, NOT_B = Told("remove", "a"), Told("remove", "b")


@pytest.mark.parametrize(
    ("commits", "violations"),
    [
        pytest.param([[A], [NOT_A, B], [NOT_B, A._replace(path="c")]], [], id="sound"),
        pytest.param([[A], [B, NOT_A], [NOT_A]], [(2, "removed twice", "a", 1)], id="removed"),
        pytest.param([[A], [NOT_A, NOT_A]], [(1, "removed twice", "a", 1)], id="removed-at-once"),
        pytest.param([[A], [NOT_B]], [(1, "removed unknown", "b", None)], id="unknown"),
        pytest.param([[A], [B], [A]], [(2, "added twice", "a", 0)], id="added"),
        pytest.param([[A, A]], [(0, "added twice", "a", 0)], id="added-at-once"),
        pytest.param([[A], [NOT_A], [B], [A]], [(3, "brought back", "a", 1)], id="back"),
        pytest.param([[A], [NOT_A, A]], [(1, "brought back", "a", 1)], id="back-at-once"),
        pytest.param([[A], [A, NOT_A]], [(1, "brought back", "a", 1)], id="whatever-the-order"),
        pytest.param([[A], [A._replace(changes_data=False)]], [], id="statistics-anew"),
        pytest.param(
            [[A], [NOT_A], [A._replace(changes_data=False)]],
            [(2, "brought back", "a", 1)],
            id="statistics-of-what-is-gone",
        ),
        pytest.param(
            [[A], [NOT_A, A._replace(vector=1)]], [], id="a-deletion-vector"
        ),
        pytest.param(
            [[A], [NOT_A, A._replace(vector=1)], [NOT_A._replace(vector=1), A._replace(vector=2)]],
            [],
            id="another-deletion-vector",
        ),
        pytest.param(
            [[A], [A._replace(vector=1)], [NOT_A], [NOT_A._replace(vector=1)]],
            [(1, "added twice", "a", 0)],
            id="two-deletion-vectors",
        ),
        pytest.param([[A], [NOT_A._replace(vector=1)]], [(1, "removed unknown", "a", None)]),
    ],
)  # fmt: skip
def test_each_kind(tmp_path: Path, commits: list[list[Told]], violations: list[Any]) -> None:
    table = log_of(tmp_path / "t", [("WRITE", actions) for actions in commits])
    found = audit(table)
    assert [(v.version, v.kind.value, v.path, v.earlier) for v in found.violations] == violations
    assert {v.writer for v in found.violations} <= {"somebody"}
    before = violations[0][0] - 1 if violations else len(commits) - 1
    assert found.sound_version == (before if before >= 0 else None)


@pytest.mark.parametrize("operation", ["RESTORE", "CLONE"])
def test_a_restore_may_bring_back_and_nothing_else(tmp_path: Path, operation: str) -> None:
    commits = [("WRITE", [A]), ("DELETE", [NOT_A]), (operation, [A])]
    assert audit(log_of(tmp_path / "t", commits)).is_sound
    commits += [(operation, [A]), (operation, [NOT_B])]
    found = audit(log_of(tmp_path / "u", commits))
    assert told(found) == [
        (3, "added twice", operation, 2),
        (4, "removed unknown", operation, None),
    ]


def test_a_restore_cures_what_is_after_its_version(tmp_path: Path) -> None:
    table = log_of(tmp_path / "t", [("WRITE", [A]), ("WRITE", [A]), ("WRITE", [B])])
    assert audit(table).sound_version == 0

    def restored(version: int, to: int | str | None, *told: Told) -> int | None:
        info = {"operation": "RESTORE", "operationParameters": {"version": to, "timestamp": None}}
        actions = [{"commitInfo": info}, *(one.as_action() for one in told)]
        commit_at(table, version, "\n".join(map(json.dumps, actions)))
        return audit(table).sound_version

    # To a version that wasn't sound, or to nobody knows which.
    assert restored(3, 2) == restored(4, None) == restored(5, 3) == 0
    assert restored(6, 0, NOT_B) == 6
    commit_at(table, 7, log_lines("WRITE", B.as_action()))
    assert [audit(table).sound_version, audit(table).is_sound] == [6, False]
    # To a version that was sound again; Spark and deltalake write the number otherwise.
    assert restored(8, "6") == 8
    commit_at(table, 9, log_lines("WRITE", Told("add", "c").as_action()))
    found = audit(table)
    assert (found.sound_version, found.is_sound) == (9, True)
    assert [v.version for v in found.violations] == [1, 7]
    # One that races is none.
    assert restored(10, 0, NOT_B, NOT_B) == 9
    late = audit(table, versions=range(8, 10))
    assert (late.violations, late.sound_version) == ((), 9)


def test_a_bare_commit_is_read(tmp_path: Path) -> None:
    """commitInfo is optional, and its fields are the writer's own."""
    table = log_of(tmp_path / "t", [("WRITE", [A])])
    commit_at(table, 1, json.dumps(NOT_B.as_action()) + "\n\n")
    info = {"commitInfo": {"operation": 7, "engineInfo": None}}
    commit_at(table, 2, "\n".join(map(json.dumps, [info, NOT_B.as_action(), {"new": {"a": 1}}])))
    assert told(audit(table)) == [
        (1, "removed unknown", None, None),
        (2, "removed twice", None, 1),
    ]


# What was cleaned up


def without_commits(table: Path, until: int) -> None:
    for version in range(until):
        (table / f"_delta_log/{version:020}.json").unlink()


@pytest.mark.parametrize("kept", [3, 4])
def test_a_log_that_begins_with_a_checkpoint(tmp_path: Path, kept: int) -> None:
    table = log_of(
        tmp_path / "t", [("WRITE", [A]), ("WRITE", [B]), ("DELETE", [NOT_A]), ("WRITE", [])]
    )
    DeltaTable(table).create_checkpoint()
    commit_at(table, 4, log_lines("OPTIMIZE", NOT_A.as_action()))
    commit_at(table, 5, log_lines("WRITE", A.as_action()))
    commit_at(table, 6, log_lines("WRITE", B.as_action()))
    without_commits(table, kept)
    found = audit(table)
    # What a checkpoint has is as old as that, or older.
    assert told(found) == [
        (4, "removed twice", "OPTIMIZE", None),
        (5, "brought back", "WRITE", 4),
        (6, "added twice", "WRITE", None),
    ]
    assert (found.first, found.sound_version) == (4, 3)


def test_a_log_of_nothing_but_a_checkpoint(tmp_path: Path) -> None:
    table = log_of(tmp_path / "t", [("WRITE", [A]), ("WRITE", [B])])
    DeltaTable(table).create_checkpoint()
    without_commits(table, 2)
    found = audit(table)
    assert (found.first, found.last, found.sound_version, found.is_sound) == (2, 1, 1, True)


def test_a_checkpoint_in_parts(tmp_path: Path) -> None:
    table = log_of(tmp_path / "t", [("WRITE", [A, B]), ("DELETE", [NOT_A])])
    DeltaTable(table).create_checkpoint()
    whole = table / f"_delta_log/{1:020}.checkpoint.parquet"
    rows = pq.read_table(whole)
    halves = [rows.slice(0, 2), rows.slice(2)]
    parts = [whole.with_name(f"{1:020}.checkpoint.{n:010}.{2:010}.parquet") for n in (1, 2)]
    for half, part in zip(halves, parts, strict=True):
        pq.write_table(half, part)
    whole.unlink()
    without_commits(table, 2)
    commit_at(table, 2, log_lines("WRITE", NOT_A.as_action(), NOT_B.as_action()))
    assert told(audit(table)) == [(2, "removed twice", "WRITE", None)]
    parts[1].unlink()
    with pytest.raises(UnsupportedTable, match="begins at version 2 without a checkpoint"):
        audit(table)


def test_a_checkpoint_with_sidecars(tmp_path: Path) -> None:
    table = tmp_path / "t"
    shutil.copytree(SPARK / "checkpoint_v2/delta", table)
    last = DeltaTable(table).version()
    there = sorted(pa.table(DeltaTable(table).get_add_actions())["path"].to_pylist())
    without_commits(table, 4)
    assert (audit(table).first, audit(table).is_sound) == (4, True)
    again = Told("add", there[0]).as_action()
    commit_at(table, last + 1, log_lines("WRITE", again))
    (found,) = audit(table).violations
    assert (found.kind, found.path) == (ViolationKind.ADDED_TWICE, there[0])


def test_a_gap_hides_what_is_before_it(tmp_path: Path) -> None:
    commits = [("WRITE", [A]), ("WRITE", [A]), ("WRITE", [B]), ("WRITE", [B])]
    table = log_of(tmp_path / "t", commits)
    for version in (0, 2):
        DeltaTable(table, version=version).create_checkpoint()
    (table / f"_delta_log/{1:020}.json").unlink()
    assert told(audit(table)) == [(3, "added twice", "WRITE", None)]
    assert audit(table, versions=range(1, 4)).first == 3


def test_a_commit_that_is_torn(tmp_path: Path) -> None:
    table = log_of(tmp_path / "t", [("WRITE", [A])])
    commit_at(table, 1, '{"add": {"path": "b", ')
    with pytest.raises(UnsupportedTable, match=r"0001\.json .* can't be read"):
        audit(table)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableNotFoundError, match="nowhere"):
        audit(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TableNotFoundError, match="empty"):
        audit(tmp_path / "empty")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert list((tmp_path / "empty").iterdir()) == []


# Which versions


def test_versions_bound_what_is_told(tmp_path: Path) -> None:
    commits = [("WRITE", [A]), ("WRITE", [NOT_B]), ("WRITE", [B]), ("WRITE", [B]), ("WRITE", [])]
    table = log_of(tmp_path / "t", commits)
    whole = audit(table, StorageProfile.from_uri(str(table)))
    assert [v.version for v in whole.violations] == [1, 2, 3]
    middle = audit(table, versions=range(2, 3))
    assert [v.version for v in middle.violations] == [2]
    assert (middle.first, middle.last, middle.sound_version) == (2, 2, 1)
    late = audit(table, versions=range(4, 100))
    assert (late.first, late.last, late.sound_version, late.is_sound) == (4, 4, 4, True)
    for wrong in (range(5, 6), range(0, 4, 2), range(3, 3), range(-1, 2)):
        with pytest.raises(InvalidOperation, match="versions"):
            audit(table, versions=wrong)


def test_a_checkpoint_spares_what_is_before_it(tmp_path: Path) -> None:
    table = log_of(tmp_path / "t", [("WRITE", [A]), ("WRITE", [B]), ("WRITE", [NOT_A])])
    for version in (0, 2):
        DeltaTable(table, version=version).create_checkpoint()
    commit_at(table, 3, log_lines("WRITE", NOT_A.as_action()))
    (table / f"_delta_log/{1:020}.json").write_text("torn")
    with pytest.raises(UnsupportedTable):
        audit(table)
    found = audit(table, versions=range(3, 4))
    assert told(found) == [(3, "removed twice", "WRITE", None)]


# Sound histories


def spark_tables() -> list[Any]:
    found = []
    for root in (SPARK, DAT):
        for table in sorted(root.glob("*/")):
            if (table / "delta").is_dir() or (table / "delta.tar.xz").exists():
                found.append(pytest.param(table, id=f"{root.name}-{table.name}"))
    return found


@pytest.mark.parametrize("suite", spark_tables())
def test_what_spark_wrote_is_sound(suite: Path, tmp_path: Path) -> None:
    if (packed := suite / "delta.tar.xz").exists():
        with tarfile.open(packed) as archive:
            archive.extractall(tmp_path, filter="data")
    table = suite / "delta" if (suite / "delta").is_dir() else tmp_path / "delta"
    found = audit(table, orphans=True)
    assert found.violations == ()
    # Of the tables of thousands of commits the first ones were taken out.
    assert found.orphans == () or packed.exists()
    commits = sorted(path.stem for path in (table / "_delta_log").glob("?" * 20 + ".json"))
    assert found.sound_version == found.last == int(commits[-1])


Step = Callable[[GuardedTable, int], object]
STEPS: dict[str, Step] = {
    "append": lambda table, n: table.append(pa.table({"id": [n, n + 1], "p": ["x", "y"]})),
    "overwrite": lambda table, n: table.overwrite(pa.table({"id": [n], "p": ["y"]})),
    "replace": lambda table, n: table.overwrite(
        pa.table({"id": [n], "p": ["x"]}), predicate="p = 'x'"
    ),
    "delete": lambda table, n: table.delete(f"id % 3 = {n % 3}"),
    "update": lambda table, n: table.update({"id": f"{n}"}, f"id < {n}"),
    "merge": lambda table, n: (
        table.merge(pa.table({"id": [n], "p": ["x"]}), "t.id = s.id", "s", "t")
        .when_matched_delete()
        .when_not_matched_insert_all()
        .execute()
    ),
    "optimize": lambda table, n: table.optimize(),
    "restore": lambda table, n: table.version() and table.restore(table.version() * n // 10),
    "vacuum": lambda table, n: table.vacuum(dry_run=False, full=n % 2 == 0),
    "checkpoint": lambda table, n: DeltaTable(table.uri).create_checkpoint(),
    "own compaction": lambda table, n: DeltaTable(table.uri).optimize.compact(),
    "own z-order": lambda table, n: DeltaTable(table.uri).optimize.z_order(["id"]),
}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9)), max_size=10))
def test_any_history_under_guard_is_sound(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    table = GuardedTable(tmp_path_factory.mktemp("sound") / "t")
    write_deltalake(
        table.uri,
        pa.table({"id": [0, 1], "p": ["x", "y"]}),
        partition_by=["p"],
        configuration={"delta.deletedFileRetentionDuration": "interval 1 hours"},
    )
    for name, n in steps:
        STEPS[name](table, n)
    found = audit(table.uri, orphans=True)
    assert (found.violations, found.orphans) == ((), ())
    assert found.sound_version == table.version()


def test_a_log_that_is_cleaned_up_is_sound(tmp_path: Path) -> None:
    table = tmp_path / "t"
    keeps_nothing = {"delta.logRetentionDuration": "interval 0 days"}
    write_deltalake(table, pa.table({"id": [0]}), configuration=keeps_nothing)
    for n in range(1, 8):
        write_deltalake(table, pa.table({"id": [n]}), mode="append")
        GuardedTable(table).delete(f"id = {n - 1}")
        DeltaTable(table).create_checkpoint()
    DeltaTable(table).cleanup_metadata()
    GuardedTable(table).append(pa.table({"id": [8]}))
    assert not (table / f"_delta_log/{0:020}.json").exists()
    found = audit(table)
    assert found.is_sound
    assert 0 < found.first <= found.last == 15


# The law: the audit is a plain replay


FILES = st.tuples(st.sampled_from("abc"), st.sampled_from([None, None, 1, 2]))
TOLD = st.builds(
    lambda verb, file, changes: Told(verb, *file, changes_data=changes),
    st.sampled_from(["add", "remove"]),
    FILES,
    st.sampled_from([True, True, False]),
)
COMMITS = st.lists(
    st.tuples(st.sampled_from(["WRITE", "OPTIMIZE", "RESTORE"]), st.lists(TOLD, max_size=4)),
    min_size=1,
    max_size=8,
)


def naive(commits: list[tuple[str, list[Told]]]) -> list[tuple[int, str, str, int | None]]:
    """A naive model of the audit: for each action all that came before it, looked through."""
    events: list[tuple[int, Told]] = []
    wrong: list[tuple[int, str, str, int | None]] = []

    def last(path: str, vector: int | None) -> tuple[int | None, str]:
        for version, told in reversed(events):
            if (told.path, told.vector) == (path, vector):
                return version, told.verb
        return None, "nothing"

    for version, (operation, actions) in enumerate(commits):
        for told in sorted(actions, key=lambda action: action.verb, reverse=True):
            since, verb = last(told.path, told.vector)
            others = [last(told.path, v) for v in (None, 1, 2) if v != told.vector]
            twins = [since for since, verb in others if verb == "add"]
            kind = ""
            if told.verb == "remove":
                kind = {"add": "", "remove": "removed twice", "nothing": "removed unknown"}[verb]
            elif verb == "add":
                kind = "added twice" if told.changes_data or since == version else ""
            elif verb == "remove" and operation != "RESTORE":
                kind = "brought back"
            elif twins:
                kind = "added twice"
                since = None
            if kind:
                wrong.append((version, kind, told.path, since))
            events.append((version, told))
    return wrong


@settings(max_examples=300, deadline=None)
@given(COMMITS, st.integers(0, 7))
def test_agrees_with_a_naive_model(
    tmp_path_factory: pytest.TempPathFactory, commits: list[tuple[str, list[Told]]], start: int
) -> None:
    table = log_of(tmp_path_factory.mktemp("law") / "t", commits)
    found = audit(table)
    wanted = naive(commits)
    for violation, (version, kind, path, since) in zip(found.violations, wanted, strict=True):
        assert (violation.version, violation.kind, violation.path) == (version, kind, path)
        assert since is None or violation.earlier == since
    assert found.sound_version == (
        len(commits) - 1 if not wanted else wanted[0][0] - 1 if wanted[0][0] else None
    )
    start = min(start, len(commits) - 1)
    late = audit(table, versions=range(start, len(commits)))
    assert late.violations == tuple(v for v in found.violations if v.version >= start)


# Orphans


def test_orphans_are_what_the_log_does_not_name(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    names = count()
    rows = pa.table({"_p": ["a b/c", "ä"], "id": [1, 2]})
    table.append(rows, partition_by=["_p"])
    table.overwrite(rows)
    table.delete("id = 1")
    assert audit(table.uri).orphans is None
    assert audit(table.uri, orphans=True).orphans == ()
    orphans = [f"{next(names)}.parquet", f"_p=x/{next(names)}.parquet"]
    for path in [*orphans, "_dfd/x.parquet", ".x/y.parquet", "note.txt", ".z.parquet"]:
        (tmp_path / "t" / path).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"id": [1]}), tmp_path / "t" / path)
    assert audit(table.uri, orphans=True).orphans == tuple(orphans)
    # deltalake's vacuum finds the same.
    listed = DeltaTable(table.uri).vacuum(
        0, dry_run=True, enforce_retention_duration=False, full=True
    )
    assert set(orphans) <= set(listed)
    assert not {path for path in listed if path.startswith((".", "_dfd"))}


def test_what_an_attempt_in_vain_wrote_is_an_orphan(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", pa.table({"id": [1, 2]}))
    stale = DeltaTable(tmp_path / "t")
    DeltaTable(tmp_path / "t").delete("id = 1")
    with pytest.raises(Exception, match="commit"):
        stale.update(
            updates={"id": "3"},
            predicate="id = 2",
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    found = audit(tmp_path / "t", orphans=True)
    assert found.is_sound
    assert found.orphans is not None
    assert len(found.orphans) == 1
