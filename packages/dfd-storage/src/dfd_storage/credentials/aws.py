"""Explicit credentials of S3: what a variant of credentials stands for now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from dfd_storage.credentials import sts
from dfd_storage.credentials.cache import CredentialCache, provider_cache, shared_cache
from dfd_storage.credentials.secret import Secret
from dfd_storage.credentials.variants import (
    AmbientCredentials,
    AnonymousCredentials,
    AssumeRoleCredentials,
    ProfileCredentials,
    ProviderCredentials,
    StaticCredentials,
    WebIdentityCredentials,
)
from dfd_storage.errors import CredentialsUnavailable, InvalidProfile

Credentials = (
    StaticCredentials
    | ProfileCredentials
    | AssumeRoleCredentials
    | WebIdentityCredentials
    | AnonymousCredentials
    | AmbientCredentials
    | ProviderCredentials
)

_CONTAINER = {
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "aws_container_credentials_relative_uri",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "aws_container_credentials_full_uri",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "aws_container_authorization_token_file",
}


def role_cache(
    credentials: AssumeRoleCredentials | WebIdentityCredentials,
    region: str,
    timeout_s: float | None,
    ca_file: str | None,
) -> CredentialCache:
    """The cache of a role's temporary keys."""
    return shared_cache(
        (credentials, region, ca_file),
        lambda: _exchange(credentials, region, timeout_s, ca_file),
    )


def resolve(
    credentials: Credentials,
    region: str,
    timeout_s: float | None,
    ca_file: str | None,
    environ: Mapping[str, str] | None = None,
) -> StaticCredentials | AnonymousCredentials | dict[str, str]:
    """Resolve credentials to a key, to nobody, or to a library's options for the metadata service.

    Raises:
        CredentialsUnavailable: there are none where they should be.
    """
    match credentials:
        case StaticCredentials() | AnonymousCredentials():
            return credentials
        case ProfileCredentials():
            return read_named_profile(credentials)
        case AmbientCredentials():
            return _ambient(region, timeout_s, ca_file, os.environ if environ is None else environ)
        case ProviderCredentials():
            found = provider_cache(credentials).current()
            if not isinstance(found, StaticCredentials):
                raise CredentialsUnavailable(
                    f"The callback of an S3Profile gave a {type(found).__name__}.",
                    "Give StaticCredentials.",
                    source="callback",
                )
            return found
        case _:
            current = role_cache(credentials, region, timeout_s, ca_file).current()
            assert isinstance(current, StaticCredentials)
            return current


def read_named_profile(named: ProfileCredentials) -> StaticCredentials:
    """The key of a named profile of the AWS command line.

    Raises:
        CredentialsUnavailable: there is no such profile, or it has no key of its own.
    """
    import configparser

    section = dict[str, str]()
    files = [
        (named.config_file or "~/.aws/config", f"profile {named.name}"),
        (named.credentials_file or "~/.aws/credentials", named.name),
    ]
    for path, name in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(Path(path).expanduser(), encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, RuntimeError):
            # The parser's message quotes the line, which may be the secret.
            raise CredentialsUnavailable(
                f"{path} can't be read as a file of profiles.",
                "Correct the file.",
                source="named_profile",
            ) from None
        for candidate in (named.name, name):
            if parser.has_section(candidate):
                section |= dict(parser.items(candidate))
    if not section:
        raise CredentialsUnavailable(
            f"There is no AWS profile {named.name!r} in the files.",
            "Add it, or name another.",
            source="named_profile",
        )
    key, secret = section.get("aws_access_key_id"), section.get("aws_secret_access_key")
    if not (key and secret):
        raise CredentialsUnavailable(
            f"The AWS profile {named.name!r} has no key of its own.",
            "Roles, single sign-on and programs are reached by AssumeRoleCredentials or "
            "ProviderCredentials.",
            source="named_profile",
        )
    token = section.get("aws_session_token")
    return StaticCredentials(key, Secret(secret), Secret(token) if token else None)


def _exchange(
    credentials: AssumeRoleCredentials | WebIdentityCredentials,
    region: str,
    timeout_s: float | None,
    ca_file: str | None,
) -> tuple[StaticCredentials, datetime]:
    default = f"https://sts.{region}.amazonaws.com"
    if isinstance(credentials, AssumeRoleCredentials):
        source = credentials.source
        key = read_named_profile(source) if isinstance(source, ProfileCredentials) else source
        parameters = {
            "Action": "AssumeRole",
            "RoleArn": credentials.role_arn,
            "RoleSessionName": credentials.session_name,
            "DurationSeconds": str(credentials.duration_s),
        }
        if credentials.external_id is not None:
            parameters["ExternalId"] = credentials.external_id
        return sts.request_credentials(
            credentials.sts_endpoint or default, region, parameters, key, timeout_s, ca_file
        )
    if credentials.role_arn is None:
        raise InvalidProfile(
            "WebIdentityCredentials of an S3Profile need `role_arn`.", "Give it.", field="role_arn"
        )
    try:
        token = Path(credentials.token_file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        raise CredentialsUnavailable(
            f"The token file {credentials.token_file} can't be read.",
            "Correct its path, or its permissions.",
            source="token_file",
        ) from error
    parameters = {
        "Action": "AssumeRoleWithWebIdentity",
        "RoleArn": credentials.role_arn,
        "RoleSessionName": credentials.session_name,
        "WebIdentityToken": token,
    }
    endpoint = credentials.token_service or default
    return sts.request_credentials(endpoint, region, parameters, None, timeout_s, ca_file)


def _ambient(
    region: str, timeout_s: float | None, ca_file: str | None, environ: Mapping[str, str]
) -> StaticCredentials | dict[str, str]:
    """Look for the machine's credentials in the order of AWS's own tools.

    Variables, a web identity, files, the container, the machine.
    """
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        token = environ.get("AWS_SESSION_TOKEN")
        return StaticCredentials(key, Secret(secret), Secret(token) if token else None)
    token_file, role = environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"), environ.get("AWS_ROLE_ARN")
    if token_file and role:
        identity = WebIdentityCredentials(
            token_file=token_file,
            role_arn=role,
            session_name=environ.get("AWS_ROLE_SESSION_NAME") or "dfd",
            token_service=environ.get("AWS_ENDPOINT_URL_STS"),
        )
        current = role_cache(identity, region, timeout_s, ca_file).current()
        assert isinstance(current, StaticCredentials)
        return current
    name = environ.get("AWS_PROFILE")
    named = ProfileCredentials(
        name or "default",
        environ.get("AWS_SHARED_CREDENTIALS_FILE"),
        environ.get("AWS_CONFIG_FILE"),
    )
    try:
        return read_named_profile(named)
    except CredentialsUnavailable:
        if name:
            raise
    return {
        option: environ[variable]
        for variable, option in _CONTAINER.items()
        if environ.get(variable)
    }
