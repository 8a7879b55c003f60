"""Locations: one canonical URI for each.

    s3://bucket/key          s3, s3a, s3n
    gs://bucket/key          gs, gcs
    abfss://container@account.dfs.core.windows.net/path
                             abfs, abfss with an account;
                             https://account.dfs|blob.core.windows.net/container/path
    az://container/path      az, azure, adl, abfs, abfss without an account: the profile has it
    https://host[:port]/path http, https; the port where it isn't the scheme's own. dfd-native's
                             names for them, web+http and web+https, are the same
    file:///absolute/path    file, bare paths, ~
    memory:///path           memory

Lower-case scheme and host, no trailing slash, percent escapes only where a URI needs them. The form
is a fixed point: `canonical_uri(canonical_uri(u)) == canonical_uri(u)`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from dfd_storage.errors import InvalidUri

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(//)?")
_BUCKETS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}
_AZURE = ("az", "azure", "adl", "abfs", "abfss")
_WEB = {"http": "http", "https": "https", "web+http": "http", "web+https": "https"}
_KNOWN = sorted({*_BUCKETS, *_AZURE, *_WEB, "file", "memory"})
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-_]{0,221}")
_CONTAINER = re.compile(r"\$(?:root|web|logs)|[a-z0-9][a-z0-9\-]{0,62}")
_ACCOUNT_HOST = re.compile(
    r"([a-z0-9][a-z0-9\-]{0,62})\.(?:dfs|blob)\.(core\.windows\.net|fabric\.microsoft\.com)"
)
_HOST = re.compile(
    r"((?=[a-z0-9])[a-z0-9.\-_]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?", re.ASCII
)
_SAFE = "/!$&'()*+,;=:@~"


class Location(NamedTuple):
    """The parts of a canonical URI; `path` is decoded and starts with a slash, or is empty.

    `host` is the bucket, `container` or `container@account.dfs...` of Azure, or the web server.
    """

    scheme: str
    host: str
    path: str

    @property
    def uri(self) -> str:
        """The canonical URI of these parts."""
        return f"{self.scheme}://{self.host}{quote(self.path, safe=_SAFE)}"

    @property
    def container(self) -> str:
        """The name of the bucket or container."""
        return self.host.partition("@")[0]

    @property
    def account(self) -> str | None:
        """The account of Azure, where the location has one."""
        return self.host.partition("@")[2].partition(".")[0] or None


def canonical_uri(uri: str | os.PathLike[str]) -> str:
    """The canonical URI of a location.

    Local paths may be relative or start with `~`.

    Raises:
        InvalidUri: the URI is empty, of an unknown scheme, carries credentials, a query or a
            fragment, names no bucket, or climbs out of its bucket.

    >>> canonical_uri("s3a://Bucket/t/"), canonical_uri("/data/a b")
    ('s3://bucket/t', 'file:///data/a%20b')
    >>> canonical_uri("https://acc.blob.core.windows.net/lake/t")
    'abfss://lake@acc.dfs.core.windows.net/t'
    """
    return parse_uri(uri).uri


def local_path(uri: str | os.PathLike[str]) -> Path:
    """The path of a local location.

    Raises:
        InvalidUri: the URI isn't local.
    """
    parts = parse_uri(uri)
    if parts.scheme != "file":
        raise InvalidUri(
            f"A local location is needed, not one of {parts.scheme}://.",
            "Give a path or a file URI.",
            part="scheme",
        )
    return Path(parts.path)


def parse_uri(uri: str | os.PathLike[str]) -> Location:
    """The parts of a location's canonical form.

    Raises:
        InvalidUri: as `canonical_uri`.
    """
    text = os.fspath(uri)
    if not isinstance(text, str) or not text.strip():
        raise InvalidUri("The location is empty.", "Give a path or a URI.")
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise InvalidUri("The location has a control character in it.", "Take it out.")
    found = _SCHEME.match(text)
    if found is None:
        return _local(text)
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme == "file":
        return _file(rest if found[2] else None)
    if not found[2] or len(scheme) == 1:
        return _local(text)
    if scheme not in _KNOWN:
        raise InvalidUri(
            f"The scheme {scheme!r} is none of {', '.join(_KNOWN)}.",
            "Use one of them.",
            part="scheme",
        )
    authority, _, key = rest.partition("/")
    _refuse_query(rest)
    if not authority.isascii():
        raise InvalidUri("The host or bucket isn't ASCII.", "Write its name in ASCII.", part="host")
    if scheme in _BUCKETS:
        return _bucket(scheme, authority, key)
    if scheme in _AZURE:
        return _azure(scheme, authority, key)
    if scheme == "memory":
        if authority:
            raise InvalidUri(
                "A location in memory has no host.", "Write memory:///name.", part="host"
            )
        return Location("memory", "", _key(key))
    return _web(_WEB[scheme], authority, key)


def _bucket(scheme: str, authority: str, key: str) -> Location:
    _refuse_userinfo(authority)
    bucket = authority.lower()
    if not _BUCKET.fullmatch(bucket):
        raise InvalidUri(
            f"{scheme}://... names no valid bucket.", f"Write {scheme}://bucket/path.", part="host"
        )
    return Location(_BUCKETS[scheme], bucket, _key(key))


def _azure(scheme: str, authority: str, key: str) -> Location:
    """A location in Hadoop's form, `container@account.dfs.core.windows.net`, or without account."""
    container, has_account, host = authority.lower().rpartition("@")
    if not has_account:
        return _container(authority.lower(), None, key)
    account = _ACCOUNT_HOST.fullmatch(host)
    if account is None or ":" in container or "@" in container:
        raise InvalidUri(
            f"{scheme}://... names no container of an account.",
            "Write container@account.dfs.core.windows.net or a container alone; credentials don't "
            "belong into a URI, put them into a profile.",
            part="host",
        )
    return _container(container, account, key)


