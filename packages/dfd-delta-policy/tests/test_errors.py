"""Errors have one root, a code of their own, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest
from dfd_delta_policy import Action, Conflict, Verdict, errors

VERDICT = Verdict(Conflict.CONCURRENT_WRITE, Action.REPLAN, "another commit took the version")


def conflict(kind: type[errors.ConflictError]) -> errors.ConflictError:
    return kind("x", operation="merge", read_version=4, verdict=VERDICT, attempts=2)


ERRORS = [
    errors.InvalidPolicy("x"),
    errors.InvalidOperation("x"),
    errors.OperationRefused("x"),
    errors.UnsupportedTable("x"),
    conflict(errors.ConflictError),
    conflict(errors.RetriesExhausted),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_round_trip(error: errors.DeltaPolicyError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_codes_are_distinct() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)
