"""Settings by name, and the structure that they make."""

from __future__ import annotations

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
        raise InvalidProfile(
            f"{name} has no field `{unknown[0]}`.",
            f"It has {', '.join(sorted(kind.__struct_fields__))}.",
            field=unknown[0],
        )


def require_all(given: typing.Collection[str], kind: type[msgspec.Struct], name: str) -> None:
    """Refuse settings in which a field that the structure `name` needs is missing.

    Raises:
        InvalidProfile: one is missing.
    """
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in given:
            raise InvalidProfile(f"{name} needs `{field.name}`.", "Give it.", field=field.name)


def union_members(union: object) -> list[Any]:
    """The types of a union; of one type, that."""
    is_union = isinstance(union, types.UnionType) or typing.get_origin(union) is typing.Union
    return list(typing.get_args(union)) if is_union else [union]
