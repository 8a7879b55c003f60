"""The option keys of object_store's S3 client, by their one canonical name.

Source: `AmazonS3ConfigKey` and `ClientConfigKey` of object_store 0.13. Keys that a typed field of the
profile sets are not among them: each setting has one place.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from dfd_storage.errors import DuplicateOption, UnknownOption

TYPED = {
    "aws_access_key_id": "credentials",
    "aws_secret_access_key": "credentials",
    "aws_session_token": "credentials",
    "aws_skip_signature": "credentials",
    "aws_region": "region",
    "aws_bucket": "uri",
    "aws_endpoint": "endpoint",
    "aws_virtual_hosted_style_request": "virtual_hosted",
    "allow_http": "allow_http",
    "timeout": "timeout_s",
    "connect_timeout": "connect_timeout_s",
    "max_retries": "max_retries",
}

EXTRA = frozenset(
    {
        "aws_unsigned_payload",
        "aws_checksum_algorithm",
        "aws_conditional_put",
        "aws_copy_if_not_exists",
        "aws_disable_tagging",
        "aws_s3_express",
        "aws_request_payer",
        "aws_server_side_encryption",
        "aws_sse_kms_key_id",
        "aws_sse_bucket_key_enabled",
        "aws_sse_customer_key_base64",
        "allow_invalid_certificates",
        "default_content_type",
        "http1_only",
        "http2_only",
        "http2_keep_alive_interval",
        "http2_keep_alive_timeout",
        "http2_keep_alive_while_idle",
        "http2_max_frame_size",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_url",
        "proxy_ca_certificate",
        "proxy_excludes",
        "randomize_addresses",
        "user_agent",
    }
)


def canonical_options(extra: Mapping[str, str]) -> dict[str, str]:
    """The options under their canonical names.

    Raises:
        UnknownOption: a key is none of object_store's, with the nearest right name.
        DuplicateOption: a key has a field of its own, or two keys are one setting.
    """
    options: dict[str, str] = {}
    for key, value in extra.items():
        name = _canonical(key)
        if name in TYPED:
            raise DuplicateOption(f"`extra` has {key!r}; the field `{TYPED[name]}` sets that.")
        if name in options:
            raise DuplicateOption(f"{key!r} sets {name!r}, which another key of `extra` sets too.")
        options[name] = value
    return options


def contradictions(options: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """The variables of the environment that deltalake would take beside `options`, by name.

    delta-rs reads every variable that is the name of a setting, with the prefix `AWS_` or without
    (`TOKEN`, `TIMEOUT`), unless the options have that setting.
    """
    given = {*options, "aws_bucket"}  # the URI has the bucket
    if options.get("aws_skip_signature") == "true":
        given |= {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
    return sorted(
        variable
        for variable in environ
        if (name := _known(variable)) is not None and name not in given
    )


def _canonical(key: str) -> str:
    name = _known(key)
    if name is None:
        candidates = [*EXTRA, *TYPED, *_ALIASES]
        near = difflib.get_close_matches(key.lower(), candidates, n=1, cutoff=0.6)
        raise UnknownOption(key, near[0] if near else None)
    return name


def _known(key: str) -> str | None:
    lowered = key.lower()
    for name in (lowered, f"aws_{lowered}", _ALIASES.get(lowered, "")):
        if name in EXTRA or name in TYPED:
            return name
    return None


_ALIASES = {
    "aws_default_region": "aws_region",
    "default_region": "aws_region",
    "aws_endpoint_url": "aws_endpoint",
    "aws_endpoint_url_s3": "aws_endpoint",
    "endpoint_url": "aws_endpoint",
    "aws_bucket_name": "aws_bucket",
    "bucket_name": "aws_bucket",
    "aws_token": "aws_session_token",
    "token": "aws_session_token",
    "aws_allow_http": "allow_http",
}
