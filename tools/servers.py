"""Object-store servers on loopback, for tests: installed once, started on free ports, always stopped.

    python tools/servers.py install [NAME ...]

installs versitygw (S3) and fake-gcs (GCS; both with `go`), Azurite (Azure) and s3rver (an S3 that ignores
conditional puts; both with `npm`), and moto (S3, DynamoDB and the token service, beside a deltalake that still
has the lock; with `pip`, in an environment of its own) below `${XDG_CACHE_HOME:-~/.cache}/dfd/servers`, each version in a directory of its
own. In a test, `with versitygw(directory) as server:` installs what is missing and starts a server whose
data is in that directory. A server ends with its block, or with the thread that started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from static_web import FileHandler

READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 10.0


class ServerError(Exception):
    """A server can't be installed or doesn't start; the message says what to do, or what it printed."""


@dataclass(frozen=True)
class Package:
    """A server and the package manager that installs it."""

    name: str
    version: str
    tool: str
    source: str
    executable: str
    beside: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """Where it is installed."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "dfd/servers" / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """What is run."""
        return self.directory / self.executable

    def install(self) -> Path:
        """The installed executable; where another process is installing it, waits for that one.

        Raises:
            ServerError: the package manager is missing, or fails.
        """
        if self.path.exists():
            return self.path
        if shutil.which(self.tool) is None:
            needed = {
                "go": "Go (https://go.dev/dl)",
                "npm": "Node.js with npm (https://nodejs.org)",
                sys.executable: "Python",
            }
            raise ServerError(
                f"{self.name} is installed with `{self.tool}`, which isn't there: "
                f"install {needed[self.tool]} and put it on PATH."
            )
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with self.directory.with_name(f"{self.directory.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.path.exists():
                self._install()
        return self.path

    def _install(self) -> None:
        joint = {"go": "@v", "npm": "@"}.get(self.tool, "==")
        package = f"{self.source}{joint}{self.version}"
        note = ": it is compiled, which takes minutes" if self.tool == "go" else ""
        print(f"Installing {package} with {self.tool}{note}.", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(
            dir=self.directory.parent, prefix=f".{self.name}-"
        ) as directory:
            made = Path(directory) / "made"
            made.mkdir()
            environment = dict(os.environ)
            if self.tool == "go":
                command = ["go", "install", package]
                environment["GOBIN"] = str(made)
            elif self.tool == "npm":
                command = ["npm", "install", "--no-audit", "--no-fund", "--no-update-notifier"]
                command += ["--prefix", str(made), package]
            else:
                subprocess.run([self.tool, "-m", "venv", str(made)], check=True)
                command = [str(made / "bin/python"), "-m", "pip", "install", "--quiet"]
                command += ["--disable-pip-version-check", package, *self.beside]
            done = subprocess.run(
                command, cwd=directory, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode or not (made / self.executable).exists():
                raise ServerError(f"`{' '.join(command)}` failed:\n{done.stderr[-3000:]}")
            # Whole or not at all: an interrupted installation leaves no directory of this name.
            shutil.rmtree(self.directory, ignore_errors=True)
            made.rename(self.directory)
        print(f"Installed {self.directory}.", file=sys.stderr, flush=True)


VERSITYGW = Package(
    "versitygw", "1.8.0", "go", "github.com/versity/versitygw/cmd/versitygw", "versitygw"
)
# The newest that runs on Node.js before 21.
AZURITE = Package("azurite", "3.35.0", "npm", "azurite", "node_modules/.bin/azurite-blob")
S3RVER = Package("s3rver", "3.7.1", "npm", "s3rver", "node_modules/.bin/s3rver")
FAKE_GCS = Package(
    "fake-gcs", "1.52.2", "go", "github.com/fsouza/fake-gcs-server", "fake-gcs-server"
)
# The newest deltalake with the DynamoDB lock.
MOTO = Package(
    "moto", "5.2.5", sys.executable, "moto[server]", "bin/python",
    ("deltalake==1.6.0", "pyarrow>=17", "msgspec>=0.19,<1"),
)  # fmt: skip
PACKAGES = {package.name: package for package in (VERSITYGW, AZURITE, S3RVER, FAKE_GCS, MOTO)}


@dataclass(frozen=True)
class Server:
    """A running server: its URL, and the one key (an account of Azure) that it accepts."""

    endpoint: str
    key_id: str = ""
    secret: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.endpoint)
        return parts.hostname or "", parts.port or 80


@contextlib.contextmanager
def versitygw(directory: Path) -> Iterator[Server]:
    """An S3 that enforces credentials and conditional puts, of region us-east-1."""
    secret = secrets.token_hex(20)
    environment = {"ROOT_ACCESS_KEY": "gateway", "ROOT_SECRET_KEY": secret}
    for folder in ("buckets", "accounts"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    command = ["--iam-dir", str(directory / "accounts"), "--quiet", "--port", "{host}:{port}"]
    command += ["posix", str(directory / "buckets")]
    with _running(VERSITYGW, command, directory, environment) as endpoint:
        yield Server(endpoint, "gateway", secret)


@contextlib.contextmanager
def azurite(directory: Path) -> Iterator[Server]:
    """Azure's blobs, with the account and key that every emulator has; the endpoint is without account.

    Clients of object_store reach it with `azure_storage_use_emulator`, and find its port in the variable
    `AZURITE_BLOB_STORAGE_URL`.
    """
    command = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--blobHost", "{host}"]
    command += ["--blobPort", "{port}", "--location", str(directory / "blobs")]
    with _running(AZURITE, command, directory, {}) as endpoint:
        yield Server(
            endpoint,
            "devstoreaccount1",
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        )


@contextlib.contextmanager
def s3rver(directory: Path) -> Iterator[Server]:
    """An S3 that ignores `If-None-Match`: on it commits overwrite one another."""
    command = ["--address", "{host}", "--port", "{port}", "--directory", str(directory / "buckets")]
    with _running(S3RVER, [*command, "--silent"], directory, {}) as endpoint:
        yield Server(endpoint, "S3RVER", "S3RVER")


@contextlib.contextmanager
def fake_gcs(directory: Path) -> Iterator[Server]:
    """Google Cloud Storage, without credentials; the directories in `buckets` are its buckets."""
    (directory / "buckets").mkdir(parents=True, exist_ok=True)
    command = ["-scheme", "http", "-host", "{host}", "-port", "{port}", "-backend", "memory"]
    command += ["-data", str(directory / "buckets"), "-external-url", "http://{host}:{port}"]
    command += ["-public-host", "{host}:{port}"]
    with _running(FAKE_GCS, command, directory, {}) as endpoint:
        yield Server(endpoint)


@contextlib.contextmanager
def moto(directory: Path) -> Iterator[Server]:
    """Many services of AWS at one endpoint, S3, DynamoDB and STS among them; it takes any key."""
    command = ["-m", "moto.server", "-H", "{host}", "-p", "{port}"]
    environment = {"PYTHONPATH": "", "VIRTUAL_ENV": ""}
    with _running(MOTO, command, directory, environment) as endpoint:
        yield Server(endpoint, "AKIAMOTO", "moto-secret")


@contextlib.contextmanager
def web(directory: Path) -> Iterator[Server]:
    """A static web server of a directory, with ranges; in threads of this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), FileHandler.of(directory))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def _running(
    package: Package, arguments: list[str], directory: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    """A process of its own group on a free port, ready for requests; its endpoint."""
    executable = str(package.install())
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{package.name}.log"
    for _ in range(3):  # another process may take the port that was free
        port = _free_port()
        # It ends with this process even where that is killed.
        command = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        command += [executable, *(a.format(host="127.0.0.1", port=port) for a in arguments)]
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            if _is_ready(process, port):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            _stop(process)
    raise ServerError(
        f"{package.name} does not start, on three ports: {log.read_text(errors='replace')[-2000:]}"
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _is_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it accepts connections; False where it ends or takes too long."""
    deadline = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process.poll() is None
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    for name in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPPED_WITHIN_S)
            return


def main(arguments: list[str]) -> int:
    """Install the named servers, or all; 1 where one can't be."""
    unknown = set(arguments[1:]) - set(PACKAGES)
    if arguments[:1] != ["install"] or unknown:
        print(f"usage: servers.py install [{' | '.join(PACKAGES)}] ...", file=sys.stderr)
        return 2
    for name in arguments[1:] or PACKAGES:
        try:
            print(PACKAGES[name].install())
        except ServerError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
