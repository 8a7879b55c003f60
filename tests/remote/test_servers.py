"""The servers of these tests: installed or clearly not, and never left behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import servers
from recording_proxy import recording_proxy

START = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import servers
with servers.versitygw(Path(sys.argv[2])) as server:
    print(*server.address, flush=True)
    sys.stdin.read()
"""


def is_gone(address: tuple[str, int]) -> bool:
    """Whether nobody listens there, at the latest in a while."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=1).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # it is just going
            continue
    return False


def test_a_server_ends_with_a_block_that_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), servers.versitygw(tmp_path) as server:
        raise KeyError(server.endpoint)
    assert is_gone(server.address)


def test_a_server_ends_with_a_process_that_is_killed(tmp_path: Path, gateway: object) -> None:
    command = [sys.executable, "-c", START, str(Path(servers.__file__).parent), str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        host, port = starter.stdout.readline().split()
        starter.send_signal(signal.SIGKILL)
    assert is_gone((host, int(port)))


@pytest.mark.parametrize(
    ("package", "hint"), [(servers.VERSITYGW, "install Go"), (servers.AZURITE, "install Node.js")]
)
def test_a_missing_package_manager_is_named(
    package: servers.Package, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(servers.ServerError, match=hint):
        package.install()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "buckets").write_text("a file where a directory is needed")
    with pytest.raises(servers.ServerError, match=r"EEXIST|ENOTDIR"), servers.s3rver(tmp_path):
        pass


def test_a_proxy_writes_requests_down(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(bytes(range(100)))
    with servers.web(tmp_path) as server, recording_proxy(server.endpoint) as recording:
        for asked in ("bytes=10-19", "bytes=90-99"):
            request = urllib.request.Request(
                f"{recording.endpoint}/a%20b?x=1", headers={"Range": asked}
            )
            with urllib.request.urlopen(request) as answer:
                assert answer.status == 206
                start = int(asked[6:8])
                assert answer.read() == bytes(range(start, start + 10))
        first, last = recording.take()
        assert (first.method, first.path, first.query, first.range, first.status) == (
            "GET", "/a b", "x=1", "bytes=10-19", 206
        )  # fmt: skip
        assert (first.reaches_the_end, last.reaches_the_end) == (False, True)
        assert recording.take() == []
