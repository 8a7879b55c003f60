"""Stores behind TLS with a certificate of one's own: `ca_file`, and who can be told of it."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import write_deltalake
from dfd_delta_policy import GuardedTable
from dfd_storage import (
    CertificateRefused,
    HTTPProfile,
    S3Profile,
    StorageProfile,
    UnsupportedSetting,
    classify_failure,
)
from lake import on_s3
from servers import Server, web


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    directory = tmp_path_factory.mktemp("tls")
    found = directory / "root.pem", directory / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-out", str(found[0]), "-keyout", str(found[1]), "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return found


@contextlib.contextmanager
def encrypted(address: tuple[str, int], certificate: tuple[Path, Path]) -> Iterator[str]:
    """A server behind TLS, byte for byte; its endpoint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(plain: socket.socket) -> None:
        try:
            inside = context.wrap_socket(plain, server_side=True)
        except (ssl.SSLError, OSError):
            plain.close()
            return
        # A client may come when the server behind is gone already.
        with inside, contextlib.suppress(OSError), socket.create_connection(address) as upstream:
            back = threading.Thread(target=pump, args=(upstream, inside), daemon=True)
            back.start()
            pump(inside, upstream)
            back.join(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = listening.accept()
                    threading.Thread(target=serve, args=(plain,), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"https://localhost:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def endpoint(gateway: Server, certificate: tuple[Path, Path]) -> Iterator[str]:
    """The gateway behind TLS."""
    with encrypted(gateway.address, certificate) as found:
        yield found


WEB = """
import sys
import dfd
from datafusion import SessionContext
from dfd_storage import HTTPProfile
profile = HTTPProfile(uri=sys.argv[1])
session = SessionContext()
profile.register(session)
session.register_parquet("t", sys.argv[1] + "/a b/plain.parquet".replace(" ", "%20"))
print(session.sql("select sum(a) as s from t").to_pydict())
with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(profile,))) as runtime:
    runtime.session.register_parquet("t", sys.argv[1] + "/a%20b/plain.parquet")
    query = runtime.sql("select sum(a) as s from t")
    print(query.to_arrow_table().to_pydict(), query.route)
"""


def test_a_web_server_is_read_by_datafusion(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a b/plain.parquet")
    with web(tmp_path) as server, encrypted(server.address, certificate) as secure:
        done = subprocess.run(
            [sys.executable, "-c", WEB, secure],
            env=os.environ | {"SSL_CERT_FILE": str(certificate[0])},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.splitlines() == ["{'s': [3]}", "{'s': [3]} session"], done.stderr[-2000:]


def read(profile: StorageProfile, name: str) -> tuple[list[int], str]:
    """The sum of a table's column, and the route that the query took."""
    with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(profile,))) as runtime:
        runtime.register("t", f"{profile.uri}/{name}")
        query = runtime.sql("select sum(a) as s from t")
        return query.to_arrow_table()["s"].to_pylist(), query.route


def test_a_root_certificate_is_taken_by_who_can(
    gateway: Server, endpoint: str, certificate: tuple[Path, Path]
) -> None:
    fields = {"endpoint": endpoint, "allow_http": False, "max_retries": 0, "timeout_s": 20}
    profile = on_s3(gateway, ca_file=str(certificate[0]), **fields).profile
    assert isinstance(profile, S3Profile)
    assert profile.probe().safe
    with pytest.raises(UnsupportedSetting, match=r"ca_file|timeout_s"):
        profile.register(SessionContext())
    table = GuardedTable(f"{profile.uri}/tls", storage=profile)
    assert table.append(pa.table({"a": [1]})).version == 0
    assert table.append(pa.table({"a": [2]})).version == 1
    found = profile.to_pyarrow_fs().get_file_info(["tls/_delta_log"])[0]
    assert found.is_file is False
    assert read(profile, "tls") == ([3], "engine")
    with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(profile,))) as runtime:
        assert runtime.write(table.uri, pa.table({"a": [3]})).version == 2
    assert read(profile, "tls") == ([6], "engine")


def test_a_web_server_is_read_by_the_engine(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", pa.table({"a": [1, 2]}))
    with web(tmp_path) as server, encrypted(server.address, certificate) as secure:
        trusted = HTTPProfile(uri=secure, ca_file=str(certificate[0]))
        assert read(trusted, "t") == ([3], "engine")
        with pytest.raises(dfd.QueryError) as caught:
            read(HTTPProfile(uri=secure, max_retries=0), "t")
        assert type(classify_failure(caught.value, secure)) is CertificateRefused


def test_an_unknown_certificate_is_one_clear_error(gateway: Server, endpoint: str) -> None:
    fields = {"endpoint": endpoint, "allow_http": False, "max_retries": 0, "timeout_s": 20}
    profile = on_s3(gateway, **fields).profile
    assert isinstance(profile, S3Profile)
    with pytest.raises(CertificateRefused, match="ca_file"):
        GuardedTable(f"{profile.uri}/untrusted", storage=profile).append(pa.table({"a": [1]}))
    with pytest.raises(CertificateRefused):
        profile.probe()
    with pytest.raises(dfd.QueryError) as caught:
        read(profile, "untrusted")
    assert isinstance(caught.value.__cause__, CertificateRefused)


def test_a_root_certificate_that_is_none_is_refused(gateway: Server, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("missing.pem", "empty.pem"):
        lake = on_s3(gateway, ca_file=str(tmp_path / name))
        with pytest.raises(dfd_native.TableError, match=f"certificate_path.*{name}"):
            dfd_native.delta_table(lake.uri("t"), lake.options)
