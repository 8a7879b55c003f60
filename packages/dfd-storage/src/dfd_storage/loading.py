"""Profiles from a URI, the environment and TOML; and back into TOML."""

from __future__ import annotations

import os
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dfd_storage.credentials import Secret
from dfd_storage.errors import InvalidProfile, InvalidUri, SecretExposed, UnknownOption
from dfd_storage.kinds import KINDS
from dfd_storage.profile import StorageProfile
from dfd_storage.uri import canonical_uri, parse

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def from_uri(uri: str | os.PathLike[str], settings: Mapping[str, Any]) -> StorageProfile:
    """The profile of the kind that the URI's scheme names."""
    location = canonical_uri(uri)
    kind = _kind_of(location)
    unknown = sorted(set(settings) - set(kind.__struct_fields__))
    if unknown:
        raise InvalidProfile(
            f"{kind.__name__} has no field `{unknown[0]}`; it has "
            f"{', '.join(sorted(kind.__struct_fields__))}."
        )
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in ("uri", *settings):
            raise InvalidProfile(f"{kind.__name__} needs `{field.name}`.")
    return kind(uri=location, **settings)


def from_env(uri: str | os.PathLike[str], environ: Mapping[str, str]) -> StorageProfile:
    """A profile from the variables with the kind's prefix."""
    location = canonical_uri(uri)
    kind = _kind_of(location)
    prefix = f"DFD_{str(kind.__struct_config__.tag).upper()}_"
    found = {
        name.removeprefix(prefix).lower(): value
        for name, value in environ.items()
        if name.startswith(prefix)
    }
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    settings: dict[str, Any] = {}
    if "credentials" in fields:
        settings["credentials"] = _credentials(fields["credentials"].type, found, prefix)
    for name in list(found):
        if name in fields and name not in ("uri", "credentials", "extra"):
            settings[name] = _from_text(found.pop(name), fields[name].type, prefix + name.upper())
        elif name.startswith("extra_") and "extra" in fields:
            settings.setdefault("extra", {})[name.removeprefix("extra_")] = found.pop(name)
    if found:
        raise UnknownOption(prefix + sorted(found)[0].upper(), None)
    return from_uri(location, settings)


