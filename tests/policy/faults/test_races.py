"""Rivals that commit at the worst moment: after an operation has read the table, or has rewritten its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import delta_log
import dfd_native
import pyarrow as pa
import pytest
from dfd_delta_policy import CommitPlan, GuardedTable, Outcome


def rows_of(*values: int) -> pa.Table:
    return pa.table({"n": list(values)})


class Rival:
    """Commits once: when a snapshot was read, or when files were staged."""

    def __init__(self, root: Path, commit: Callable[[GuardedTable], Outcome], when: str) -> None:
        self._table = GuardedTable(root)
        self._commit = commit
        self._when = when

    def _come(self, moment: str) -> None:
        if moment == self._when:
            self._when = "done"
            self._commit(self._table)

    def before_commit(self, plan: CommitPlan) -> None:
        self._come("read")

    def after_stage(self, plan: CommitPlan, staged: Mapping[str, Any]) -> None:
        self._come("staged")

    def after_commit(self, outcome: Outcome) -> None:
        assert self._when == "done"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A table of three files."""
    for n in (1, 2, 3):
        GuardedTable(tmp_path / "t").append(rows_of(n))
    return tmp_path / "t"


def values(root: Path) -> list[int]:
    return sorted(n for (n,) in delta_log.rows(root))


RIVALS: dict[str, tuple[Callable[[GuardedTable], Outcome], list[int]]] = {
    "append": (lambda t: t.append(rows_of(4)), [1, 2, 3, 4]),
    "overwrite": (lambda t: t.overwrite(rows_of(9)), [9]),
    "delete": (lambda t: t.delete("n = 2"), [1, 3]),
    "update": (lambda t: t.update({"n": "n + 10"}, "n = 2"), [1, 3, 12]),
    "optimize": (lambda t: t.optimize(), [1, 2, 3]),
}


@pytest.mark.parametrize("call", ["optimize", "z_order"])
@pytest.mark.parametrize("rival", RIVALS)
def test_rewritten_files_are_looked_up_before_they_are_committed(
    root: Path, rival: str, call: str
) -> None:
    """No row doubles, and none comes back."""
    commit, expected = RIVALS[rival]
    table = GuardedTable(root, hooks=[Rival(root, commit, "staged")])
    table.optimize() if call == "optimize" else table.z_order(["n"])
    assert values(root) == expected
    assert delta_log.data_files(root) <= {
        add["path"] for commit in delta_log.commits(root) for add in commit.adds
    }


@pytest.mark.parametrize("when", ["read", "staged"])
def test_a_delete_of_all_takes_what_a_merge_inserted(root: Path, when: str) -> None:
    """deltalake lets such a delete pass, with the snapshot from before the merge."""
    rival = Rival(
        root,
        lambda t: (
            t.merge(rows_of(3, 4), "t.n = s.n", source_alias="s", target_alias="t")
            .when_not_matched_insert_all()
            .execute()
        ),
        when,
    )
    GuardedTable(root, hooks=[rival]).delete()
    assert values(root) == []


def test_a_constraint_holds_for_the_row_before_it(root: Path) -> None:
    """deltalake lets it pass, without a look at what was appended meanwhile."""
    rival = Rival(root, lambda t: t.append(rows_of(-1)), "read")
    with pytest.raises(dfd_native.RuleViolation, match="breaks the CHECK"):
        GuardedTable(root, hooks=[rival]).add_constraint({"positive": "n > 0"})
    assert values(root) == [-1, 1, 2, 3]
    assert not any(
        "constraint" in str(one.info.get("operation")).lower() for one in delta_log.commits(root)
    )
