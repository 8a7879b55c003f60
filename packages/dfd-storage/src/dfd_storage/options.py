"""Options of object_store 0.13 by cloud: names, other names, and the field that sets each.

Source: `AmazonS3ConfigKey`, `AzureConfigKey`, `GoogleConfigKey` and `ClientConfigKey` of
object_store 0.13.2, and the retry options that delta-rs has beside them. A key that a typed field
sets is refused in `extra`: each setting has one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dfd_storage.errors import DuplicateOption, UnknownOption

CLIENT_TYPED = {
    "allow_http": "allow_http",
    "timeout": "timeout_s",
    "connect_timeout": "connect_timeout_s",
    "proxy_url": "proxy_url",
    "max_retries": "max_retries",
    "retry_timeout": "retry_timeout_s",
}
CLIENT_EXTRA = frozenset(
    {
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
        "proxy_ca_certificate",
        "proxy_excludes",
        "randomize_addresses",
        "user_agent",
    }
)
# Of delta-rs, not of object_store: the environment doesn't set them.
RETRIES = frozenset({"max_retries", "retry_timeout"})


class Keys(NamedTuple):
    """The options of one kind of storage.

    - `typed`: by canonical name, the field that sets it.
    - `extra`: canonical names that `extra` takes.
    - `aliases`: further names, by the canonical one.
    - `prefix`: what a client key may have in front.
    - `chain`: keys that only matter while no key is given, so that the environment may have them.
    """

    typed: Mapping[str, str]
    extra: frozenset[str]
    aliases: Mapping[str, str]
    prefix: str
    chain: frozenset[str] = frozenset()

    def known(self, key: str) -> str | None:
        """The canonical name of a key in any spelling; None for what is no option."""
        lowered = key.lower()
        if lowered in self.aliases:
            return self.aliases[lowered]
        for name in (lowered, lowered.removeprefix(self.prefix) if self.prefix else lowered):
            if name in self.typed or name in self.extra:
                return name
        return None

    def names(self) -> list[str]:
        """Every name that is accepted somewhere."""
        return sorted({*self.typed, *self.extra, *self.aliases})


def _aliases(names: Mapping[str, str]) -> dict[str, str]:
    return {alias: name for name, listed in names.items() for alias in listed.split()}


S3 = Keys(
    typed={
        "aws_access_key_id": "credentials",
        "aws_secret_access_key": "credentials",
        "aws_session_token": "credentials",
        "aws_skip_signature": "credentials",
        "aws_role_arn": "credentials",
        "aws_role_session_name": "credentials",
        "aws_web_identity_token_file": "credentials",
        "aws_endpoint_url_sts": "credentials",
        "aws_container_credentials_relative_uri": "credentials",
        "aws_container_credentials_full_uri": "credentials",
        "aws_container_authorization_token_file": "credentials",
        "aws_region": "region",
        "aws_default_region": "region",
        "aws_bucket": "uri",
        "aws_endpoint": "endpoint",
        "aws_endpoint_url_s3": "endpoint",
        "aws_virtual_hosted_style_request": "virtual_hosted",
        "aws_server_side_encryption": "encryption",
        "aws_sse_kms_key_id": "encryption",
        "aws_sse_bucket_key_enabled": "encryption",
        "aws_sse_customer_key_base64": "encryption",
        **CLIENT_TYPED,
    },
    extra=CLIENT_EXTRA
    | {
        "aws_unsigned_payload",
        "aws_checksum_algorithm",
        "aws_conditional_put",
        "aws_copy_if_not_exists",
        "aws_disable_tagging",
        "aws_s3_express",
        "aws_request_payer",
        "aws_imdsv1_fallback",
        "aws_metadata_endpoint",
    },
    aliases=_aliases(
        {
            "aws_access_key_id": "access_key_id",
            "aws_secret_access_key": "secret_access_key",
            "aws_session_token": "aws_token session_token token",
            "aws_skip_signature": "skip_signature",
            "aws_role_arn": "role_arn",
            "aws_role_session_name": "role_session_name",
            "aws_web_identity_token_file": "web_identity_token_file",
            "aws_endpoint_url_sts": "endpoint_url_sts",
            "aws_container_credentials_relative_uri": "container_credentials_relative_uri",
            "aws_container_credentials_full_uri": "container_credentials_full_uri",
            "aws_container_authorization_token_file": "container_authorization_token_file",
            "aws_region": "region",
            "aws_default_region": "default_region",
            "aws_bucket": "aws_bucket_name bucket_name bucket",
            "aws_endpoint": "aws_endpoint_url endpoint_url endpoint",
            "aws_virtual_hosted_style_request": "virtual_hosted_style_request",
            "aws_server_side_encryption": "server_side_encryption",
            "aws_sse_kms_key_id": "sse_kms_key_id",
            "aws_sse_bucket_key_enabled": "sse_bucket_key_enabled",
            "aws_sse_customer_key_base64": "sse_customer_key_base64",
            "aws_unsigned_payload": "unsigned_payload",
            "aws_checksum_algorithm": "checksum_algorithm",
            "aws_conditional_put": "conditional_put",
            "aws_copy_if_not_exists": "copy_if_not_exists",
            "aws_disable_tagging": "disable_tagging",
            "aws_s3_express": "s3_express",
            "aws_request_payer": "request_payer",
            "aws_imdsv1_fallback": "imdsv1_fallback",
            "aws_metadata_endpoint": "metadata_endpoint",
        }
    ),
    prefix="aws_",
    chain=frozenset(
        {
            "aws_role_arn",
            "aws_role_session_name",
            "aws_web_identity_token_file",
            "aws_endpoint_url_sts",
            "aws_container_credentials_relative_uri",
            "aws_container_credentials_full_uri",
            "aws_container_authorization_token_file",
            "aws_imdsv1_fallback",
            "aws_metadata_endpoint",
        }
    ),
)

AZURE = Keys(
    typed={
        "azure_storage_account_name": "account",
        "azure_storage_account_key": "credentials",
        "azure_storage_client_id": "credentials",
        "azure_storage_client_secret": "credentials",
        "azure_storage_tenant_id": "credentials",
        "azure_storage_authority_host": "credentials",
        "azure_storage_sas_key": "credentials",
        "azure_storage_token": "credentials",
        "azure_msi_endpoint": "credentials",
        "azure_object_id": "credentials",
        "azure_msi_resource_id": "credentials",
        "azure_federated_token_file": "credentials",
        "azure_use_azure_cli": "credentials",
        "azure_skip_signature": "credentials",
        "azure_storage_use_emulator": "emulator",
        "azure_storage_endpoint": "endpoint",
        "azure_container_name": "uri",
        "azure_use_fabric_endpoint": "uri",
        **CLIENT_TYPED,
    },
    extra=CLIENT_EXTRA
    | {
        "azure_disable_tagging",
        "azure_fabric_token_service_url",
        "azure_fabric_workload_host",
        "azure_fabric_session_token",
        "azure_fabric_cluster_identifier",
    },
    aliases=_aliases(
        {
            "azure_storage_account_name": "account_name",
            "azure_storage_account_key": "azure_storage_access_key azure_storage_master_key master_key account_key access_key",
            "azure_storage_client_id": "azure_client_id client_id",
            "azure_storage_client_secret": "azure_client_secret client_secret",
            "azure_storage_tenant_id": "azure_storage_authority_id azure_tenant_id azure_authority_id tenant_id authority_id",
            "azure_storage_authority_host": "azure_authority_host authority_host",
            "azure_storage_sas_key": "azure_storage_sas_token sas_key sas_token",
            "azure_storage_token": "bearer_token token",
            "azure_storage_use_emulator": "use_emulator",
            "azure_storage_endpoint": "azure_endpoint endpoint",
            "azure_msi_endpoint": "azure_identity_endpoint identity_endpoint msi_endpoint",
            "azure_object_id": "object_id",
            "azure_msi_resource_id": "msi_resource_id",
            "azure_federated_token_file": "federated_token_file",
            "azure_use_fabric_endpoint": "use_fabric_endpoint",
            "azure_use_azure_cli": "use_azure_cli",
            "azure_skip_signature": "skip_signature",
            "azure_container_name": "container_name",
            "azure_disable_tagging": "disable_tagging",
            "azure_fabric_token_service_url": "fabric_token_service_url",
            "azure_fabric_workload_host": "fabric_workload_host",
            "azure_fabric_session_token": "fabric_session_token",
            "azure_fabric_cluster_identifier": "fabric_cluster_identifier",
        }
    ),
    prefix="azure_",
)

GCS = Keys(
    typed={
        "google_service_account": "credentials",
        "google_service_account_key": "credentials",
        "google_application_credentials": "credentials",
        "google_skip_signature": "credentials",
        "google_bucket": "uri",
        "google_base_url": "endpoint",
        **CLIENT_TYPED,
    },
    extra=CLIENT_EXTRA,
    aliases=_aliases(
        {
            "google_service_account": "service_account google_service_account_path service_account_path",
            "google_service_account_key": "service_account_key",
            "google_application_credentials": "application_credentials",
            "google_skip_signature": "skip_signature",
            "google_bucket": "google_bucket_name bucket bucket_name",
            "google_base_url": "base_url",
        }
    ),
    prefix="google_",
)

HTTP = Keys(typed=CLIENT_TYPED, extra=CLIENT_EXTRA, aliases={}, prefix="")


def canonical_options(keys: Keys, extra: Mapping[str, str]) -> dict[str, str]:
    """The given options under their canonical names.

    Raises:
        UnknownOption: a key is none of this kind's, with the nearest right name.
        DuplicateOption: a key has a field of its own, or two keys are one setting.
    """
    options: dict[str, str] = {}
    for key, value in extra.items():
        name = keys.known(key)
        if name is None:
            import difflib

            near = difflib.get_close_matches(key.lower(), keys.names(), n=1, cutoff=0.6)
            raise UnknownOption(key, near[0] if near else None, field="extra")
        if name in keys.typed:
            raise DuplicateOption(
                f"`extra` has {key!r}, which the field `{keys.typed[name]}` sets.",
                "Set the field alone.",
                key=key,
                field="extra",
            )
        if name in options:
            raise DuplicateOption(
                f"{key!r} sets {name!r}, which another key of `extra` sets too.",
                "Leave one of them out.",
                key=key,
                field="extra",
            )
        options[name] = value
    return options
