"""Errors have one root, a code of their own, and survive the way between processes."""

from __future__ import annotations

import copy
import pickle

import pytest
from dfd_storage import LockUnsupported, errors

ERRORS = [
    errors.InvalidUri("x"),
    errors.InvalidProfile("x"),
    errors.UnknownOption("regoin", "region"),
    errors.DuplicateOption("x"),
    errors.UnsupportedSetting("timeout_s", "datafusion", "55.0.0"),
    errors.EnvironmentContradiction(("TOKEN", "TIMEOUT")),
    errors.UnresolvedStorage("x"),
    errors.SecretExposed("x"),
    errors.MissingDependency("obstore"),
    errors.CredentialsUnavailable("x"),
    errors.LibraryPanic("obstore", "0.11.0"),
    errors.UnsafeStorage("x"),
    LockUnsupported("commits", "deltalake", "1.6.6"),
    *(
        kind("s3://b/t", "deltalake")
        for kind in (errors.StorageFailure, *errors.StorageFailure.__subclasses__())
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_round_trip(error: errors.StorageError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_codes_are_distinct() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)


WRONG_ARGUMENTS = (errors.InvalidUri, errors.InvalidProfile)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_wrong_arguments_are_value_errors(error: errors.StorageError) -> None:
    assert isinstance(error, ValueError) is isinstance(error, WRONG_ARGUMENTS)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_a_program_reads_fields_and_not_the_text(error: errors.StorageError) -> None:
    assert vars(error)
    assert copy.deepcopy(error).code == error.code


def test_a_message_says_what_happened_what_it_means_and_what_to_do() -> None:
    assert str(errors.WrongSecret("s3://b/t")) == (
        "s3://b/t: The store doesn't accept the signature: the secret isn't that of the key. "
        "Nothing was read or written. Put the right secret into the profile."
    )
    assert str(errors.MissingDependency("obstore")) == (
        "obstore isn't installed. Nothing was done. Install it: pip install 'dfd-storage[obstore]'."
    )
