"""Buckets behind the S3 protocol."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec

from dfd_storage.capabilities import installed_version
from dfd_storage.commit_safety import DynamoDBLock, Mechanism
from dfd_storage.commit_safety.dynamodb_lock import lock_options
from dfd_storage.credentials import (
    AmbientCredentials,
    AnonymousCredentials,
    AssumeRoleCredentials,
    ProfileCredentials,
    ProviderCredentials,
    Secret,
    StaticCredentials,
    WebIdentityCredentials,
    aws,
)
from dfd_storage.credentials.cache import CredentialCache, provider_cache
from dfd_storage.credentials.secret import require_base64
from dfd_storage.environment import OF_DELTALAKE_S3, contradictions
from dfd_storage.errors import InvalidProfile, UnsupportedSetting
from dfd_storage.fields import Text, check_fields, check_url
from dfd_storage.issue import StorageIssue
from dfd_storage.options import S3, Keys
from dfd_storage.profile import register_kind
from dfd_storage.remote import RemoteProfile, is_address

_AWS = (".amazonaws.com", ".amazonaws.com.cn")


class Encryption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Encryption by the server.

    - `type`: `AES256`, `aws:kms`, `aws:kms:dsse`, or `sse-c` with a `customer_key` in base64.
    - `kms_key_id`, `bucket_key`: of the two with KMS.
    """

    type: Literal["AES256", "aws:kms", "aws:kms:dsse", "sse-c"]
    kms_key_id: Text | None = None
    bucket_key: bool | None = None
    customer_key: Secret | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.type == "sse-c") != (self.customer_key is not None):
            raise InvalidProfile(
                "`customer_key` belongs to the encryption 'sse-c', and it needs one."
            )
        if self.customer_key is not None:
            require_base64(self.customer_key, "customer_key")
        if self.type in ("AES256", "sse-c") and (self.kms_key_id or self.bucket_key is not None):
            raise InvalidProfile("`kms_key_id` and `bucket_key` belong to encryption with KMS.")