def from_toml(source: str | Path | Mapping[str, Any]) -> StorageProfile:
    """A profile from a TOML file or mapping."""
    if isinstance(source, Mapping):
        fields = dict(source)
    else:
        try:
            fields = tomllib.loads(Path(source).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            # The parser's message quotes no values, only where it stopped.
            raise InvalidProfile(f"The profile {source} can't be read: {error}") from error
    kind, uri = fields.pop("kind", None), fields.pop("uri", None)
    if not isinstance(uri, str):
        raise InvalidProfile("A profile needs `uri`, a text.")
    chosen = _kind_of(canonical_uri(uri))
    types_of = {field.name: field.type for field in msgspec.structs.fields(chosen)}
    for name in ("credentials", "encryption", "proxy_auth", "commits"):
        if name in fields and name in types_of and isinstance(fields[name], Mapping):
            fields[name] = _converted(fields[name], types_of[name], name)
    profile = from_uri(uri, fields)
    if kind not in (None, profile.kind):
        raise InvalidProfile(f"`kind` is {kind!r}, but {uri} is a location of {profile.kind!r}.")
    return profile


def to_toml(profile: StorageProfile) -> str:
    """The profile as `from_toml` reads it."""
    lines = [f"kind = {_toml(profile.kind)}"]
    for field in msgspec.structs.fields(profile):
        value = getattr(profile, field.name)
        if value is None or (field.name == "extra" and not value) or value == field.default:
            continue
        lines.append(f"{field.name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return msgspec.json.encode(value).decode("utf-8").replace("\x7f", "\\u007f")
        case Secret(reference=None):
            raise SecretExposed("A secret that came from no reference isn't written to TOML.")
        case Secret(reference=reference):
            return _toml(reference)
        case Mapping():
            inner = (f"{_toml(str(key))} = {_toml(entry)}" for key, entry in value.items())
            return "{" + ", ".join(inner) + "}"
        case msgspec.Struct():
            tag = value.__struct_config__.tag
            entries = {} if tag is None else {"kind": tag}
            for name in value.__struct_fields__:
                entry = getattr(value, name)
                if entry is not None:
                    entries[name] = entry
            return _toml(entries)
    raise SecretExposed("Credentials of a callback aren't written to TOML.")


def _kind_of(location: str) -> type[StorageProfile]:
    scheme = parse(location).scheme
    for kind in KINDS:
        if scheme in kind.schemes:
            return kind
    raise InvalidUri(f"There is no profile for {scheme}:// locations.")


def _members(union: object) -> list[Any]:
    """The types of a union; of one type, that."""
    is_union = isinstance(union, types.UnionType) or typing.get_origin(union) is typing.Union
    return list(typing.get_args(union)) if is_union else [union]


def _converted(given: Mapping[str, Any], target: object, name: str) -> Any:
    """A table of TOML as the structure it describes.

    Raises:
        InvalidProfile: it is none; the message shows no value.
    """
    structures = [
        member
        for member in _members(target)
        if isinstance(member, type) and issubclass(member, msgspec.Struct)
    ]
    tags = {str(member.__struct_config__.tag): member for member in structures}
    if "None" in tags:
        (chosen,) = structures
        rest = dict(given)
    else:
        rest = dict(given)
        kind = rest.pop("kind", None)
        if not isinstance(kind, str) or kind not in tags or kind == "provider":
            known = ", ".join(sorted(tag for tag in tags if tag != "provider"))
            raise InvalidProfile(f"`{name}` needs `kind`, one of {known}.")
        chosen = tags[kind]
    fields = {field.name: field for field in msgspec.structs.fields(chosen)}
    unknown = sorted(set(rest) - set(fields))
    if unknown:
        raise InvalidProfile(f"`{name}` has no field `{unknown[0]}`; it has {', '.join(fields)}.")
    values = {}
    for key, value in rest.items():
        members = _members(fields[key].type)
        if Secret in members:
            values[key] = value if isinstance(value, Secret) else Secret.from_reference(value, key)
        elif isinstance(value, Mapping):
            values[key] = _converted(value, fields[key].type, f"{name}.{key}")
        else:
            values[key] = value
    missing = [field for field in fields.values() if field.required and field.name not in values]
    if missing:
        raise InvalidProfile(f"`{name}` needs `{missing[0].name}`.")
    return chosen(**values)


def _from_text(value: str, target: Any, variable: str) -> Any:
    try:
        return msgspec.convert(value, target, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidProfile(f"{variable} is refused: {error}") from None


def _credentials(union: object, found: dict[str, str], prefix: str) -> Any:
    """The variant of credentials that the variables describe; they are taken out of `found`."""
    variants = {
        str(member.__struct_config__.tag): member
        for member in _members(union)
        if member.__struct_config__.tag != "provider"
    }
    named = found.pop("credentials", None)
    if found.pop("anonymous", "false").lower() in ("true", "1"):
        if named not in (None, "anonymous"):
            raise InvalidProfile(f"{prefix}ANONYMOUS contradicts {prefix}CREDENTIALS.")
        named = "anonymous"
    of_any = {name for member in variants.values() for name in member.__struct_fields__}
    present = {name for name in found if name in of_any and found[name]}
    if named is None:
        named = _fitting(variants, present)
    if named not in variants:
        raise InvalidProfile(
            f"{prefix}CREDENTIALS is one of {', '.join(sorted(variants))}; {prefix}ACCESS_KEY_ID and "
            f"{prefix}SECRET_ACCESS_KEY, or the fields of another variant, say it too."
            if "static" in variants
            else f"{prefix}CREDENTIALS is one of {', '.join(sorted(variants))}."
        )
    variant = variants[named]
    fields = {field.name: field for field in msgspec.structs.fields(variant)}
    strangers = sorted(present - set(fields))
    if strangers:
        raise InvalidProfile(
            f"{prefix}{strangers[0].upper()} contradicts credentials of {named!r}."
        )
    values: dict[str, Any] = {}
    for name, field in fields.items():
        text = found.pop(name, None)
        if text is None or not text:
            continue
        if Secret in _members(field.type):
            values[name] = Secret(text, {"env": prefix + name.upper()})
        elif field.name == "source":
            raise InvalidProfile(
                f"{prefix}SOURCE can't be said in a variable; write a TOML profile."
            )
        else:
            values[name] = _from_text(text, field.type, prefix + name.upper())
    if named == "assume_role":
        raise InvalidProfile("A role's source can't be said in variables; write a TOML profile.")
    missing = [
        field.name for field in fields.values() if field.required and field.name not in values
    ]
    if missing:
        raise InvalidProfile(
            f"{prefix}{missing[0].upper()} is needed for credentials of {named!r}."
        )
    return variant(**values)


def _fitting(variants: Mapping[str, Any], present: set[str]) -> str | None:
    """The one variant with all of these fields, and none that it needs missing."""
    fitting = []
    for tag, variant in variants.items():
        needed = {field.name for field in msgspec.structs.fields(variant) if field.required}
        if present and needed <= present and present <= set(variant.__struct_fields__):
            fitting.append(tag)
    return fitting[0] if len(fitting) == 1 else None
