"""Buckets behind the S3 protocol."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

from dfd_storage.commit_safety import DynamoDBLock, Mechanism
from dfd_storage.commit_safety.dynamodb_lock import lock_options
from dfd_storage.credentials import (
    AmbientCredentials,
    AnonymousCredentials,
    AssumeRoleCredentials,
    CredentialCache,
    ProfileCredentials,
    ProviderCredentials,
    StaticCredentials,
    WebIdentityCredentials,
    aws,
)
from dfd_storage.credentials.cache import provider_cache
from dfd_storage.environment import s3_contradictions
from dfd_storage.fields import Text, check_url
from dfd_storage.options import S3, Keys
from dfd_storage.profile.base import register_kind
from dfd_storage.profile.encryption import Encryption
from dfd_storage.profile.issue import StorageIssue
from dfd_storage.profile.remote import RemoteProfile, is_address
from dfd_storage.render import (
    datafusion_store,
    duckdb_secret,
    obstore_store,
    pyarrow_filesystem,
)
from dfd_storage.render.object_store_options import s3_credentials

if TYPE_CHECKING:
    import pyarrow.fs
    from obstore.store import ObjectStore

_AWS = (".amazonaws.com", ".amazonaws.com.cn")


@register_kind
class S3Profile(RemoteProfile, frozen=True, kw_only=True, tag="s3", tag_field="kind"):
    """A bucket, or a prefix of one, behind the S3 protocol.

    - `region`: needed; stores that have none take any, `us-east-1` by default.
    - `endpoint`: URL of the service, without the bucket; None for AWS.
    - `credentials`: one variant; nothing is looked for anywhere else.
    - `virtual_hosted`: put the bucket into the host name. Default: no (path style).
    - `encryption`: by the server. Default: what the bucket says.
    - `commits`: what keeps concurrent commits apart: `"conditional_put"`, the default; a
      `DynamoDBLock`; or `"unsafe"`, nothing, with a single writer.
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

    def _resolve(self) -> StaticCredentials | AnonymousCredentials | dict[str, str]:
        return aws.resolve(self.credentials, self.region, self.timeout_s, self.ca_file)

    def static_credentials(self) -> StaticCredentials | None:
        """The key that signs now.

        None for nobody's, and for the machine's own that a library finds by itself.
        """
        found = self._resolve()
        return found if isinstance(found, StaticCredentials) else None

    def _own_options(self) -> dict[str, str]:
        options = {
            "aws_region": self.region,
            "aws_virtual_hosted_style_request": "true" if self.virtual_hosted else "false",
        }
        options |= s3_credentials(self._resolve())
        if self.endpoint is not None:
            options["aws_endpoint"] = self._endpoint_of_requests(self.endpoint)
        return options if self.encryption is None else options | self.encryption.options()

    def _endpoint_of_requests(self, endpoint: str) -> str:
        """The endpoint as object_store takes it, with the bucket in it for virtual hosts."""
        parts = urlsplit(endpoint)
        if not self.virtual_hosted or (parts.hostname or "").startswith(f"{self.bucket}."):
            return endpoint
        return parts._replace(netloc=f"{self.bucket}.{parts.netloc}").geturl()

    def to_deltalake_options(self) -> dict[str, str]:
        """The `storage_options` of deltalake; region, addressing and credentials always stand in.

        Raises:
            EnvironmentContradiction: variables like `AWS_SESSION_TOKEN` or `TIMEOUT` are set that
                deltalake would take beside these.
            LockUnsupported: the profile has a lock that this deltalake hasn't.
        """
        lock = lock_options(self.commits) if isinstance(self.commits, DynamoDBLock) else {}
        return RemoteProfile.to_deltalake_options(self) | lock

    def _contradictions(self, options: Collection[str], library: str) -> list[str]:
        has_lock = isinstance(self.commits, DynamoDBLock)
        return s3_contradictions(options, library, has_lock=has_lock)

    def _datafusion_store(self) -> Any:
        return datafusion_store.s3_store(
            self._connection,
            bucket=self.bucket,
            region=self.region,
            credentials=self._resolve(),
        )

    def _obstore_store(self) -> ObjectStore:
        return obstore_store.s3_store(self.bucket, self._prefix, self.options(), self._connection)

    def _pyarrow_filesystem(self) -> pyarrow.fs.FileSystem:
        return pyarrow_filesystem.s3_filesystem(
            self.uri,
            self._connection,
            region=self.region,
            virtual_hosted=self.virtual_hosted,
            credentials=self._resolve(),
        )

    def _duckdb_settings(self) -> duckdb_secret.Settings:
        return duckdb_secret.s3_settings(
            self.uri,
            self._connection,
            region=self.region,
            virtual_hosted=self.virtual_hosted,
            credentials=self._resolve(),
        )

    def store_uris(self) -> tuple[str, ...]:
        """The roots of the bucket under `s3` and `s3a`: two stores for DataFusion."""
        return (f"s3://{self.bucket}", f"s3a://{self.bucket}")

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism that `commits` says: `"conditional_put"`, `"dynamodb"` or `"unsafe"`."""
        if isinstance(self.commits, DynamoDBLock):
            return "dynamodb"
        return self.commits

    @property
    def needs_proof(self) -> bool:
        """Whether conditional puts are relied on, and the server is another than AWS's own."""
        if self.commits != "conditional_put" or self.endpoint is None:
            return False
        return not (urlsplit(self.endpoint).hostname or "").endswith(_AWS)

    def validate(self) -> list[StorageIssue]:
        """The issues of endpoint, addressing and what keeps commits apart."""
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
                    message="The certificate of AWS holds for one step before s3: not for a bucket "
                    "with dots.",
                    remedy="Set virtual_hosted = false.",
                )
            )
        if self.commits == "unsafe":
            issues.append(
                StorageIssue(
                    code="unsafe_commits",
                    severity="warning",
                    message="Nothing keeps concurrent commits apart: a second writer's vanish, or "
                    "the first's.",
                    remedy="Write from one process alone, or use a store with conditional puts.",
                )
            )
        if isinstance(self.commits, DynamoDBLock):
            issues += self._lock_issues(self.commits)
        if self.commits != "unsafe" and self.extra.get("aws_conditional_put") == "disabled":
            issues.append(
                StorageIssue(
                    code="conditional_put_disabled",
                    severity="error",
                    message="`aws_conditional_put = disabled` takes away what keeps commits apart; "
                    "they fail.",
                    remedy="Leave it out.",
                )
            )
        return issues

    def _lock_issues(self, lock: DynamoDBLock) -> list[StorageIssue]:
        issues = []
        if lock.endpoint is None and self.endpoint is not None:
            issues.append(
                StorageIssue(
                    code="lock_endpoint",
                    severity="error",
                    message="The lock has no endpoint of its own, so that deltalake asks the "
                    "store's for DynamoDB.",
                    remedy="Set `endpoint` of the lock to that of DynamoDB.",
                )
            )
        elif lock.endpoint is not None and self.endpoint is None:
            issues.append(
                StorageIssue(
                    code="lock_endpoint",
                    severity="warning",
                    message="The store is AWS's own and the lock is elsewhere: other writers may "
                    "use another lock.",
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