def _container(container: str, account: re.Match[str] | None, key: str) -> Location:
    if not _CONTAINER.fullmatch(container):
        raise InvalidUri(
            "The location names no valid container.",
            "Write az://container/path or abfss://container@account.dfs.core.windows.net/path.",
            part="host",
        )
    if account is None:
        return Location("az", container, _key(key))
    return Location("abfss", f"{container}@{account[1]}.dfs.{account[2]}", _key(key))


def _web(scheme: str, authority: str, key: str) -> Location:
    _refuse_userinfo(authority)
    found = _HOST.fullmatch(authority.lower())
    if found is None or int(found[2] or 1) not in range(1, 65536):
        raise InvalidUri(
            f"{scheme}://... names no valid host.",
            f"Write {scheme}://host[:port]/path.",
            part="host",
        )
    account = _ACCOUNT_HOST.fullmatch(found[1])
    if account is not None and found[2] in (None, "443") and scheme == "https":
        container, _, path = key.partition("/")
        return _container(_decode(container).lower(), account, path)
    port = None if found[2] is None else int(found[2])
    default = {"http": 80, "https": 443}[scheme]
    host = found[1] if port in (None, default) else f"{found[1]}:{port}"
    return Location(scheme, host, _key(key))


def _file(rest: str | None) -> Location:
    if rest is None:
        raise InvalidUri("A file URI starts with file://.", "Write file:///absolute/path.")
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise InvalidUri(
            "The files of other hosts can't be reached.",
            "Write file:///absolute/path.",
            part="host",
        )
    _refuse_query(rest)
    return _local("/" + _decode(path))


def _local(text: str) -> Location:
    try:
        text.encode("utf-8")
        absolute = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111
    except (OSError, UnicodeEncodeError, ValueError, RuntimeError) as error:
        raise InvalidUri(
            "The path can't be resolved, or written as UTF-8.",
            "Give an absolute path.",
            part="path",
        ) from error
    # POSIX lets two leading slashes mean something else; nobody here does.
    return Location("file", "", "/" + absolute.lstrip("/"))


def _key(key: str) -> str:
    steps = [step for step in _decode(key).split("/") if step]
    if any(step in (".", "..") for step in steps):
        raise InvalidUri(
            "'.' and '..' are no steps in an object store.", "Write the path whole.", part="path"
        )
    return "".join(f"/{step}" for step in steps)


def _refuse_userinfo(authority: str) -> None:
    if "@" in authority:
        raise InvalidUri(
            "Credentials don't belong into a URI.", "Put them into a profile.", part="credentials"
        )


def _refuse_query(text: str) -> None:
    if "?" in text or "#" in text:
        raise InvalidUri(
            "A location has no query and no fragment.", "Write %3F and %23 in a name.", part="query"
        )


def _decode(text: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise InvalidUri(
            "The percent escapes are no UTF-8.", "Escape the name's UTF-8 bytes.", part="path"
        ) from error
    if any(ord(c) < 32 or ord(c) == 127 for c in decoded):
        raise InvalidUri("The location has a control character in it.", "Take it out.")
    return decoded
