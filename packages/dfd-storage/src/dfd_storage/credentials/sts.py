"""AWS's token service, and the requests that are signed for it.

Credentials of a role are had here and not by the libraries below, so that every library gets the
same explicit ones: deltalake asks for roles only where no endpoint is set, the others not at all.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import quote, urlencode, urlsplit

from dfd_storage.credentials.secret import Secret
from dfd_storage.credentials.variants import StaticCredentials
from dfd_storage.errors import CredentialsUnavailable

TIMEOUT_S = 10.0


def request_credentials(
    endpoint: str,
    region: str,
    parameters: dict[str, str],
    key: StaticCredentials | None,
    timeout_s: float | None = None,
    ca_file: str | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> tuple[StaticCredentials, datetime]:
    """The temporary credentials that the token service gives, and when they end.

    - `parameters`: of the action; `Action` says which.
    - `key`: signs the request; None for actions that need no signature.

    Raises:
        CredentialsUnavailable: it refused, with its code, or it can't be reached.
    """
    # Few programs ask a token service: what a request takes is imported with the first.
    import ssl
    import urllib.error
    import urllib.request

    body = urlencode({**parameters, "Version": "2011-06-15"}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    if key is not None:
        headers |= signature(endpoint, region, body, key, now())
    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise CredentialsUnavailable(
            "The endpoint of the token service is no http(s) URL.",
            "Correct it in the credentials.",
            source="token_service",
        )
    request = urllib.request.Request(endpoint, body, headers, method="POST")  # noqa: S310
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    try:
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=timeout_s or TIMEOUT_S, context=context
        ) as answer:
            return _credentials(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            code = _text(error.read(), "Code") or "no code"
        raise CredentialsUnavailable(
            f"The token service at {endpoint} refused {parameters['Action']}: {error.code} {code}.",
            "Look at the role, and at who may take it.",
            source="token_service",
        ) from None
    except (OSError, ValueError) as error:
        raise CredentialsUnavailable(
            f"The token service at {endpoint} gave no credentials: {type(error).__name__}.",
            "Look at the endpoint, and whether it is up.",
            source="token_service",
        ) from None


def signature(
    endpoint: str, region: str, body: bytes, key: StaticCredentials, now: datetime
) -> dict[str, str]:
    """The headers that sign a POST to the root of `endpoint` (AWS Signature Version 4)."""
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    signed = {"host": urlsplit(endpoint).netloc, "x-amz-date": moment}
    if key.session_token is not None:
        signed["x-amz-security-token"] = key.session_token.reveal()
    names = ";".join(sorted(signed))
    path = quote(urlsplit(endpoint).path or "/")
    lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
    canonical = "\n".join(["POST", path, "", *lines, "", names, hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/sts/aws4_request"
    text = "\n".join(
        ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    digest = f"AWS4{key.secret_access_key.reveal()}".encode()
    for part in (day, region, "sts", "aws4_request", text):
        digest = hmac.new(digest, part.encode(), hashlib.sha256).digest()
    return {
        **{name: value for name, value in signed.items() if name != "host"},
        "Authorization": f"AWS4-HMAC-SHA256 Credential={key.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={digest.hex()}",
    }


def _credentials(answer: bytes) -> tuple[StaticCredentials, datetime]:
    found = {
        name: _text(answer, name)
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    }
    if not all(found.values()):
        raise CredentialsUnavailable(
            "The token service's answer has no credentials in it.",
            "Look at the endpoint: something else may answer there.",
            source="token_service",
        )
    end = datetime.fromisoformat(str(found["Expiration"]).replace("Z", "+00:00"))
    return StaticCredentials(
        str(found["AccessKeyId"]),
        Secret(str(found["SecretAccessKey"])),
        Secret(str(found["SessionToken"])),
    ), end if end.tzinfo else end.replace(tzinfo=timezone.utc)


def _text(answer: bytes, name: str) -> str | None:
    """The text of the first element of that name, in whatever namespace."""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(answer)  # noqa: S314 - entities aren't expanded into requests
    except ElementTree.ParseError:
        return None
    found = next((e for e in root.iter() if e.tag.rpartition("}")[2] == name), None)
    return None if found is None else found.text
