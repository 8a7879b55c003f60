"""Three things without which dfd isn't right: where one is taken away, a test of it fails.

The test runs in a process of its own, which the product is patched in as it starts, and so are those that it
starts.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[2] / "pyproject.toml"


class Mutant(NamedTuple):
    """What is patched, which test fails, and how it says so."""

    patch: str
    test: str
    says: str


MUTANTS = {
    "nobody looks whether it landed": Mutant(
        "from dfd_delta_policy.commit import attempts, knowledge, log_search\n"
        "def blind(commits_since, operation_id, after, newest=None):\n"
        "    newest = after if newest is None else newest\n"
        "    return log_search.Search(knowledge.Searched(newest, newest))\n"
        "attempts.search = blind\n",
        "test_grid.py::test_a_fault_at_a_request[update]",
        "be read: ",
    ),
    "rewritten files aren't looked up": Mutant(
        "from dfd_delta_policy.operations import optimize\n"
        "optimize._is_as_it_was = lambda file, now: True\n",
        "test_races.py::test_rewritten_files_are_looked_up_before_they_are_committed[overwrite-optimize]",
        "has no file",
    ),
    "nobody looks whether such rows came": Mutant(
        "from dfd_delta_policy.operations.staged_changes import WorkedOut\n"
        "def unlooked(found, table):\n"
        "    change = found._change or found.on(table)\n"
        "    paths = [action['path'] for action in change.removes.actions]\n"
        "    change.removes = found._committer.active(table.version()).only(paths)\n"
        "    return change\n"
        "WorkedOut.at = unlooked\n",
        "test_races.py::test_a_delete_of_all_takes_what_a_merge_inserted[staged]",
        "assert [4] == []",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_found(tmp_path: Path, mutant: str) -> None:
    patch, test, says = MUTANTS[mutant]
    # Every Python process imports this module when it starts.
    (tmp_path / "sitecustomize.py").write_text(patch)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(PROJECT), "--rootdir", str(PROJECT.parent),
         "-p", "no:cacheprovider", f"{HERE}/{test}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "DFD_LONG": ""},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert re.search(rf"^FAILED \S*{re.escape(test)}", done.stdout, re.MULTILINE), done.stdout
    assert says in done.stdout, done.stdout
