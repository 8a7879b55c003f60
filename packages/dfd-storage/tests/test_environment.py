"""Variables that a library would take beside a profile are named, never their values."""

from __future__ import annotations

from typing import Any

import pytest
from dfd_storage import (
    EnvironmentContradiction,
    S3Profile,
    Secret,
    StaticCredentials,
    StorageProfile,
)
from dfd_storage.environment import contradictions
from dfd_storage.options import AZURE, GCS, HTTP, RETRIES, S3, Keys
from hypothesis import given
from hypothesis import strategies as st

KEY = StaticCredentials("AKIDEXAMPLE", Secret("hunter2-secret"))
CLOUDS = {"s3": S3, "azure": AZURE, "gcs": GCS, "http": HTTP}
CLOUD = st.sampled_from(list(CLOUDS.values()))


def s3(**settings: Any) -> S3Profile:
    profile = StorageProfile.from_uri("s3://bucket/t", **{"credentials": KEY, **settings})
    assert isinstance(profile, S3Profile)
    return profile


@pytest.mark.parametrize(
    "variable", ["AWS_SESSION_TOKEN", "TOKEN", "TIMEOUT", "AWS_S3_EXPRESS", "SKIP_SIGNATURE"]
)
def test_a_variable_that_deltalake_would_take_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "hunter2-value")
    with pytest.raises(EnvironmentContradiction, match=variable) as caught:
        s3().to_deltalake_options()
    assert caught.value.variables == (variable,)
    assert "hunter2" not in str(caught.value)


@given(st.data(), CLOUD, st.booleans())
def test_a_variable_contradicts_unless_its_setting_is_given(
    data: st.DataObject, keys: Keys, upper: bool
) -> None:
    names = sorted({*keys.typed, *keys.extra} - RETRIES - keys.chain)
    name = data.draw(st.sampled_from(names))
    environ = {name.upper() if upper else name: "x", "HOME": "/", "TOKENS": "x"}
    assert contradictions(keys, {name: "y"}, environ) == []
    assert contradictions(keys, {}, environ, harmless={name}) == []
    assert contradictions(keys, {}, environ) == [next(iter(environ))]
    assert contradictions(keys, {}, environ, prefix="OTHER_") == []
