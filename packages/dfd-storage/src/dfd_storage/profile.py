"""One profile per location, rendered for both libraries."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from dfd_storage.credentials import AnonymousCredentials, StaticCredentials
from dfd_storage.errors import (
    EnvironmentContradiction,
    InvalidProfile,
    InvalidUri,
    MissingDependency,
    UnknownOption,
    UnsupportedSetting,
)
from dfd_storage.issue import StorageIssue
from dfd_storage.options import canonical_options, contradictions
from dfd_storage.secret import Secret
from dfd_storage.uri import canonical_uri, parse

if TYPE_CHECKING:
    from datafusion import SessionContext

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Credentials = StaticCredentials | AnonymousCredentials


class StorageProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A location and everything needed to reach it. Frozen, and checked when it is built.

    `uri` is the location that the profile covers, kept in its canonical form. Build one of the
    kinds, or let `from_uri`, `from_env` or `from_toml` choose it.
    """

    schemes: ClassVar[tuple[str, ...]] = ()
    uri: str

    def __post_init__(self) -> None:
        canonical = canonical_uri(self.uri)
        if parse(canonical).scheme not in self.schemes:
            raise InvalidProfile(f"{type(self).__name__} takes a URI of {self.schemes}.")
        msgspec.structs.force_setattr(self, "uri", canonical)

    @staticmethod
    def from_uri(uri: str | os.PathLike[str], **settings: Any) -> StorageProfile:
        """The profile of the kind that the URI's scheme names.

        Raises:
            InvalidUri: the URI is refused.
            InvalidProfile: a setting is none of the kind's, or has a wrong value.
        """
        location = canonical_uri(uri)
        kind = _kind_of(parse(location).scheme)
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

    @staticmethod
    def from_env(
        uri: str | os.PathLike[str], environ: Mapping[str, str] | None = None
    ) -> StorageProfile:
        """A profile from the variables `DFD_S3_*`, read once; no other variable is looked at.

        Raises:
            UnknownOption: a variable with that prefix names no setting.
        """
        location = canonical_uri(uri)
        if parse(location).scheme != "s3":
            return StorageProfile.from_uri(location)
        found = {
            name.removeprefix("DFD_S3_").lower(): value
            for name, value in (os.environ if environ is None else environ).items()
            if name.startswith("DFD_S3_")
        }
        return _s3_from_text(location, found)

    @staticmethod
    def from_toml(source: str | Path | Mapping[str, Any]) -> StorageProfile:
        """A profile from a TOML file or mapping: `kind`, `uri` and the kind's fields.

        Credentials are a table `{kind = "static", access_key_id = "...",
        secret_access_key = {env = "NAME"}}` or `{kind = "anonymous"}`; secrets are references.

        Raises:
            InvalidProfile: it can't be read, or a field is refused.
        """
        if isinstance(source, Mapping):
            fields = dict(source)
        else:
            try:
                fields = tomllib.loads(Path(source).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise InvalidProfile(f"The profile {source} can't be read: {error}") from error
        kind, uri = fields.pop("kind", None), fields.pop("uri", None)
        if not isinstance(uri, str):
            raise InvalidProfile("A profile needs `uri`, a text.")
        if "credentials" in fields:
            fields["credentials"] = _credentials_from_mapping(fields["credentials"])
        profile = StorageProfile.from_uri(uri, **fields)
        if kind not in (None, profile.kind):
            raise InvalidProfile(
                f"`kind` is {kind!r}, but {uri} is a location of {profile.kind!r}."
            )
        return profile

    @property
    def kind(self) -> str:
        """`"local"` or `"s3"`."""
        return str(self.__struct_config__.tag)

    def canonical_uri(self, uri: str | os.PathLike[str] | None = None) -> str:
        """The canonical form of `uri`, or the profile's own location."""
        return self.uri if uri is None else canonical_uri(uri)

    @property
    def fingerprint(self) -> str:
        """A digest of all settings but the secrets: equal for equal meaning, for cache keys."""
        settings = msgspec.to_builtins(self, enc_hook=lambda _: "***")
        return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()

    def to_deltalake_options(self) -> dict[str, str]:
        """deltalake's `storage_options`: complete, so that the environment adds nothing.

        Raises:
            EnvironmentContradiction: variables are set that deltalake takes whatever the options say.
        """
        return {}

    def to_datafusion_object_store(self) -> Any:
        """An object of `datafusion.object_store`.

        Raises:
            UnsupportedSetting: DataFusion's class can't express a field that is set, or has no
                class for this kind.
            MissingDependency: datafusion isn't installed.
        """
        _datafusion_stores()
        raise UnsupportedSetting("kind", "datafusion", version("datafusion"))

    def _registrations(self) -> tuple[tuple[str, str | None], ...]:
        """The scheme and host pairs under which DataFusion looks for the store."""
        return ()

    def register(self, session_context: SessionContext) -> None:
        """Register the store in a session, under every scheme that leads to it.

        Raises:
            UnsupportedSetting: as `to_datafusion_object_store`.
        """
        store = self.to_datafusion_object_store()
        for scheme, host in self._registrations():
            session_context.register_object_store(scheme, store, host)

    def validate(self) -> list[StorageIssue]:
        """What looks wrong, found offline; an empty list when nothing does."""
        return []


class LocalProfile(StorageProfile, frozen=True, kw_only=True, tag="local", tag_field="kind"):
    """A directory of this machine."""

    schemes: ClassVar[tuple[str, ...]] = ("file",)

    def to_datafusion_object_store(self) -> Any:
        """DataFusion's file system, from its root."""
        return _datafusion_stores().LocalFileSystem()

    def _registrations(self) -> tuple[tuple[str, str | None], ...]:
        return (("file://", None),)


class S3Profile(StorageProfile, frozen=True, kw_only=True, tag="s3", tag_field="kind"):
    """A bucket, or a prefix of one, behind the S3 protocol.

    - `region`: needed; stores that have none take any, `us-east-1` by default.
    - `endpoint`: URL of the service; None for AWS.
    - `credentials`: an access key or none at all; nothing is looked for anywhere else.
    - `allow_http`: take an endpoint without TLS. Default: no.
    - `virtual_hosted`: put the bucket into the host name. Default: no (path style).
    - `timeout_s`, `connect_timeout_s`: seconds; None leaves the library's own.
    - `max_retries`: of one request; None leaves the library's own.
    - `extra`: further options of object_store by name, checked.
    """

    schemes: ClassVar[tuple[str, ...]] = ("s3",)
    credentials: Credentials
    region: str = "us-east-1"
    endpoint: str | None = None
    allow_http: bool = False
    virtual_hosted: bool = False
    timeout_s: float | None = None
    connect_timeout_s: float | None = None
    max_retries: int | None = None
    extra: dict[str, str] = {}

    def __post_init__(self) -> None:
        StorageProfile.__post_init__(self)
        if not isinstance(self.credentials, (StaticCredentials, AnonymousCredentials)):
            raise InvalidProfile("`credentials` is StaticCredentials or AnonymousCredentials.")
        for field, kind in (("region", str), ("allow_http", bool), ("virtual_hosted", bool)):
            if not isinstance(getattr(self, field), kind):
                raise InvalidProfile(f"`{field}` is a {kind.__name__}.")
        if not self.region:
            raise InvalidProfile("`region` is empty.")
        if self.endpoint is not None:
            _check_endpoint(self.endpoint)
        for field in ("timeout_s", "connect_timeout_s"):
            value = getattr(self, field)
            if value is not None and not (isinstance(value, (int, float)) and 0 < value < 1e9):
                raise InvalidProfile(f"`{field}` is a number of seconds above 0.")
        retries = self.max_retries
        if retries is not None and not (type(retries) is int and retries >= 0):
            raise InvalidProfile("`max_retries` is a whole number from 0.")
        if not isinstance(self.extra, dict) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in self.extra.items()
        ):
            raise InvalidProfile("`extra` maps text to text.")
        msgspec.structs.force_setattr(self, "extra", canonical_options(self.extra))

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return parse(self.uri).host

    def to_deltalake_options(self) -> dict[str, str]:
        """deltalake's `storage_options`: region, addressing and credentials always stand in them.

        Raises:
            EnvironmentContradiction: variables like `AWS_SESSION_TOKEN` or `TIMEOUT` are set that
                deltalake would take beside these.
        """
        options = {
            "aws_region": self.region,
            "allow_http": _flag(self.allow_http),
            "aws_virtual_hosted_style_request": _flag(self.virtual_hosted),
            **self.extra,
        }
        match self.credentials:
            case StaticCredentials(access_key_id, secret, token):
                options["aws_access_key_id"] = access_key_id
                options["aws_secret_access_key"] = secret.reveal()
                if token is not None:
                    options["aws_session_token"] = token.reveal()
            case AnonymousCredentials():
                options["aws_skip_signature"] = "true"
        if self.endpoint is not None:
            options["aws_endpoint"] = self.endpoint
        if self.timeout_s is not None:
            options["timeout"] = f"{round(self.timeout_s * 1000)}ms"
        if self.connect_timeout_s is not None:
            options["connect_timeout"] = f"{round(self.connect_timeout_s * 1000)}ms"
        if self.max_retries is not None:
            options["max_retries"] = str(self.max_retries)
        if found := contradictions(options, os.environ):
            raise EnvironmentContradiction(tuple(found))
        return options

    def to_datafusion_object_store(self) -> Any:
        """DataFusion's `AmazonS3`; timeouts, retries, `extra` and anonymity can't be said to it."""
        stores = _datafusion_stores()
        given = {
            "virtual_hosted": self.virtual_hosted,
            "timeout_s": self.timeout_s is not None,
            "connect_timeout_s": self.connect_timeout_s is not None,
            "max_retries": self.max_retries is not None,
            "extra": bool(self.extra),
            "credentials": isinstance(self.credentials, AnonymousCredentials),
        }
        for field, is_set in given.items():
            if is_set:
                raise UnsupportedSetting(field, "datafusion", version("datafusion"))
        match self.credentials:
            case StaticCredentials(access_key_id, secret, token):
                return stores.AmazonS3(
                    bucket_name=self.bucket,
                    region=self.region,
                    access_key_id=access_key_id,
                    secret_access_key=secret.reveal(),
                    session_token=None if token is None else token.reveal(),
                    endpoint=self.endpoint,
                    allow_http=self.allow_http,
                )
        raise UnsupportedSetting("credentials", "datafusion", version("datafusion"))

    def _registrations(self) -> tuple[tuple[str, str | None], ...]:
        return (("s3://", self.bucket), ("s3a://", self.bucket))

    def validate(self) -> list[StorageIssue]:
        """Findings about endpoint and addressing."""
        issues = []
        if self.endpoint is not None:
            parts = urlsplit(self.endpoint)
            if parts.scheme == "http" and not self.allow_http:
                issues.append(
                    StorageIssue(
                        code="http_refused",
                        severity="error",
                        message="The endpoint is plain http, which `allow_http` doesn't allow.",
                        remedy="Use https, or set allow_http = true for a trusted network.",
                    )
                )
            if self.virtual_hosted and _is_address(parts.hostname or ""):
                issues.append(
                    StorageIssue(
                        code="virtual_host_of_address",
                        severity="error",
                        message="A bucket can't be put before an IP address as a host name.",
                        remedy="Set virtual_hosted = false, or use the server's host name.",
                    )
                )
        return issues


