"""Errors have one root, a code of their own, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest
from dfd_storage import errors

ERRORS = [
    errors.InvalidUri("x"),
    errors.InvalidProfile("x"),
    errors.UnknownOption("regoin", "region"),
    errors.DuplicateOption("x"),
    errors.UnsupportedSetting("timeout_s", "datafusion", "55.0.0"),
    errors.EnvironmentContradiction(("TOKEN", "TIMEOUT")),
    errors.UnresolvedStorage("x"),
    errors.SecretExposed("x"),
    errors.MissingDependency("x"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_round_trip(error: errors.StorageError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_codes_are_distinct() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)
