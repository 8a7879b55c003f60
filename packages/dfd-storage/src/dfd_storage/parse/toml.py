"""TOML, or a mapping like it, and the profile that it describes."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dfd_storage.credentials import Secret
from dfd_storage.errors import InvalidProfile
from dfd_storage.parse.settings import (
    from_settings,
    refuse_unknown,
    require_all,
    tags,
    union_members,
)
from dfd_storage.uri import canonical_uri

P = TypeVar("P", bound=msgspec.Struct)
_TABLES = ("credentials", "encryption", "proxy_auth", "commits")


def from_toml(source: str | Path | Mapping[str, Any], kind_of: Callable[[str], type[P]]) -> P:
    """The profile in a TOML file or mapping.

    - `kind_of`: gives the kind of profile for a canonical URI.

    Raises:
        InvalidProfile: it can't be read, or a field is refused.
    """
    settings = dict(source) if isinstance(source, Mapping) else _read(source)
    given_kind, uri = settings.pop("kind", None), settings.pop("uri", None)
    if not isinstance(uri, str):
        raise InvalidProfile("A profile needs `uri`, a text.", "Give it.", field="uri")
    location = canonical_uri(uri)
    kind = kind_of(location)
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for name in _TABLES:
        if name in settings and name in types and isinstance(settings[name], Mapping):
            settings[name] = _structure(settings[name], types[name], name)
    profile = from_settings(kind, location, settings)
    tag = str(kind.__struct_config__.tag)
    if given_kind not in (None, tag):
        raise InvalidProfile(
            f"`kind` is {given_kind!r}, but {uri} is a location of {tag!r}.",
            "Correct one of them, or leave `kind` out.",
            field="kind",
        )
    return profile


def _read(path: str | Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        settings: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        # The parser's message quotes no values, only where it stopped.
        raise InvalidProfile(
            f"The profile {path} can't be read: {error}.", "Correct the path, or the file."
        ) from error
    return settings


def _structure(table: Mapping[str, Any], target: object, name: str) -> Any:
    """Make the structure that a table describes.

    Raises:
        InvalidProfile: it describes none; the message shows no value.
    """
    settings = dict(table)
    kind = _kind_of_table(settings, target, name)
    refuse_unknown(settings, kind, f"`{name}`")
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    values = {}
    for key, value in settings.items():
        if Secret in union_members(types[key]):
            values[key] = value if isinstance(value, Secret) else Secret.from_reference(value, key)
        elif isinstance(value, Mapping):
            values[key] = _structure(value, types[key], f"{name}.{key}")
        else:
            values[key] = value
    require_all(values, kind, f"`{name}`")
    return kind(**values)


def _kind_of_table(settings: dict[str, Any], target: object, name: str) -> type[msgspec.Struct]:
    """The structure that a table's `kind` names, which is taken out; or the only one there is."""
    kinds = tags(target)
    if "None" in kinds:
        (only,) = kinds.values()
        return only
    tag = settings.pop("kind", None)
    if not isinstance(tag, str) or tag not in kinds:
        known = sorted(kinds)
        near = difflib.get_close_matches(tag, known, n=1) if isinstance(tag, str) else []
        said = f"has no `kind` {tag!r}" if isinstance(tag, str) else "doesn't say its `kind`"
        meant = f"Did you mean {near[0]!r}? " if near else ""
        raise InvalidProfile(
            f"`{name}` {said}.", f"{meant}Give one of {', '.join(known)}.", field=name
        )
    return kinds[tag]
