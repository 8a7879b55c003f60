"""Where a table is, as people write it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dfd_native.errors import TableError

# A letter and a colon are a drive of Windows.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://|file:", re.IGNORECASE)


def table_uri(uri: str | os.PathLike[str]) -> str:
    """The URI of a location: of a path, which may be relative or start with `~`, its file URI.

    In a path every letter stands for itself, `%20`, `#` and `?` too; a URI is taken as it is.

    Raises:
        TypeError: it is no text and no path.
        TableError: it is empty.

    >>> table_uri("/data/a b"), table_uri("/data/a%20b"), table_uri("s3://bucket/t")
    ('file:///data/a%20b', 'file:///data/a%2520b', 's3://bucket/t')
    """
    text = os.fspath(uri)
    if not isinstance(text, str):
        raise TypeError(f"A table's location is a text or a path, not {uri!r}.")
    if not text.strip():
        raise TableError("A table's location is empty: give a path or a URI.")
    if _URI.match(text):
        return text
    return Path(os.path.abspath(os.path.expanduser(text))).as_uri()  # noqa: PTH100, PTH111
