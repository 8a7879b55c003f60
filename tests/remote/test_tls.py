"""Stores behind TLS with a certificate of one's own: `ca_file`, and who can be told of it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from dfd_delta_policy import GuardedTable
from dfd_storage import CertificateRefused, S3Profile, UnsupportedSetting
from lake import on_s3
from servers import Server


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


@pytest.fixture
def endpoint(gateway: Server, certificate: tuple[Path, Path]) -> Iterator[str]:
    """The gateway behind TLS, byte for byte."""
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
            encrypted = context.wrap_socket(plain, server_side=True)
        except (ssl.SSLError, OSError):
            plain.close()
            return
        with encrypted, socket.create_connection(gateway.address) as upstream:
            back = threading.Thread(target=pump, args=(upstream, encrypted), daemon=True)
            back.start()
            pump(encrypted, upstream)
            back.join(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = listening.accept()
                    threading.Thread(target=serve, args=(plain,), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"https://localhost:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_root_certificate_is_taken_by_who_can(
    gateway: Server, endpoint: str, certificate: tuple[Path, Path]
) -> None:
    fields = {"endpoint": endpoint, "allow_http": False, "max_retries": 0, "timeout_s": 20}
    profile = on_s3(gateway, ca_file=str(certificate[0]), **fields).profile
    assert isinstance(profile, S3Profile)
    # obstore can't be told of the certificate, so that nothing was proved and a warning says so.
    with pytest.raises(UnsupportedSetting, match="ca_file"):
        profile.probe()
    with pytest.raises(UnsupportedSetting, match="ca_file"):
        profile.to_native_options()
    table = GuardedTable(f"{profile.uri}/tls", storage=profile)
    assert table.append(pa.table({"a": [1]})).version == 0
    assert table.append(pa.table({"a": [2]})).version == 1
    found = profile.to_pyarrow_fs().get_file_info(["tls/_delta_log"])[0]
    assert found.is_file is False


def test_an_unknown_certificate_is_one_clear_error(gateway: Server, endpoint: str) -> None:
    fields = {"endpoint": endpoint, "allow_http": False, "max_retries": 0, "timeout_s": 20}
    profile = on_s3(gateway, **fields).profile
    assert isinstance(profile, S3Profile)
    with pytest.raises(CertificateRefused, match="ca_file"):
        GuardedTable(f"{profile.uri}/untrusted", storage=profile).append(pa.table({"a": [1]}))
    with pytest.raises(CertificateRefused):
        profile.probe()
