"""One canonical form per location.

Object stores: `scheme://bucket/key`, lower-case scheme and bucket, no trailing slash, percent
escapes only where a URI needs them. Local: `file:///absolute/path` likewise. The form is a fixed point:
`canonical_uri(canonical_uri(u)) == canonical_uri(u)`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from dfd_storage.errors import InvalidUri

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(//)?")
_ALIASES = {"s3": "s3", "s3a": "s3", "s3n": "s3"}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-_]{0,62}")
_SAFE = "/!$&'()*+,;=:@~"


class Location(NamedTuple):
    """The parts of a canonical URI; `path` is decoded and starts with a slash, or is empty."""

    scheme: str
    host: str
    path: str


def canonical_uri(uri: str | os.PathLike[str]) -> str:
    """The canonical URI of a location.

    Local paths may be relative or start with `~`; `s3a` and `s3n` are `s3`.

    Raises:
        InvalidUri: the URI is empty, of an unknown scheme, carries credentials, a query or a
            fragment, names no bucket, or climbs out of its bucket.

    >>> canonical_uri("s3a://Bucket/t/"), canonical_uri("/data/a b")
    ('s3://bucket/t', 'file:///data/a%20b')
    """
    parts = parse(uri)
    return f"{parts.scheme}://{parts.host}{quote(parts.path, safe=_SAFE)}"


def local_path(uri: str | os.PathLike[str]) -> Path:
    """The path of a local location.

    Raises:
        InvalidUri: the URI isn't local.
    """
    parts = parse(uri)
    if parts.scheme != "file":
        raise InvalidUri(f"A local location is needed, not one of {parts.scheme}://.")
    return Path(parts.path)


def parse(uri: str | os.PathLike[str]) -> Location:
    """The parts of the canonical form."""
    text = os.fspath(uri)
    if not isinstance(text, str) or not text.strip():
        raise InvalidUri("The location is empty.")
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise InvalidUri("The location has a control character in it.")
    found = _SCHEME.match(text)
    if found is None:
        return _local(text)
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme == "file":
        return _file(rest if found[2] else None)
    if scheme not in _ALIASES or not found[2]:
        if len(scheme) == 1 or not found[2]:
            return _local(text)
        known = ", ".join(sorted({*_ALIASES, "file"}))
        raise InvalidUri(f"The scheme {scheme!r} is none of {known}.")
    bucket, _, key = rest.partition("/")
    if "@" in bucket:
        raise InvalidUri("Credentials don't belong into a URI; put them into a profile.")
    bucket = bucket.lower()
    if not _BUCKET.fullmatch(bucket):
        raise InvalidUri(f"{scheme}://... names no valid bucket.")
    return Location(_ALIASES[scheme], bucket, _key(key))


def _file(rest: str | None) -> Location:
    if rest is None:
        raise InvalidUri("A file URI starts with file://.")
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise InvalidUri("A file URI is file:///absolute/path; other hosts can't be reached.")
    _refuse_query(rest)
    return _local("/" + _decode(path))


def _local(text: str) -> Location:
    try:
        text.encode("utf-8")
        absolute = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111
    except (UnicodeEncodeError, ValueError, RuntimeError) as error:
        raise InvalidUri("The path can't be written as UTF-8.") from error
    # POSIX lets two leading slashes mean something else; nobody here does.
    return Location("file", "", "/" + absolute.lstrip("/"))


def _key(key: str) -> str:
    _refuse_query(key)
    steps = [step for step in _decode(key).split("/") if step]
    if any(step in (".", "..") for step in steps):
        raise InvalidUri("'.' and '..' are no steps in an object store.")
    return "".join(f"/{step}" for step in steps)


def _refuse_query(text: str) -> None:
    if "?" in text or "#" in text:
        raise InvalidUri("A location has no query and no fragment; write %3F and %23 in a name.")


def _decode(text: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise InvalidUri("The percent escapes are no UTF-8.") from error
    if any(ord(c) < 32 or ord(c) == 127 for c in decoded):
        raise InvalidUri("The location has a control character in it.")
    return decoded
