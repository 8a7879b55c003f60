"""Fields of this package's structures: their types, and the check when a structure is built."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from dfd_storage.errors import InvalidProfile

Text = Annotated[str, msgspec.Meta(min_length=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, lt=1e9)]


def check_fields(struct: msgspec.Struct) -> None:
    """Hold each field against its type, and keep it in the type's own form.

    Raises:
        InvalidProfile: one doesn't fit; the message names it and what it takes, never a secret.
    """
    for field in msgspec.structs.fields(struct):
        try:
            value = msgspec.convert(
                getattr(struct, field.name), field.type, dec_hook=_refuse_plain, str_keys=True
            )
        except msgspec.ValidationError as error:
            if isinstance(error.__cause__, InvalidProfile):
                raise error.__cause__ from None
            raise InvalidProfile(f"`{field.name}`: {error}.", field=field.name) from None
        msgspec.structs.force_setattr(struct, field.name, value)


def check_url(url: str, field: str) -> None:
    """Refuse what is no URL of a server.

    Raises:
        InvalidProfile: it has another scheme, credentials, a query, or no host.
    """
    if not _is_url_of_server(url):
        raise InvalidProfile(
            f"`{field}` is no URL of a server.",
            "Write https://host[:port], without credentials or query.",
            field=field,
        )


def _is_url_of_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and parts.username is None
        and parts.password is None
        and not parts.query
        and not parts.fragment
        and all(33 <= ord(character) <= 126 for character in url)
    )


def _refuse_plain(kind: type, value: object) -> Any:
    """Refuse what is no instance of a type of our own; the error shows nothing of the value."""
    if isinstance(value, kind):
        return value
    raise ValueError(f"Expected a {kind.__name__}: write {kind.__name__}(...)")
