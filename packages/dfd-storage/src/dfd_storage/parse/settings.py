"""Settings by name, and the structure that they make."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from dfd_storage.errors import InvalidProfile

P = TypeVar("P", bound=msgspec.Struct)


def from_settings(kind: type[P], location: str, settings: Mapping[str, Any]) -> P:
    """The profile of a kind with these settings.

    Raises:
        InvalidProfile: a setting is none of the kind's, is missing, or has a wrong value.
    """
    refuse_unknown(settings, kind, kind.__name__)
    require_all({"uri", *settings}, kind, kind.__name__)
    return kind(uri=location, **settings)


def refuse_unknown(settings: Mapping[str, Any], kind: type[msgspec.Struct], name: str) -> None:
    """Refuse the first setting that is no field of the structure `name`.

    Raises:
        InvalidProfile: there is one.
    """
    unknown = sorted(set(settings) - set(kind.__struct_fields__))
    if unknown:
        known = sorted(kind.__struct_fields__)
        near = difflib.get_close_matches(unknown[0], known, n=1)
        meant = f"Did you mean `{near[0]}`? " if near else ""
        raise InvalidProfile(
            f"{name} has no field `{unknown[0]}`.",
            f"{meant}It has {', '.join(known)}.",
            field=unknown[0],
        )


def require_all(given: typing.Collection[str], kind: type[msgspec.Struct], name: str) -> None:
    """Refuse settings in which a field that the structure `name` needs is missing.

    Raises:
        InvalidProfile: one is missing.
    """
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in given:
            raise InvalidProfile(
                f"{name} needs `{field.name}`.", _how_to_give(field), field=field.name
            )


def _how_to_give(field: msgspec.structs.FieldInfo) -> str:
    """What to write for a field that is missing: of several structures, their kinds."""
    kinds = tags(field.type)
    if len(kinds) < 2:
        return "Give it."
    return f'Write {field.name} = {{ kind = "..." }}, one of {", ".join(sorted(kinds))}.'


def tags(union: object) -> dict[str, type[msgspec.Struct]]:
    """The structures of a union that TOML can describe, by their kinds."""
    structures = [
        member
        for member in union_members(union)
        if isinstance(member, type) and issubclass(member, msgspec.Struct)
    ]
    found = {str(member.__struct_config__.tag): member for member in structures}
    # A callback has no form in TOML.
    found.pop("provider", None)
    return found


def union_members(union: object) -> list[Any]:
    """The types of a union; of one type, that."""
    is_union = isinstance(union, types.UnionType) or typing.get_origin(union) is typing.Union
    return list(typing.get_args(union)) if is_union else [union]
