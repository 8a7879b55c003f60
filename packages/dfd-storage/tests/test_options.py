"""Every option has one name, and a misspelt one is refused."""

from __future__ import annotations

import pytest
from dfd_storage import DuplicateOption, UnknownOption
from dfd_storage.options import EXTRA, TYPED, canonical_options, contradictions
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.sampled_from(sorted(EXTRA))


@given(st.dictionaries(KEYS, st.text(max_size=5)), st.booleans(), st.booleans())
def test_prefix_and_case_do_not_matter(options: dict[str, str], upper: bool, bare: bool) -> None:
    written = {
        (key.upper() if upper else key).removeprefix(
            ("AWS_" if upper else "aws_") if bare else ""
        ): value
        for key, value in options.items()
    }
    assert canonical_options(written) == options


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("aws_condtional_put", "aws_conditional_put"),
        ("proxy_urll", "proxy_url"),
        ("aws_s3_locking_provider", None),
        ("zzz", None),
    ],
)
def test_misspelt_keys_name_the_nearest(key: str, nearest: str | None) -> None:
    with pytest.raises(UnknownOption) as caught:
        canonical_options({key: "x"})
    assert caught.value.key == key
    if nearest is not None:
        assert caught.value.nearest == nearest
        assert nearest in str(caught.value)


@pytest.mark.parametrize("key", sorted([*TYPED, "aws_endpoint_url", "token", "AWS_DEFAULT_REGION"]))
def test_what_a_field_sets_is_not_set_twice(key: str) -> None:
    with pytest.raises(DuplicateOption, match="field"):
        canonical_options({key: "x"})


def test_two_names_of_one_setting_are_refused() -> None:
    with pytest.raises(DuplicateOption):
        canonical_options({"conditional_put": "etag", "aws_conditional_put": "etag"})


@given(st.sampled_from(sorted({*EXTRA, *TYPED} - {"aws_bucket"})), st.booleans(), st.booleans())
def test_a_variable_contradicts_unless_its_setting_is_given(
    name: str, upper: bool, bare: bool
) -> None:
    variable = name.removeprefix("aws_") if bare else name
    environ = {variable.upper() if upper else variable: "x", "HOME": "/", "TOKENS": "x"}
    assert contradictions({name: "y"}, environ) == []
    assert contradictions({}, environ) == [next(iter(environ))]


def test_anonymous_requests_need_no_key() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "TOKEN": "x"}
    assert contradictions({"aws_skip_signature": "true"}, environ) == []
