"""A runtime's guarded tables are kept, so that one operation finds the handle of the one before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dfd
import dfd_delta_policy.commit.handles
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd.guarded_tables import GuardedTables
from dfd_delta_policy import CommitPlan, GuardedTable, Outcome
from dfd_storage import LocalProfile, S3Profile, Secret, StaticCredentials, StorageProfile

ROW = pa.table({"id": [9], "s": ["z"], "p": ["x"]})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The tables that are opened from here on, rather than brought up to date."""
    found: list[str] = []

    class Counted(DeltaTable):
        def __init__(self, table_uri: str, **options: Any) -> None:
            found.append(table_uri)
            super().__init__(table_uri, **options)

    monkeypatch.setattr(dfd_delta_policy.commit.handles, "DeltaTable", Counted)
    return found


def test_twenty_appends_open_the_table_once(
    runtime: dfd.Runtime, uri: Path, opened: list[str]
) -> None:
    runtime.close()
    for version in range(1, 21):
        assert runtime.write(uri, ROW).version == version
    assert runtime.update(uri, {"s": "'y'"}, "id = 9").version == 21
    assert runtime.table(uri).version() == 21
    assert len(opened) == 1


def test_a_table_made_anew_is_opened_anew(
    runtime: dfd.Runtime, uri: Path, opened: list[str]
) -> None:
    for _ in range(3):
        runtime.write(uri, ROW)
    shutil.rmtree(uri)
    assert runtime.write(uri, pa.table({"other": [1]})).version == 0
    shutil.rmtree(uri)
    for version in range(6):
        assert runtime.write(uri, pa.table({"id": [version]})).version == version
    found = pa.table(DeltaTable(uri).scan())
    assert sorted(found["id"].to_pylist()) == list(range(6))


def test_a_registered_name_is_its_table_and_no_folder_beside_it(
    runtime: dfd.Runtime, uri: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = pa.table({"id": [5], "s": ["e"], "p": ["x"]})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert runtime.write("t", row).version == 1
    assert runtime.delete("T", "id = 5").version == 2
    assert runtime.table("t").uri == runtime.table(uri).uri
    assert not any(elsewhere.iterdir())
    runtime.write("./t", row)
    assert runtime.table(elsewhere / "t").version() == 0
    assert runtime.table(uri).version() == 2


def test_a_name_of_one_version_is_not_changed(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.register("first", uri, version=0)
    with pytest.raises(dfd.QueryError, match=r"'first' stands for version 0.*file://"):
        runtime.delete("first", "id = 1")
    assert runtime.table(uri).version() == 0


def test_hooks_are_those_of_one_call_and_the_handle_is_everybodys(
    runtime: dfd.Runtime, uri: Path, opened: list[str]
) -> None:
    class Seen:
        def __init__(self) -> None:
            self.plans: list[CommitPlan] = []

        def before_commit(self, plan: CommitPlan) -> None:
            self.plans.append(plan)

        def after_commit(self, outcome: Outcome) -> None:
            """Nothing."""

    runtime.close()
    mine, other = Seen(), Seen()
    runtime.table(uri, hooks=[mine]).append(ROW)
    runtime.table(uri, hooks=[other]).append(ROW)
    runtime.write(uri, ROW)
    assert [plan.read_version for plan in mine.plans] == [0]
    assert [plan.read_version for plan in other.plans] == [1]
    assert len(opened) == 1


def test_threads_share_a_runtimes_tables(runtime: dfd.Runtime, uri: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: runtime.write(uri, ROW), range(20)))
    assert sorted(outcome.version or 0 for outcome in outcomes) == list(range(1, 21))
    assert DeltaTable(uri).version() == 20


def tables(limit: int) -> tuple[GuardedTables, list[str]]:
    made: list[str] = []

    def make(uri: str, storage: StorageProfile) -> GuardedTable:
        made.append(uri)
        return GuardedTable(uri, storage=storage)

    return GuardedTables(make, limit), made


def test_those_used_last_are_kept(tmp_path: Path) -> None:
    kept, made = tables(limit=2)
    storage = LocalProfile(uri=tmp_path.as_uri())
    for name in ("a", "b", "a", "c", "a", "b"):
        kept.get(f"{tmp_path.as_uri()}/{name}", storage)
    assert [uri[-1] for uri in made] == ["a", "b", "c", "b"]
    kept.clear()
    kept.get(f"{tmp_path.as_uri()}/a", storage)
    assert len(made) == 5


def test_another_profile_makes_another_table() -> None:
    kept, made = tables(limit=2)

    def profile(key_id: str) -> S3Profile:
        key = StaticCredentials(key_id, Secret("s"))
        return S3Profile(uri="s3://lake", region="us-east-1", credentials=key)

    first = kept.get("s3://lake/t", profile("a"))
    assert kept.get("s3://lake/t", profile("a")) is first
    assert kept.get("s3://lake/t", profile("b")) is not first
    assert len(made) == 2
