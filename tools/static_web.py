"""Files of a directory over HTTP, with ranges, as an object store of Parquet files needs them."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit


class FileHandler(BaseHTTPRequestHandler):
    """GET and HEAD of files below `root`."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    root: ClassVar[Path]

    @classmethod
    def of(cls, directory: Path) -> type[FileHandler]:
        """The handler of one directory."""
        return type("FileHandler", (cls,), {"root": directory.resolve()})

    def do_GET(self) -> None:
        """The file, or a range of it."""
        path = (self.root / unquote(urlsplit(self.path).path).lstrip("/")).resolve()
        if not (path.is_file() and path.is_relative_to(self.root)):
            self._answer(404, b"")
            return
        content = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if found is None or not any(found.groups()):
            self._answer(200, content)
            return
        first, last = found.groups()
        start = int(first) if first else max(len(content) - int(last), 0)
        end = min(int(last) + 1, len(content)) if first and last else len(content)
        if start >= end:
            self._answer(416, b"")
            return
        self._answer(206, content[start:end], f"bytes {start}-{end - 1}/{len(content)}")

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, content: bytes, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", self.date_time_string(0))
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
