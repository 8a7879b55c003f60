"""Rendering of a profile as TOML, with references in place of secrets."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dfd_storage.credentials import Secret
from dfd_storage.errors import SecretExposed


def to_toml(profile: msgspec.Struct) -> str:
    """The TOML of a tagged structure: its tag as `kind`, and every field that isn't the default.

    Raises:
        SecretExposed: a secret came from no reference, or credentials from a callback.
    """
    lines = [f"kind = {_value(profile.__struct_config__.tag)}"]
    for field in msgspec.structs.fields(profile):
        value = getattr(profile, field.name)
        if value is None or (field.name == "extra" and not value) or value == field.default:
            continue
        lines.append(f"{field.name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return msgspec.json.encode(value).decode("utf-8").replace("\x7f", "\\u007f")
        case Secret(reference=None):
            raise SecretExposed(
                "A secret that came from no reference isn't written to TOML.",
                "Make it with a reference, {env = NAME} or {file = PATH}.",
                target="toml",
            )
        case Secret(reference=reference):
            return _value(reference)
        case Mapping():
            inner = (f"{_value(str(key))} = {_value(entry)}" for key, entry in value.items())
            return "{" + ", ".join(inner) + "}"
        case msgspec.Struct():
            tag = value.__struct_config__.tag
            entries = {} if tag is None else {"kind": tag}
            for name in value.__struct_fields__:
                entry = getattr(value, name)
                if entry is not None:
                    entries[name] = entry
            return _value(entries)
    raise SecretExposed(
        "Credentials of a callback aren't written to TOML.",
        "Give the profile in code.",
        target="toml",
    )
