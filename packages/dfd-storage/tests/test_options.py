"""Every option has one name, and a misspelt one is refused."""

from __future__ import annotations

import pytest
from dfd_storage import DuplicateOption, UnknownOption
from dfd_storage.options import AZURE, GCS, HTTP, S3, Keys, canonical_options
from hypothesis import given
from hypothesis import strategies as st

CLOUDS = {"s3": S3, "azure": AZURE, "gcs": GCS, "http": HTTP}
CLOUD = st.sampled_from(list(CLOUDS.values()))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_library_has_every_key(cloud: str) -> None:
    """Canary: the list is that of object_store, which obstore holds keys against too."""
    from obstore.exceptions import UnknownConfigurationKeyError
    from obstore.store import AzureStore, GCSStore, S3Store

    keys = CLOUDS[cloud]

    def is_known(name: str) -> bool:
        try:
            if cloud == "s3":
                S3Store("b", config={name: "x"})  # type: ignore[arg-type]
            elif cloud == "gcs":
                GCSStore("b", config={name: "x"})  # type: ignore[arg-type]
            else:
                AzureStore("b", config={name: "x", "account_name": "a"})  # type: ignore[arg-type]
        except UnknownConfigurationKeyError:
            return False
        except Exception:  # noqa: BLE001 - a value that isn't one: the name was known
            return True
        return True

    if cloud == "http":
        assert keys.names() == sorted({*S3.typed, *S3.extra} & {*AZURE.typed, *AZURE.extra})
        return
    client = {*HTTP.typed, *HTTP.extra}
    own = [name for name in keys.names() if name not in client | {"credentials"}]
    assert [name for name in own if not is_known(name)] == []
    assert not is_known("nonsense")


@given(st.data(), CLOUD, st.booleans(), st.booleans())
def test_prefix_and_case_do_not_matter(
    data: st.DataObject, keys: Keys, upper: bool, bare: bool
) -> None:
    options = data.draw(st.dictionaries(st.sampled_from(sorted(keys.extra)), st.text(max_size=5)))
    written = {}
    for key, value in options.items():
        short = key.removeprefix(keys.prefix) if bare and keys.prefix else key
        written[short.upper() if upper else short] = value
    assert canonical_options(keys, written) == options


@pytest.mark.parametrize(
    ("keys", "key", "nearest"),
    [
        (S3, "aws_condtional_put", "aws_conditional_put"),
        (S3, "proxy_urll", "proxy_url"),
        (S3, "aws_s3_locking_provider", None),
        (S3, "zzz", None),
        (AZURE, "azure_disable_taging", "azure_disable_tagging"),
        (AZURE, "aws_checksum_algorithm", None),
        (GCS, "http1_onyl", "http1_only"),
        (HTTP, "user_agnet", "user_agent"),
    ],
)
def test_misspelt_keys_name_the_nearest(keys: Keys, key: str, nearest: str | None) -> None:
    with pytest.raises(UnknownOption) as caught:
        canonical_options(keys, {key: "x"})
    assert caught.value.key == key
    if nearest is not None:
        assert caught.value.nearest == nearest
        assert nearest in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        (keys, key)
        for keys in CLOUDS.values()
        for key in sorted(
            {*keys.typed, *(alias for alias, name in keys.aliases.items() if name in keys.typed)}
        )
    ],
)
def test_what_a_field_sets_is_not_set_twice(keys: Keys, key: str) -> None:
    with pytest.raises(DuplicateOption, match="field"):
        canonical_options(keys, {key: "x"})


def test_two_names_of_one_setting_are_refused() -> None:
    with pytest.raises(DuplicateOption):
        canonical_options(S3, {"conditional_put": "etag", "aws_conditional_put": "etag"})
