"""Commands that look and change nothing: what they find."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from dfd.cli import FAILED
from dfd_obs import ObservabilityConfig, Observer

Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., Any]


def test_history_tells_the_ids_of_what_dfd_did(table: Path, run: Run, run_json: RunJson) -> None:
    run("write", table, table.parent / "d.parquet")
    outcome = run_json("optimize", table)
    write_deltalake(table, pa.table({"id": [9], "s": ["z"]}), mode="append")
    code, out, _ = run("history", table)
    assert code == 0
    theirs, optimized, *writes = run_json("history", table)
    assert "dfd.operation_id" not in theirs
    assert optimized["operation"] == "OPTIMIZE"
    assert optimized["dfd.operation_id"] == outcome["operation_id"]
    for commit in (optimized, *writes):
        assert commit["dfd.operation_id"] in out
        assert commit["dfd.run_id"] in out
    assert "WRITE" in out


@pytest.mark.parametrize("recorded", ["text", "digest", "off"])
def test_history_tells_a_statement_as_the_profile_says(
    table: Path, tmp_path: Path, run: Run, run_json: RunJson, recorded: str
) -> None:
    profile = tmp_path / "profile.toml"
    key = "a key of these tests"
    profile.write_text(f'[observability]\nrecord_sql = "{recorded}"\nfingerprint_key = "{key}"\n')
    statement = "delete from t where id = 2 or s = 'secret'"
    assert run("sql", "-t", f"t={table}", statement, "--profile", profile)[0] == 0
    shown = run("history", table, "--limit", 1)[1]
    (commit,) = run_json("history", table, "--limit", 1)
    config = ObservabilityConfig(fingerprint_key=key)
    made = Observer(config).fingerprint("delete from t where id = 3 or s = 'other'")
    assert commit.get("sql") == (statement if recorded == "text" else None)
    assert commit.get("sql_fingerprint") == (made if recorded == "digest" else None)
    assert ("secret" in shown) == (recorded == "text")
    assert ("fp:" in shown) == (recorded == "digest")


def test_doctor_and_report(tmp_path: Path, run: Run, run_json: RunJson) -> None:
    found = run_json("doctor")
    assert found["problem"] is None
    assert found["capabilities"]["plugin_abi"]["major"] == 1
    code, out, _ = run("doctor")
    assert code == 0
    assert "fits together" in out
    made = tmp_path / "t"
    pq.write_table(pa.table({"id": [1]}), tmp_path / "d.parquet")
    run("write", made, tmp_path / "d.parquet")
    none = tmp_path / "none"
    code, out, _ = run("doctor", "--table", made, "--table", none, "--json")
    found = json.loads(out)
    assert code == FAILED
    assert found["abandoned_stages"] == {str(made): [], str(none): []}
    assert found["audits"][str(none)] is None
    audit = found["audits"][str(made)]
    assert (audit["violations"], audit["sound_version"]) == ([], 0)
    code, out, _ = run("doctor", "--table", made)
    assert code == 0
    assert f"{made}: no writer left files behind." in out
    assert f"{made}: versions 0 to 0 of the log are sound." in out
    code, out, err = run("doctor", "--table", none)
    assert (code, err) == (FAILED, "")
    assert [line for line in out.splitlines() if str(none) in line] == [
        f"{none}: there is no table."
    ]
    assert not none.exists()
    assert [Path(p).name for p in run_json("report", tmp_path / "r")] == [
        "report.json",
        "report.md",
        "report.html",
    ]
    assert (tmp_path / "r" / "report.trace.json").exists()


def test_doctor_finds_what_racing_writers_did(table: Path, run: Run, run_json: RunJson) -> None:
    for _ in range(4):
        run("write", table, table.parent / "d.parquet")
    one, other = DeltaTable(table), DeltaTable(table)
    one.optimize.compact()
    other.optimize.compact()
    code, out, err = run("doctor", "--table", table, "--json")
    assert (code, err) == (FAILED, "")
    audit = json.loads(out)["audits"][str(table)]
    assert [(v["version"], v["kind"]) for v in audit["violations"]] == [(6, "removed twice")] * 5
    assert audit["sound_version"] == 5
    code, out, err = run("doctor", "--table", table)
    assert (code, err) == (FAILED, "")
    assert f"{table}: version 6 (OPTIMIZE by delta-rs:" in out
    assert "removed twice (before: version 5): 5 file(s): " in out
    assert out.count(".parquet") == 3
    assert f"`dfd restore {table} 5`" in out
    count = ("sql", "-t", f"t={table}", "select count(*) as n from t")
    assert run_json(*count) == [{"n": 30}]
    run("restore", table, "5")
    assert run_json(*count) == [{"n": 15}]
    code, out, _ = run("doctor", "--table", table)
    assert code == 0
    assert f"{table}: version 7 is sound again" in out
