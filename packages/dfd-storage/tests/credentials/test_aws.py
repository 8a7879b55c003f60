"""Explicit credentials of S3: files of the AWS command line, and the machine's own in AWS's order."""

from __future__ import annotations

from pathlib import Path

import pytest
from dfd_storage import (
    AmbientCredentials,
    AnonymousCredentials,
    CredentialsUnavailable,
    ProfileCredentials,
    Secret,
    StaticCredentials,
)
from dfd_storage.credentials.aws import read_named_profile, resolve

FILE = """
[default]
aws_access_key_id = AK0
aws_secret_access_key = hunter2-0
[work]
aws_access_key_id = AK1
aws_secret_access_key = hunter2-1
aws_session_token = hunter2-token
[role]
role_arn = arn:aws:iam::1:role/lake
"""


@pytest.fixture
def named(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "credentials").write_text(FILE)
    (tmp_path / "config").write_text("[profile work]\nregion = mars-1\n")
    return {
        "credentials_file": str(tmp_path / "credentials"),
        "config_file": str(tmp_path / "config"),
    }


def test_a_named_profile_has_a_key(named: dict[str, str]) -> None:
    assert read_named_profile(ProfileCredentials(**named)) == StaticCredentials(
        "AK0", Secret("hunter2-0")
    )
    assert read_named_profile(ProfileCredentials("work", **named)) == StaticCredentials(
        "AK1", Secret("hunter2-1"), Secret("hunter2-token")
    )


@pytest.mark.parametrize(("name", "told"), [("role", "no key of its own"), ("absent", "no AWS")])
def test_a_profile_without_a_key_is_told(named: dict[str, str], name: str, told: str) -> None:
    with pytest.raises(CredentialsUnavailable, match=told) as caught:
        read_named_profile(ProfileCredentials(name, **named))
    assert caught.value.source == "named_profile"


def test_a_file_that_is_none_is_not_quoted(named: dict[str, str]) -> None:
    Path(named["credentials_file"]).write_text("hunter2 without a section\n")
    with pytest.raises(CredentialsUnavailable, match="can't be read") as caught:
        read_named_profile(ProfileCredentials(**named))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_machines_own_are_looked_for_in_order(named: dict[str, str]) -> None:
    files = {
        "AWS_SHARED_CREDENTIALS_FILE": named["credentials_file"],
        "AWS_CONFIG_FILE": named["config_file"],
    }
    container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/x"}
    variables = {"AWS_ACCESS_KEY_ID": "AKV", "AWS_SECRET_ACCESS_KEY": "hunter2-v"}

    def found(environ: dict[str, str]) -> object:
        return resolve(AmbientCredentials(), "us-east-1", 1.0, None, environ)

    key = StaticCredentials("AKV", Secret("hunter2-v"))
    assert found(variables | files | container) == key
    assert found(files | container) == StaticCredentials("AK0", Secret("hunter2-0"))
    nowhere = dict.fromkeys(files, "/absent")
    assert found(nowhere | container) == {
        "aws_container_credentials_full_uri": "http://127.0.0.1:9/x"
    }
    assert found(nowhere) == {}
    with pytest.raises(CredentialsUnavailable):
        found(nowhere | {"AWS_PROFILE": "work"})


def test_what_is_explicit_stays() -> None:
    for given in (AnonymousCredentials(), StaticCredentials("AK", Secret("hunter2"))):
        assert resolve(given, "us-east-1", None, None) is given
