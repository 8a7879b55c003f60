"""Servers, buckets and tables, started and written once for all tests here."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tools")]

from lake import Lake, azure_files, on_azure, on_disk, on_s3, s3_files  # noqa: E402
from orders import CUSTOMERS, ORDERS, write  # noqa: E402
from servers import PACKAGES, Server, azurite, versitygw  # noqa: E402


@pytest.fixture(scope="session")
def left_loopback() -> Iterator[list[str]]:
    """What was asked of other machines: all HTTP clients here take their proxy from the environment."""
    for package in PACKAGES.values():
        package.install()
    asked: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def refuse() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(10)
                    asked.append(
                        connection.recv(200).partition(b"\r\n")[0].decode(errors="replace")
                    )
                    connection.sendall(
                        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )

        thread = threading.Thread(target=refuse)
        thread.start()
        proxy = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                patch.setenv(name, proxy)
                patch.setenv(name.lower(), proxy)
            for name in ("NO_PROXY", "no_proxy"):
                patch.setenv(name, "127.0.0.1,localhost")
            yield asked
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="session", autouse=True)
def environment(left_loopback: list[str]) -> Iterator[None]:
    """Nothing about a cloud comes from outside, and nothing goes there: of each process of tests its end tells."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("AWS_", "AZURE_", "AZURITE_", "GOOGLE_", "DFD_S3", "DFD_AZURE")):
                patch.delenv(name)
        patch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")  # of object_store
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # of AWS's own libraries
        yield
    assert left_loopback == []


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """versitygw, with the bucket `lake`."""
    with versitygw(tmp_path_factory.mktemp("s3")) as server:
        s3_files(server).create_dir("lake")
        yield server


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Azurite, with the container `lake`, on the port that object_store's emulator mode uses."""
    with azurite(tmp_path_factory.mktemp("azure")) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZURITE_BLOB_STORAGE_URL", server.endpoint)
        azure_files(server).create_dir("lake")
        yield server


@pytest.fixture(scope="session", params=["disk", "s3", "azure"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Each kind of place, with the tables `orders` and `customers`."""
    if request.param == "disk":
        made = on_disk(tmp_path_factory.mktemp("disk"))
    elif request.param == "s3":
        made = on_s3(request.getfixturevalue("gateway"))
    else:
        made = on_azure(request.getfixturevalue("emulator"))
    write(made)
    return made


@pytest.fixture(scope="session")
def expected() -> dict[str, pa.Table]:
    """The rows that the tables hold after all commits."""
    return {
        "orders": pa.concat_tables([ORDERS.slice(0, 250), ORDERS.slice(275)]),
        "customers": CUSTOMERS,
    }
