"""Errors have one root, a code of their own, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest
from dfd import errors

ERRORS = [errors.ConfigurationError("x"), errors.QueryError("x", "q1"), errors.DemoError("x")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_round_trip(error: errors.DfdError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_codes_are_distinct() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)
