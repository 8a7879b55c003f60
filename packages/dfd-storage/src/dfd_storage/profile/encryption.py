"""Encryption by the server of a bucket behind the S3 protocol."""

from __future__ import annotations

from typing import Literal

import msgspec

from dfd_storage.credentials import Secret
from dfd_storage.credentials.secret import require_base64
from dfd_storage.errors import InvalidProfile
from dfd_storage.fields import Text, check_fields


class Encryption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Encryption of objects by the server.

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
                "`customer_key` belongs to the encryption 'sse-c', and it needs one.",
                "Give both, or neither.",
                field="customer_key",
            )
        if self.customer_key is not None:
            require_base64(self.customer_key, "customer_key")
        if self.type in ("AES256", "sse-c") and (self.kms_key_id or self.bucket_key is not None):
            raise InvalidProfile(
                "`kms_key_id` and `bucket_key` belong to encryption with KMS.",
                "Leave them out, or take a type with KMS.",
                field="kms_key_id" if self.kms_key_id else "bucket_key",
            )

    def options(self) -> dict[str, str]:
        """The options of object_store that ask for it."""
        options: dict[str, str] = {"aws_server_side_encryption": self.type}
        if self.kms_key_id is not None:
            options["aws_sse_kms_key_id"] = self.kms_key_id
        if self.bucket_key is not None:
            options["aws_sse_bucket_key_enabled"] = str(self.bucket_key).lower()
        if self.customer_key is not None:
            options["aws_sse_customer_key_base64"] = self.customer_key.reveal()
        return options
