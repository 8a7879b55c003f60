"""Redaction: secrets cut out of whatever goes into a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
_WORDS = (
    r"secret|password|passwd|passphrase|pwd|token|credential|signature|sas|private|cookie|bearer|"
    r"api[_-]?key|fingerprint[_-]?key|account_?key|access_?key(?!_?id)|connection_?string|authorization"
)
# `sig` and `auth` stand alone: `signal` and `author` are others.
_SECRET_KEY = re.compile(rf"{_WORDS}|(?:^|[_.-])(?:sig|auth)(?:$|[_.-])", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_SCHEME = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE)
# `aws_secret_access_key=...`, `"sas_token": "..."`, `?sig=...`: a name, and what it is set to.
_ASSIGNED = re.compile(
    rf"((?:\b|[\w-])(?:{_WORDS}|\bsig\b)[\w-]*[\"']?\s*=\s*|[\"'][\w-]*(?:{_WORDS})[\w-]*[\"']\s*:\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^&\s'\";,]+)",
    re.IGNORECASE,
)


def redact(value: Any) -> Any:
    """A value in the same shape, plain, without what a key or a URI shows to be a secret.

    >>> redact({"token": "abc", "uri": "s3://me:pw@bucket/t"})
    {'token': '***', 'uri': 's3://***@bucket/t'}
    """
    if isinstance(value, Mapping):
        return {
            str(key): HIDDEN if _is_secret(str(key), entry) else redact(entry)
            for key, entry in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(entry) for entry in value]
    if isinstance(value, str):
        text = _SCHEME.sub(rf"\1 {HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", value))
        return _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return HIDDEN  # Nobody can say what is in it.
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact(str(value))


def _is_secret(key: str, value: object) -> bool:
    return isinstance(value, (str, bytes)) and bool(value) and bool(_SECRET_KEY.search(key))
