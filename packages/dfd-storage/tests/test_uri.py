"""One canonical form per location, and nothing that is no location."""

from __future__ import annotations

from pathlib import Path

import pytest
from dfd_storage import InvalidUri, canonical_uri, local_path
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
KEYS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/?#%"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", ".."))


@given(PATHS)
def test_local_paths_come_back_and_the_form_is_a_fixed_point(path: str) -> None:
    uri = canonical_uri(path)
    assert local_path(uri) == Path(path)
    assert canonical_uri(uri) == uri
    assert uri.isascii()


@given(st.lists(KEYS, max_size=4), st.sampled_from(["s3", "S3", "s3a", "s3n"]), st.booleans())
def test_all_spellings_of_a_bucket_are_one(keys: list[str], scheme: str, slash: bool) -> None:
    written = f"{scheme}://Bucket.one/{'//'.join(keys)}{'/' if slash else ''}"
    uri = canonical_uri(written)
    assert uri == canonical_uri("s3://bucket.one/" + "/".join(keys))
    assert canonical_uri(uri) == uri
    assert not uri.endswith("/")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("s3a://B/t/", "s3://b/t"),
        ("s3://b", "s3://b"),
        ("s3://b/%41%20b", "s3://b/A%20b"),
        ("/data//t/", "file:///data/t"),
        ("/data/./x/../t", "file:///data/t"),
        ("//data/t", "file:///data/t"),
        ("file:///data/t", "file:///data/t"),
        ("FILE://localhost/data/t", "file:///data/t"),
        ("/data/a%b ä", "file:///data/a%25b%20%C3%A4"),
    ],
)
def test_forms(written: str, canonical: str) -> None:
    assert canonical_uri(written) == canonical


def test_relative_paths_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert local_path("t") == tmp_path / "t"
    assert local_path("a:b") == tmp_path / "a:b"
    assert local_path("~/t") == tmp_path / "home/t"
    assert local_path(tmp_path / "t") == tmp_path / "t"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "  ",
        "s3://",
        "s3:///key",
        "s3://b/../other",
        "s3://b/t?versionId=1",
        "s3://b/t#x",
        "s3://b/%ff",
        "s3://b/%0a",
        "s3://-b/t",
        "ftp://host/t",
        "hdfs://host/t",
        "file://host/t",
        "file:t",
        "/data/\x00",
        "/data/\udcff",
    ],
)
def test_refuses(written: str) -> None:
    with pytest.raises(InvalidUri):
        canonical_uri(written)


def test_credentials_in_a_uri_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidUri) as caught:
        canonical_uri("s3://AKIA:hunter2@bucket/t")
    assert "hunter2" not in str(caught.value)


def test_local_path_of_a_bucket_is_refused() -> None:
    with pytest.raises(InvalidUri):
        local_path("s3://b/t")
