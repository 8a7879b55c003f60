"""Old names work for one release, and warn."""

from __future__ import annotations

import importlib
from typing import Any

import dfd_delta_policy
import pyarrow as pa
import pytest
from dfd_delta_policy import GuardedTable, InvalidOperation, UnsupportedTable
from dfd_delta_policy.backend.protocol import installed

RENAMED = [
    ("dfd_delta_policy.Damage", "dfd_delta_policy.ViolationKind"),
    ("dfd_delta_policy.Winner", "dfd_delta_policy.ConcurrentCommit"),
    ("dfd_delta_policy.log.audit.Damage", "dfd_delta_policy.log.audit.ViolationKind"),
    ("dfd_delta_policy.outcome.Winner", "dfd_delta_policy.outcome.ConcurrentCommit"),
]


def old_keyword(target: int) -> Any:
    """The target under its old name, which a type checker doesn't know."""
    return {"target_size_bytes": target}


@pytest.mark.parametrize(("old", "new"), RENAMED)
def test_an_old_name_works_and_warns(old: str, new: str) -> None:
    (old_module, _, old_name), (new_module, _, new_name) = old.rpartition("."), new.rpartition(".")
    module = importlib.import_module(old_module)
    with pytest.warns(DeprecationWarning, match=f"`{old}` is called `{new}` now") as caught:
        found = getattr(module, old_name)
    assert found is getattr(importlib.import_module(new_module), new_name)
    assert caught[0].filename == __file__


def test_a_star_import_has_no_old_name() -> None:
    assert not {old.rpartition(".")[2] for old, _ in RENAMED} & set(dfd_delta_policy.__all__)


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dfd_delta_policy.nonsense  # type: ignore[attr-defined]


def test_an_old_name_can_be_imported() -> None:
    with pytest.warns(DeprecationWarning, match="dfd_delta_policy.Winner"):
        from dfd_delta_policy import Winner
    with pytest.warns(DeprecationWarning, match="dfd_delta_policy.Damage"):
        from dfd_delta_policy import Damage
    assert (Winner, Damage) == (dfd_delta_policy.ConcurrentCommit, dfd_delta_policy.ViolationKind)


def test_the_old_name_of_the_target_works_and_warns(table: GuardedTable, rows: Any) -> None:
    before = rows(table)
    table.append(pa.table({"id": [4], "s": ["e"]}))
    with pytest.warns(DeprecationWarning, match="`target_size_bytes`.*`target_file_bytes`") as told:
        outcome = table.optimize(**old_keyword(1))
    assert told[0].filename == __file__
    assert outcome.metrics["numFilesRemoved"] == 0
    assert table.optimize(target_file_bytes=1 << 20).metrics["numFilesRemoved"] == 2
    assert len(rows(table)) == len(before) + 1


def test_the_old_name_of_the_target_of_a_z_order_works_and_warns(table: GuardedTable) -> None:
    def z_order() -> int | None:
        try:
            outcome = table.z_order(["id"], **old_keyword(1 << 20))
        except UnsupportedTable:
            return None
        return int(outcome.metrics["numFilesAdded"])

    with pytest.warns(DeprecationWarning, match="`target_size_bytes`.*`target_file_bytes`") as told:
        added = z_order()
    assert added == (None if installed() is None else 1)
    assert told[0].filename == __file__


def test_the_target_has_its_bounds_under_either_name(table: GuardedTable) -> None:
    with (
        pytest.raises(InvalidOperation, match="`target_file_bytes` is above 0"),
        pytest.warns(DeprecationWarning, match="target_size_bytes"),
    ):
        table.optimize(**old_keyword(0))
    with pytest.raises(TypeError, match="one argument"):
        table.optimize(target_file_bytes=1, **old_keyword(1))
