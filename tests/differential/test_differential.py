"""Any query over any table: the same rows in the engine, in sessions, and in duckdb.

A case is a few numbers and words, from which the table follows, and a query; a failing one shrinks, and is
shown as a script that runs it again. `DFD_DIFFERENTIAL=3600` goes on for so many seconds, with other cases
each time; `DFD_DIFFERENTIAL_SEED` is the number that it begins with.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import time
from pathlib import Path
from typing import Any

import pytest
from candidates import KINDS, Settings
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st
from laws import LAWS, unanswered
from layouts import LAYOUTS
from predicates import predicates
from queries import queries

SECONDS = float(os.environ.get("DFD_DIFFERENTIAL", "0"))
FIRST_SEED = int(os.environ.get("DFD_DIFFERENTIAL_SEED", "0"))
SETTINGS = st.builds(
    Settings, st.sampled_from([1, 2, 4, 16]), st.sampled_from([1, 7, 100, 8192]), st.booleans()
)
HOW = (st.sampled_from(list(KINDS)), SETTINGS)
CASES: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "rows_are_the_judges": (LAYOUTS, queries(), *HOW),
    "a_condition_cuts_rows_into_three": (LAYOUTS, predicates(), *HOW),
    "versions_are_what_they_were": (LAYOUTS, *HOW),
    "a_runtime_follows_commits": (LAYOUTS, queries(), SETTINGS),
    "rows_dont_depend_on_the_layout": (LAYOUTS, predicates(), *HOW),
}
# Of the time that is given.
SHARES = {"rows_are_the_judges": 0.4}
# Of one seed; the whole takes about a minute.
COUNTS = {"rows_are_the_judges": 150}
OTHERS = 50


def script(law: str, case: tuple[Any, ...]) -> str:
    """What runs a case alone."""
    return (
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import laws\nfrom candidates import Settings\nfrom layout import Checkpoint, Files, Layout\n"
        f"from query import Query\nlaws.{law}({', '.join(map(repr, case))})\n"
    )


@pytest.mark.parametrize("law", LAWS)
def test_law(law: str) -> None:
    """Cases of one seed; where time is given, of one seed after another."""
    share = SHARES.get(law, (1 - sum(SHARES.values())) / (len(LAWS) - len(SHARES)))
    until = time.monotonic() + SECONDS * share
    if SECONDS:
        # pytest's, which takes a long test for one that hangs.
        faulthandler.cancel_dump_traceback_later()
    bounds = settings(
        max_examples=COUNTS.get(law, OTHERS),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    cases = 0
    unanswered.clear()

    def holds(case: tuple[Any, ...]) -> None:
        nonlocal cases
        cases += 1
        note(script(law, case))
        LAWS[law](*case)

    for number in itertools.count(FIRST_SEED):
        seed(number)(bounds(given(st.tuples(*CASES[law]))(holds)))()
        if time.monotonic() >= until:
            break
    print(f"{law}: {cases} cases of seeds {FIRST_SEED} to {number}, {len(unanswered)} unanswered")
