"""Redaction: secrets cut out of whatever goes into a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
_SECRET_KEY = re.compile(
    r"secret|password|passwd|token|credential|signature|sas|private|api_?key|account_?key|"
    r"access_?key(?!_?id)|authorization|bearer",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_SIGNED = re.compile(
    r"(?i)\b(sig|signature|x-amz-signature|x-amz-credential|x-amz-security-token|token|"
    r"password|secret)=[^&\s'\"]+"
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
        return _SIGNED.sub(rf"\1={HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", value))
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact(str(value))


def _is_secret(key: str, value: object) -> bool:
    return isinstance(value, (str, bytes)) and bool(value) and bool(_SECRET_KEY.search(key))
