"""Wheels made of wheels, and folders of them served as an index."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.utils import parse_wheel_filename

JSON = "application/vnd.pypi.simple.v1+json"


def repacked(wheel: Path, directory: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of a wheel with other files in it, and a RECORD of them."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    record = next(name for name in files if name.endswith(".dist-info/RECORD"))
    lines = [
        f"{name},sha256={_digest(content)},{len(content)}\n"
        for name, content in files.items()
        if name != record
    ]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    copy = directory / wheel.name
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return copy


def released(wheel: Path, directory: Path, version: str) -> Path:
    """A wheel as a later release would be: of another version, and the same in all else."""
    name, old, _, _ = parse_wheel_filename(wheel.name)
    before, after = (f"{name.replace('-', '_')}-{one}" for one in (old, version))

    def change(files: dict[str, bytes]) -> None:
        for file in list(files):
            content = files.pop(file)
            if file.endswith("/METADATA"):
                said, wanted = f"\nVersion: {old}\n", f"\nVersion: {version}\n"
                content = content.replace(said.encode(), wanted.encode(), 1)
            files[file.replace(f"{before}.dist-info", f"{after}.dist-info")] = content

    # Aside: the wheel that it is made of may lie in the directory.
    made = directory / f"{after}.made"
    made.mkdir()
    released = repacked(wheel, made, change).rename(directory / wheel.name.replace(before, after))
    made.rmdir()
    return released


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


class Index(SimpleHTTPRequestHandler):
    """Serves a folder, remembers what it was asked for, and gives JSON to who wants that."""

    asked: list[str]
    gives_json: bool

    def do_GET(self) -> None:
        """A file of the folder."""
        self.asked.append(self.path)
        if self.path.endswith("/") and self.gives_json and JSON in self.headers.get("Accept", ""):
            self.path += "index.json"
        super().do_GET()

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """JSON has the type by which an installer knows it."""
        return JSON if str(path).endswith("index.json") else super().guess_type(path)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Served:
    """A running index: its URL, and what was asked of it."""

    def __init__(self, url: str, asked: list[str]) -> None:
        self.url = url
        self.asked = asked


@contextmanager
def serving(directory: Path, *, json: bool = False) -> Iterator[Served]:
    """Serve a folder of distributions as an index."""
    asked: list[str] = []
    handler = type("Asked", (Index,), {"asked": asked, "gives_json": json})
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(directory))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_port}/index/simple/", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
