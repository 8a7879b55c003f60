"""One canonical form per location, and nothing that is no location."""

from __future__ import annotations

from pathlib import Path

import pytest
from dfd_storage import InvalidUri, StorageError, canonical_uri, local_path
from hypothesis import given, settings
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
        ("gcs://B/t/", "gs://b/t"),
        ("GS://b/a//b", "gs://b/a/b"),
        ("az://Lake/t/", "az://lake/t"),
        ("azure://lake/t", "az://lake/t"),
        ("adl://lake/t", "az://lake/t"),
        ("abfs://lake/t", "az://lake/t"),
        ("abfss://lake", "az://lake"),
        ("abfs://Lake@Acc.dfs.core.windows.net/t/", "abfss://lake@acc.dfs.core.windows.net/t"),
        ("abfss://lake@acc.blob.core.windows.net/t", "abfss://lake@acc.dfs.core.windows.net/t"),
        (
            "https://Acc.blob.core.windows.net/lake/t%20x/",
            "abfss://lake@acc.dfs.core.windows.net/t%20x",
        ),
        ("https://acc.dfs.core.windows.net:443/lake", "abfss://lake@acc.dfs.core.windows.net"),
        (
            "https://one.dfs.fabric.microsoft.com/ws/x.Lakehouse",
            "abfss://ws@one.dfs.fabric.microsoft.com/x.Lakehouse",
        ),
        ("HTTPS://Host.Example:443/a/", "https://host.example/a"),
        ("http://host:80", "http://host"),
        ("http://host:8080/a b", "http://host:8080/a%20b"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ("web+https://Host.Example:443/a/", "https://host.example/a"),
        ("web+http://host:8080/a", "http://host:8080/a"),
        ("memory:///t/", "memory:///t"),
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
        "s3://\u212aey/t",
        "gs://b?x",
        "az://",
        "az://a_b/t",
        "abfss://lake@acc.example.com/t",
        "abfss://a:b@acc.dfs.core.windows.net/t",
        "abfss://a@b@acc.dfs.core.windows.net/t",
        "https://acc.blob.core.windows.net/",
        "https://",
        "https://host:0/t",
        "https://host:99999/t",
        "https://host:x/t",
        "https://ho st/t",
        "https://höst/t",
        "https://host/../t",
        "memory://x/t",
        "wasbs://lake@acc.blob.core.windows.net/t",
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


@pytest.mark.parametrize(
    "written",
    [
        "s3://AKIA:hunter2@bucket/t",
        "gs://hunter2@bucket/t",
        "https://me:hunter2@host/t",
        "https://acc.blob.core.windows.net/lake/t?sv=2021&sig=hunter2",
        "abfss://lake:hunter2@acc.dfs.core.windows.net/t",
        "az://hunter2@acc/t",
        "https://host/t#hunter2",
    ],
)
def test_credentials_in_a_uri_are_refused_and_not_repeated(written: str) -> None:
    with pytest.raises(InvalidUri) as caught:
        canonical_uri(written)
    assert "hunter2" not in str(caught.value)


@given(st.lists(KEYS, max_size=3), st.sampled_from(["az", "azure", "adl", "abfs", "abfss"]))
def test_all_spellings_of_a_container_are_one(keys: list[str], scheme: str) -> None:
    path = "/".join(keys)
    assert canonical_uri(f"{scheme}://lake/{path}") == canonical_uri(f"az://lake/{path}/")
    with_account = canonical_uri(f"https://acc.blob.core.windows.net/lake/{path}")
    assert with_account == canonical_uri(f"abfs://lake@acc.dfs.core.windows.net/{path}")
    assert canonical_uri(with_account) == with_account


URIS = st.one_of(
    st.text(max_size=30),
    st.builds(
        "{}:{}{}{}{}".format,
        st.sampled_from(
            ["s3", "S3A", "gs", "gcs", "az", "abfss", "https", "http", "file", "memory", "adl", "x"]
        ),
        st.sampled_from(["//", "/", "", "///"]),
        st.text(st.sampled_from("ab.@:[]%-_$?#/\\ é"), max_size=12),
        st.sampled_from(
            ["", "@acc.dfs.core.windows.net", ".blob.core.windows.net", ":443", ":8080"]
        ),
        st.text(max_size=12),
    ),
)


@settings(max_examples=500)
@given(URIS)
def test_any_text_is_a_location_or_refused(written: str) -> None:
    try:
        uri = canonical_uri(written)
    except StorageError:
        return
    assert canonical_uri(uri) == uri
    assert uri.isascii()
    assert uri == f"{uri[:9]}{uri[9:].rstrip('/')}"


def test_local_path_of_a_bucket_is_refused() -> None:
    with pytest.raises(InvalidUri):
        local_path("s3://b/t")