def _kind_of(scheme: str) -> type[StorageProfile]:
    for kind in (LocalProfile, S3Profile):
        if scheme in kind.schemes:
            return kind
    raise InvalidUri(f"There is no profile for {scheme}:// locations.")


def _credentials_from_mapping(given: object) -> Credentials:
    if isinstance(given, (StaticCredentials, AnonymousCredentials)):
        return given
    match given:
        case {"kind": "anonymous", **rest} if not rest:
            return AnonymousCredentials()
        case {"kind": "static", "access_key_id": str(key), "secret_access_key": secret, **rest}:
            token = rest.pop("session_token", None)
            if not rest:
                return StaticCredentials(
                    key,
                    Secret.from_reference(secret, "secret_access_key"),
                    None if token is None else Secret.from_reference(token, "session_token"),
                )
    raise InvalidProfile(
        "`credentials` is {kind = 'static', access_key_id, secret_access_key[, session_token]} "
        "or {kind = 'anonymous'}."
    )


def _s3_from_text(uri: str, found: dict[str, str]) -> StorageProfile:
    key, secret = found.pop("access_key_id", None), found.pop("secret_access_key", None)
    token = found.pop("session_token", None)
    if found.pop("anonymous", "false").lower() == "true":
        if key or secret:
            raise InvalidProfile("DFD_S3_ANONYMOUS contradicts the access key.")
        credentials: Credentials = AnonymousCredentials()
    elif key and secret:
        credentials = StaticCredentials(key, Secret(secret), Secret(token) if token else None)
    else:
        raise InvalidProfile(
            "DFD_S3_ACCESS_KEY_ID and DFD_S3_SECRET_ACCESS_KEY are needed, or DFD_S3_ANONYMOUS=true."
        )
    settings: dict[str, Any] = {"credentials": credentials}
    for name in ("region", "endpoint"):
        if name in found:
            settings[name] = found.pop(name)
    for name, kind in (
        ("allow_http", bool),
        ("virtual_hosted", bool),
        ("timeout_s", float),
        ("connect_timeout_s", float),
        ("max_retries", int),
    ):
        if name in found:
            try:
                settings[name] = msgspec.convert(found.pop(name), kind, strict=False)
            except msgspec.ValidationError as error:
                raise InvalidProfile(
                    f"DFD_S3_{name.upper()} is no {kind.__name__}: {error}"
                ) from error
    if found:
        raise UnknownOption(f"DFD_S3_{sorted(found)[0].upper()}", None)
    return StorageProfile.from_uri(uri, **settings)


def _check_endpoint(endpoint: object) -> None:
    refused = "`endpoint` is a URL like https://host[:port], without credentials, query or path."
    if not isinstance(endpoint, str):
        raise InvalidProfile(refused)
    try:
        parts = urlsplit(endpoint)
        bad = parts.username is not None or parts.password is not None or not parts.hostname
        _ = parts.port
    except ValueError:
        raise InvalidProfile(refused) from None
    if bad or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise InvalidProfile(refused)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _datafusion_stores() -> Any:
    try:
        version("datafusion")
    except PackageNotFoundError:
        raise MissingDependency(
            "datafusion isn't installed: pip install 'dfd-storage[datafusion]'."
        ) from None
    from datafusion import object_store

    return object_store
