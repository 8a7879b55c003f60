"""Commits of many processes, and the proof that a store keeps them apart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable
from dfd_storage import (
    S3Profile,
    Secret,
    StaticCredentials,
    StorageProfile,
    UnsafeStorage,
)
from lake import Lake, s3_files
from pyarrow.fs import FileType
from servers import Server, s3rver

PROCESSES, APPENDS, PROBES = (8, 20, 100) if os.environ.get("DFD_LONG") else (4, 6, 15)
APPEND = """
import sys
import pyarrow as pa
from dfd_delta_policy import DeltaRetryPolicy, GuardedTable
from dfd_storage import StorageProfile

profile = StorageProfile.from_toml(sys.argv[1])
policy = DeltaRetryPolicy(attempts=1000, timeout_s=900.0, base_s=0.1, cap_s=2.0)
table = GuardedTable(sys.argv[2], storage=profile, policy=policy)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[4])):
    table.append(pa.table({"writer": [int(sys.argv[3])], "number": [number]}))
"""


def test_no_commit_of_many_processes_is_lost(
    place: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, uri = place.profile, place.uri("appends")
    assert profile is not None
    for secret in ("secret_access_key", "account_key"):
        credentials = getattr(profile, "credentials", None)
        if hasattr(credentials, secret):
            (tmp_path / "secret").write_text(getattr(credentials, secret).reveal())
            getattr(credentials, secret).reference = {"file": str(tmp_path / "secret")}
    (tmp_path / "profile.toml").write_text(profile.to_toml())
    GuardedTable(uri, storage=profile).append(pa.table({"writer": [-1], "number": [-1]}))
    command = [sys.executable, "-c", APPEND, str(tmp_path / "profile.toml"), uri]
    writers = [
        subprocess.Popen(
            [*command, str(number), str(APPENDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.close()
        assert [writer.wait(900) for writer in writers] == [0] * PROCESSES
    finally:
        for writer in writers:
            writer.kill()
    table = DeltaTable(uri, storage_options=profile.to_deltalake_options())
    assert table.version() == PROCESSES * APPENDS
    found = sorted((row["writer"], row["number"]) for row in table.to_pyarrow_table().to_pylist())
    expected = [(w, n) for w in range(PROCESSES) for n in range(APPENDS)]
    assert found == [(-1, -1), *expected]
    # Each append was staged, and each stage ended.
    assert dfd_native.abandoned_stages(uri, profile.to_native_options()) == []


def test_a_safe_store_is_called_safe_every_time(place: Lake) -> None:
    assert place.profile is not None
    verdicts = [place.profile.probe() for _ in range(PROBES)]
    assert {(v.safe, v.second_put_refused, v.winners) for v in verdicts} == {(True, True, 1)}
    left = place.profile.to_pyarrow_fs().get_file_info(["_dfd_probe"])[0]
    assert left.type == FileType.NotFound


@pytest.fixture
def unsafe(tmp_path: Path) -> Iterator[S3Profile]:
    with s3rver(tmp_path) as server:
        s3_files(server).create_dir("lake")
        yield of(server)


def of(server: Server, bucket: str = "lake", **settings: object) -> S3Profile:
    profile = StorageProfile.from_uri(
        f"s3://{bucket}",
        endpoint=server.endpoint,
        allow_http=True,
        credentials=StaticCredentials(server.key_id, Secret(server.secret)),
        **settings,
    )
    assert isinstance(profile, S3Profile)
    return profile


def test_a_store_that_ignores_conditions_is_called_unsafe_every_time(unsafe: S3Profile) -> None:
    verdicts = [unsafe.probe() for _ in range(PROBES)]
    assert {(v.safe, v.second_put_refused) for v in verdicts} == {(False, False)}
    assert all("If-None-Match" in verdict.reason for verdict in verdicts)


def test_the_writer_refuses_an_unsafe_store_without_being_told_to_look(unsafe: S3Profile) -> None:
    table = GuardedTable(f"{unsafe.uri}/t", storage=unsafe)
    with pytest.raises(UnsafeStorage, match="commits = 'unsafe'"):
        table.append(pa.table({"a": [1]}))
    with (
        dfd.connect(dfd.DataFusionRuntimeProfile(storage=(unsafe,))) as runtime,
        pytest.raises(UnsafeStorage),
    ):
        runtime.write(f"{unsafe.uri}/t", pa.table({"a": [1]}))
    assert unsafe.to_pyarrow_fs().get_file_info(["t"])[0].type == FileType.NotFound


SECOND = """
import sys
import pyarrow as pa
from dfd_delta_policy import GuardedTable
from dfd_storage import StorageProfile, UnsafeStorage

profile = StorageProfile.from_toml(sys.argv[1])
try:
    GuardedTable(sys.argv[2], storage=profile).append(pa.table({"a": [2]}))
except UnsafeStorage as error:
    print(error)
"""


def test_an_unsafe_store_asked_for_by_name_has_a_single_writer(
    unsafe: S3Profile, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("S3RVER")
    by_name = StorageProfile.from_uri(
        unsafe.uri,
        endpoint=unsafe.endpoint,
        allow_http=True,
        commits="unsafe",
        credentials=StaticCredentials(
            "S3RVER", Secret.from_reference({"file": str(secret)}, "secret")
        ),
    )
    table = GuardedTable(f"{by_name.uri}/single", storage=by_name)
    for number in range(3):
        assert table.append(pa.table({"a": [number]})).version == number
    (tmp_path / "profile.toml").write_text(by_name.to_toml())
    second = subprocess.run(
        [sys.executable, "-c", SECOND, str(tmp_path / "profile.toml"), table.uri],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "single writer" in second.stdout
    assert table.version() == 2
