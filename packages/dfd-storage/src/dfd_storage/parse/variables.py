"""Variables `DFD_<KIND>_<FIELD>` of the environment, and the profile that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from dfd_storage.credentials import Secret
from dfd_storage.errors import InvalidProfile, UnknownOption
from dfd_storage.parse.settings import from_settings, union_members

P = TypeVar("P", bound=msgspec.Struct)


def from_variables(kind: type[P], location: str, environ: Mapping[str, str]) -> P:
    """The profile of a kind from the variables with its prefix; no other is looked at.

    Raises:
        UnknownOption: a variable with the prefix names no setting.
        InvalidProfile: a value is refused, or the variables don't say whose credentials they are.
    """
    prefix = f"DFD_{str(kind.__struct_config__.tag).upper()}_"
    found = {
        name.removeprefix(prefix).lower(): value
        for name, value in environ.items()
        if name.startswith(prefix)
    }
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    settings: dict[str, Any] = {}
    if "credentials" in fields:
        settings["credentials"] = _take_credentials(fields["credentials"].type, found, prefix)
    for name in list(found):
        if name in fields and name not in ("uri", "credentials", "extra"):
            settings[name] = _from_text(found.pop(name), fields[name].type, prefix, name)
        elif name.startswith("extra_") and "extra" in fields:
            settings.setdefault("extra", {})[name.removeprefix("extra_")] = found.pop(name)
    if found:
        raise UnknownOption(prefix + sorted(found)[0].upper(), None)
    return from_settings(kind, location, settings)


def _from_text(value: str, target: Any, prefix: str, field: str) -> Any:
    try:
        return msgspec.convert(value, target, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidProfile(
            f"{prefix}{field.upper()} is refused: {error}.", "Correct its value.", field=field
        ) from None


def _take_credentials(union: object, found: dict[str, str], prefix: str) -> Any:
    """Take the variables of credentials out of `found`, and make their variant of them."""
    variants: dict[str, type[msgspec.Struct]] = {
        str(member.__struct_config__.tag): member
        for member in union_members(union)
        if member.__struct_config__.tag != "provider"
    }
    named = _take_name(found, prefix)
    known = {name for variant in variants.values() for name in variant.__struct_fields__}
    present = {name for name in found if name in known and found[name]}
    if named is None:
        named = _fitting(variants, present)
    if named not in variants:
        raise _no_variant(variants, prefix)
    variant = variants[named]
    strangers = sorted(present - set(variant.__struct_fields__))
    if strangers:
        raise InvalidProfile(
            f"{prefix}{strangers[0].upper()} contradicts credentials of {named!r}.",
            "Unset one of them.",
            field=strangers[0],
        )
    values = _take_values(variant, found, prefix)
    if named == "assume_role":
        raise InvalidProfile(
            "A role's source can't be said in variables.", "Write a TOML profile.", field="source"
        )
    for field in msgspec.structs.fields(variant):
        if field.required and field.name not in values:
            raise InvalidProfile(
                f"{prefix}{field.name.upper()} is needed for credentials of {named!r}.",
                "Set it.",
                field=field.name,
            )
    return variant(**values)


def _take_name(found: dict[str, str], prefix: str) -> str | None:
    """Take the name of a variant out of `found`; None where none is said."""
    named = found.pop("credentials", None)
    if found.pop("anonymous", "false").lower() not in ("true", "1"):
        return named
    if named not in (None, "anonymous"):
        raise InvalidProfile(
            f"{prefix}ANONYMOUS contradicts {prefix}CREDENTIALS.",
            "Unset one of them.",
            field="credentials",
        )
    return "anonymous"


def _fitting(variants: Mapping[str, type[msgspec.Struct]], present: set[str]) -> str | None:
    """The only variant that has all of these fields and needs no other; None for none or many."""
    fitting = []
    for tag, variant in variants.items():
        needed = {field.name for field in msgspec.structs.fields(variant) if field.required}
        if present and needed <= present and present <= set(variant.__struct_fields__):
            fitting.append(tag)
    return fitting[0] if len(fitting) == 1 else None


def _no_variant(variants: Mapping[str, type[msgspec.Struct]], prefix: str) -> InvalidProfile:
    remedy = f"Set {prefix}CREDENTIALS to one of {', '.join(sorted(variants))}"
    if "static" in variants:
        remedy += (
            f"; {prefix}ACCESS_KEY_ID and {prefix}SECRET_ACCESS_KEY, or the fields of another "
            "variant, say it too"
        )
    return InvalidProfile(
        f"The variables {prefix}... don't say whose credentials to take.",
        f"{remedy}.",
        field="credentials",
    )


def _take_values(
    variant: type[msgspec.Struct], found: dict[str, str], prefix: str
) -> dict[str, Any]:
    """Take the values of a variant's fields out of `found`."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(variant):
        text = found.pop(field.name, None)
        if not text:
            continue
        if Secret in union_members(field.type):
            values[field.name] = Secret(text, {"env": prefix + field.name.upper()})
        elif field.name == "source":
            raise InvalidProfile(
                f"{prefix}SOURCE can't be said in a variable.",
                "Write a TOML profile.",
                field="source",
            )
        else:
            values[field.name] = _from_text(text, field.type, prefix, field.name)
    return values