@register_kind
class S3Profile(RemoteProfile, frozen=True, kw_only=True, tag="s3", tag_field="kind"):
    """A bucket, or a prefix of one, behind the S3 protocol.

    - `region`: needed; stores that have none take any, `us-east-1` by default.
    - `endpoint`: URL of the service, without the bucket; None for AWS.
    - `credentials`: one variant; nothing is looked for anywhere else.
    - `virtual_hosted`: put the bucket into the host name. Default: no (path style).
    - `encryption`: by the server. Default: what the bucket says.
    - `commits`: what keeps concurrent commits apart: `"conditional_put"`, the default; a `DynamoDBLock`; or
      `"unsafe"`, nothing, with a single writer.
    """

    schemes: ClassVar[tuple[str, ...]] = ("s3",)
    keys: ClassVar[Keys] = S3
    credentials: (
        StaticCredentials
        | ProfileCredentials
        | AssumeRoleCredentials
        | WebIdentityCredentials
        | AnonymousCredentials
        | AmbientCredentials
        | ProviderCredentials
    )
    region: Text = "us-east-1"
    endpoint: Text | None = None
    virtual_hosted: bool = False
    encryption: Encryption | None = None
    commits: Literal["conditional_put", "unsafe"] | DynamoDBLock = "conditional_put"

    def __post_init__(self) -> None:
        RemoteProfile.__post_init__(self)
        if self.endpoint is not None:
            check_url(self.endpoint, "endpoint")

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.removeprefix("s3://").partition("/")[0]

    def _credential_cache(self) -> CredentialCache | None:
        match self.credentials:
            case ProviderCredentials() as provider:
                return provider_cache(provider)
            case AssumeRoleCredentials() | WebIdentityCredentials() as role:
                return aws.role_cache(role, self.region, self.timeout_s, self.ca_file)
        return None

    def _explicit(self) -> StaticCredentials | AnonymousCredentials | dict[str, str]:
        return aws.resolve(self.credentials, self.region, self.timeout_s, self.ca_file)

    def static_credentials(self) -> StaticCredentials | None:
        """The key that signs now; None for nobody's, and for the machine's own that a library finds."""
        found = self._explicit()
        return found if isinstance(found, StaticCredentials) else None

    def _own_options(self) -> dict[str, str]:
        options = {
            "aws_region": self.region,
            "aws_virtual_hosted_style_request": "true" if self.virtual_hosted else "false",
        }
        match self._explicit():
            case StaticCredentials(key, secret, token):
                options["aws_access_key_id"] = key
                options["aws_secret_access_key"] = secret.reveal()
                if token is not None:
                    options["aws_session_token"] = token.reveal()
            case AnonymousCredentials():
                options["aws_skip_signature"] = "true"
            case dict() as found:
                options |= found
        if self.endpoint is not None:
            options["aws_endpoint"] = self._endpoint_of_requests(self.endpoint)
        if self.encryption is not None:
            options["aws_server_side_encryption"] = self.encryption.type
            if self.encryption.kms_key_id is not None:
                options["aws_sse_kms_key_id"] = self.encryption.kms_key_id
            if self.encryption.bucket_key is not None:
                options["aws_sse_bucket_key_enabled"] = str(self.encryption.bucket_key).lower()
            if self.encryption.customer_key is not None:
                options["aws_sse_customer_key_base64"] = self.encryption.customer_key.reveal()
        return options

    def _endpoint_of_requests(self, endpoint: str) -> str:
        """object_store takes the endpoint of virtual-hosted requests with the bucket in it."""
        parts = urlsplit(endpoint)
        if not self.virtual_hosted or (parts.hostname or "").startswith(f"{self.bucket}."):
            return endpoint
        return parts._replace(netloc=f"{self.bucket}.{parts.netloc}").geturl()

    def to_deltalake_options(self) -> dict[str, str]:
        """deltalake's `storage_options`: region, addressing and credentials always stand in them.

        Raises:
            EnvironmentContradiction: variables like `AWS_SESSION_TOKEN` or `TIMEOUT` are set that
                deltalake would take beside these.
            LockUnsupported: the profile has a lock that this deltalake hasn't.
        """
        lock = lock_options(self.commits) if isinstance(self.commits, DynamoDBLock) else {}
        return RemoteProfile.to_deltalake_options(self) | lock

    def _contradictions(self, options: Collection[str], library: str) -> list[str]:
        harmless = {
            "aws_bucket",
            "aws_default_region",
        }  # the URI has the one, `region` goes before the other
        if "aws_skip_signature" in options or "aws_access_key_id" not in options:
            # Nobody signs, or the library looks for the machine's own, and variables are part of that.
            harmless |= {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
        if library == "datafusion":
            return contradictions(S3, options, os.environ, prefix="AWS_", harmless=harmless)
        lock = {"AWS_S3_LOCKING_PROVIDER"} if isinstance(self.commits, DynamoDBLock) else set()
        return contradictions(
            S3, options, os.environ, exact=OF_DELTALAKE_S3 - lock, harmless=harmless
        )

    def _datafusion_store(self, stores: Any) -> Any:
        """DataFusion's `AmazonS3`; timeouts, retries, `extra` and anonymity can't be said to it."""
        found = self._explicit()
        if isinstance(found, AnonymousCredentials):
            raise UnsupportedSetting("credentials", "datafusion", installed_version("datafusion"))
        key = found if isinstance(found, StaticCredentials) else None
        token = None if key is None else key.session_token
        return stores.AmazonS3(
            bucket_name=self.bucket,
            region=self.region,
            access_key_id=None if key is None else key.access_key_id,
            secret_access_key=None if key is None else key.secret_access_key.reveal(),
            session_token=None if token is None else token.reveal(),
            endpoint=self.endpoint,
            allow_http=self.allow_http,
        )

    def store_uris(self) -> tuple[str, ...]:
        """`s3://` and `s3a://`: two stores for DataFusion."""
        return (f"s3://{self.bucket}", f"s3a://{self.bucket}")

    @property
    def mechanism(self) -> Mechanism:
        """As `commits` says."""
        if isinstance(self.commits, DynamoDBLock):
            return "dynamodb"
        return self.commits

    @property
    def needs_proof(self) -> bool:
        """Any server but AWS's own."""
        if self.commits != "conditional_put" or self.endpoint is None:
            return False
        return not (urlsplit(self.endpoint).hostname or "").endswith(_AWS)

    def validate(self) -> list[StorageIssue]:
        """Findings about endpoint, addressing and what keeps commits apart."""
        issues = RemoteProfile.validate(self) + self._plain_http(self.endpoint)
        host = urlsplit(self.endpoint or "").hostname or ""
        if self.virtual_hosted and is_address(host):
            issues.append(
                StorageIssue(
                    code="virtual_host_of_address",
                    severity="error",
                    message="A bucket can't be put before an IP address as a host name.",
                    remedy="Set virtual_hosted = false, or use the server's host name.",
                )
            )
        if self.virtual_hosted and "." in self.bucket and self.endpoint is None:
            issues.append(
                StorageIssue(
                    code="virtual_host_of_dots",
                    severity="warning",
                    message="The certificate of AWS holds for one step before s3: not for a bucket with dots.",
                    remedy="Set virtual_hosted = false.",
                )
            )
        if self.commits == "unsafe":
            issues.append(
                StorageIssue(
                    code="unsafe_commits",
                    severity="warning",
                    message="Nothing keeps concurrent commits apart: a second writer's vanish, or the first's.",
                    remedy="Write from one process alone, or use a store with conditional puts.",
                )
            )
        if isinstance(self.commits, DynamoDBLock):
            issues += self._of_lock(self.commits)
        if self.commits != "unsafe" and self.extra.get("aws_conditional_put") == "disabled":
            issues.append(
                StorageIssue(
                    code="conditional_put_disabled",
                    severity="error",
                    message="`aws_conditional_put = disabled` takes away what keeps commits apart; they fail.",
                    remedy="Leave it out.",
                )
            )
        return issues

    def _of_lock(self, lock: DynamoDBLock) -> list[StorageIssue]:
        issues = []
        if lock.endpoint is None and self.endpoint is not None:
            issues.append(
                StorageIssue(
                    code="lock_endpoint",
                    severity="error",
                    message="The lock has no endpoint of its own, so that deltalake asks the store's for DynamoDB.",
                    remedy="Set `endpoint` of the lock to that of DynamoDB.",
                )
            )
        elif lock.endpoint is not None and self.endpoint is None:
            issues.append(
                StorageIssue(
                    code="lock_endpoint",
                    severity="warning",
                    message="The store is AWS's own and the lock is elsewhere: other writers may use another lock.",
                    remedy="Leave out the lock's endpoint, or give the store's.",
                )
            )
        if (lock.region or self.region) != self.region:
            issues.append(
                StorageIssue(
                    code="lock_region",
                    severity="warning",
                    message="Lock and store are in different regions.",
                    remedy="All writers of a table need the same lock; look at theirs.",
                )
            )
        return issues + self._plain_http(lock.endpoint)
