"""Stores of obstore are of the location itself."""

from __future__ import annotations

from pathlib import Path

import obstore
import pytest
from dfd_storage import AnonymousCredentials, InvalidProfile, LocalProfile, MemoryProfile, S3Profile


def test_a_location_in_memory_is_one_store() -> None:
    obstore.put(MemoryProfile(uri="memory:///one").to_obstore(), "x", b"1")
    again = MemoryProfile(uri="memory:///one/").to_obstore()
    assert bytes(obstore.get(again, "x").bytes()) == b"1"
    assert not list(obstore.list(MemoryProfile(uri="memory:///other").to_obstore()))


def test_a_directory_is_made_and_is_the_root(tmp_path: Path) -> None:
    obstore.put(LocalProfile(uri=str(tmp_path / "new")).to_obstore(), "x", b"1")
    assert (tmp_path / "new/x").read_bytes() == b"1"


def test_a_certificate_that_is_not_there_is_named() -> None:
    profile = S3Profile(
        uri="s3://b", credentials=AnonymousCredentials(), ca_file="/absent/root.pem"
    )
    with pytest.raises(InvalidProfile, match="`ca_file`") as caught:
        profile.to_obstore()
    assert caught.value.field == "ca_file"
