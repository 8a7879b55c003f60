"""Errors survive the way between processes with class, text and fields, whatever their constructor takes."""

from __future__ import annotations

import copy
import pickle

import pytest
from dfd_base import DfdError


class Located(DfdError):
    code = "located"

    def __init__(self, what: str, *, path: str | None) -> None:
        super().__init__(f"{path}: {what}")
        self.path = path


class Refused(DfdError, ValueError):
    code = "refused"


class Unwritten(Located, OSError):
    code = "unwritten"


ERRORS = [
    DfdError(),
    Located("cut short", path="a/b.parquet"),
    Refused("no", 7),
    Unwritten("disk full", path=None),
]


@pytest.mark.parametrize(
    "carry", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_round_trip(error: DfdError, carry: object) -> None:
    assert callable(carry)
    again = carry(error)
    assert type(again) is type(error)
    assert (again.args, str(again), vars(again)) == (error.args, str(error), vars(error))


def test_notes_are_fields() -> None:
    error = Located("cut short", path="a")
    vars(error)["__notes__"] = ["while reading the table"]
    assert vars(pickle.loads(pickle.dumps(error)))["__notes__"] == ["while reading the table"]


def test_each_class_has_a_code() -> None:
    assert [error.code for error in ERRORS] == ["dfd", "located", "refused", "unwritten"]
