"""Secret values: text that never shows."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, cast

from dfd_storage.errors import InvalidProfile, SecretExposed


class Secret:
    """Text that `repr`, `str`, formatting, logs and pickles never show; `reveal()` does.

    `reference` is where it came from (`{"env": "NAME"}`, `{"file": "PATH"}`), or None.

    >>> str(Secret("hunter2")), f"{Secret('hunter2')}"
    ('***', '***')
    """

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, reference: Mapping[str, str] | None = None) -> None:
        if not isinstance(value, str) or not value:
            raise InvalidProfile("A secret is a text that isn't empty.", "Give one.")
        self._value = value
        self.reference = reference

    @classmethod
    def from_reference(
        cls, reference: object, field: str, environ: Mapping[str, str] | None = None
    ) -> Secret:
        """Take a secret from where a file refers to: `{env = "NAME"}` or `{file = "PATH"}`.

        Raises:
            InvalidProfile: it is no reference (a secret in the file itself included), or
                the variable or file isn't there or is empty.
        """
        match reference:
            case {"env": str(name), **rest} if not rest:
                value = (os.environ if environ is None else environ).get(name, "")
                where = f"the environment variable {name}"
            case {"file": str(path), **rest} if not rest:
                where = f"the file {path}"
                try:
                    value = Path(path).expanduser().read_text(encoding="utf-8").strip()
                except (OSError, UnicodeDecodeError) as error:
                    raise InvalidProfile(
                        f"`{field}`: {where} can't be read.",
                        "Correct the path, or the file's permissions.",
                        field=field,
                    ) from error
            case _:
                raise InvalidProfile(
                    f"`{field}` takes a reference, never the secret itself.",
                    "Write {env = NAME} or {file = PATH}.",
                    field=field,
                )
        if not value:
            raise InvalidProfile(
                f"`{field}`: {where} is empty or not there.", "Set it.", field=field
            )
        return cls(value, cast("Mapping[str, str]", reference))

    def reveal(self) -> str:
        """The secret's text, in the clear."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._value.encode(), other._value.encode()
        )

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise SecretExposed(
            "A secret isn't pickled.", "Send a reference to it instead.", target="pickle"
        )


def require_base64(secret: Secret, field: str) -> None:
    """Refuse a key that is no base64: the libraries below would panic over it.

    Raises:
        InvalidProfile: it isn't.
    """
    try:
        base64.b64decode(secret.reveal(), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidProfile(
            f"`{field}` is no base64.", "Copy the key whole, as the cloud shows it.", field=field
        ) from None
