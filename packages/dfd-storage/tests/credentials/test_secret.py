"""A secret shows in one way only: `reveal()`."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dfd_storage import InvalidProfile, Secret, SecretExposed, StaticCredentials, StorageProfile
from hypothesis import given
from hypothesis import strategies as st

HIDDEN = "hunter2-0123456789"


@given(
    st.text(st.characters(blacklist_categories=("Cs",)), min_size=8).filter(
        lambda t: t not in "Secret(***)"
    )
)
def test_never_shows(text: str) -> None:
    secret = Secret(text)
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        f"{secret!r}",
        " ".join(map(str, [secret])),
    ):
        assert text not in shown
    assert secret.reveal() == text


def test_never_shows_inside_a_profile(caplog: pytest.LogCaptureFixture) -> None:
    profile = StorageProfile.from_uri(
        "s3://b", credentials=StaticCredentials("id", Secret(HIDDEN), Secret(HIDDEN + "token"))
    )
    logging.getLogger("t").warning("%s %r", profile, {"p": profile})
    assert HIDDEN not in repr(profile) + str([profile]) + caplog.text + profile.fingerprint
    for dump in (pickle.dumps, copy.deepcopy):
        with pytest.raises(SecretExposed):
            dump(profile)
    with pytest.raises(TypeError):
        msgspec.json.encode(profile)


def test_equality_is_that_of_the_text() -> None:
    assert Secret("abc") == Secret("abc") != Secret("abd")
    assert hash(Secret("abc")) == hash(Secret("abc"))
    assert Secret("abc") != "abc"


def test_references(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{HIDDEN}\n")
    from_file = Secret.from_reference({"file": str(tmp_path / "key")}, "f")
    from_env = Secret.from_reference({"env": "KEY"}, "f", {"KEY": HIDDEN})
    assert from_file.reveal() == from_env.reveal() == HIDDEN


@pytest.mark.parametrize(
    "reference",
    [HIDDEN, {"env": "MISSING"}, {"file": "/missing"}, {"env": "A", "file": "b"}, {}, None, 3],
)
def test_refuses_what_is_no_reference_and_does_not_repeat_it(reference: Any) -> None:
    with pytest.raises(InvalidProfile, match="`field`") as caught:
        Secret.from_reference(reference, "field", {})
    assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize("value", ["", None, 3, b"bytes"])
def test_is_a_text(value: Any) -> None:
    with pytest.raises(InvalidProfile):
        Secret(value)
