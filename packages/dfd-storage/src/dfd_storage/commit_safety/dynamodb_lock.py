"""The lock of deltalake in DynamoDB, as releases up to 1.6.0 have it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dfd_storage.capabilities import installed_version
from dfd_storage.errors import UnsupportedSetting
from dfd_storage.fields import Text

LAST_WITH_LOCK = (1, 6, 0)
FIRST_WITHOUT_LOCK = "1.6.1"


class DynamoDBLock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of DynamoDB in which writers agree on the next version.

    Only deltalake up to 1.6.0 has it. Writers with the lock and writers without don't see each
    other.

    - `table`: its name; deltalake's default is `delta_log`.
    - `endpoint`, `region`: of DynamoDB; default: those of the store.
    """

    table: Annotated[str, msgspec.Meta(min_length=1)] = "delta_log"
    endpoint: Text | None = None
    region: Text | None = None


class LockUnsupported(UnsupportedSetting):
    """The installed deltalake has no lock any more, and would commit beside those that use it."""

    code = "lock_unsupported"

    def __init__(self, field: str, library: str, version: str) -> None:
        super().__init__(field, library, version)
        self.args = (
            f"{library} {version} has no DynamoDB lock: {FIRST_WITHOUT_LOCK} dropped it "
            "(delta-rs#4464). Its commits would not be coordinated with those of writers that use "
            "the lock, and each could overwrite the other's. Move all writers to conditional puts, "
            "or all to deltalake 1.6.0 or older.",
        )


def lock_options(lock: DynamoDBLock) -> dict[str, str]:
    """The options of deltalake's lock.

    Raises:
        LockUnsupported: the installed deltalake has none.
    """
    release = installed_version("deltalake")
    parts = tuple(int(part) for part in release.split(".")[:3] if part.isdigit())
    if parts > LAST_WITH_LOCK:
        raise LockUnsupported("commits", "deltalake", release)
    options = {"AWS_S3_LOCKING_PROVIDER": "dynamodb", "DELTA_DYNAMO_TABLE_NAME": lock.table}
    if lock.endpoint is not None:
        options["AWS_ENDPOINT_URL_DYNAMODB"] = lock.endpoint
    if lock.region is not None:
        options["AWS_REGION_DYNAMODB"] = lock.region
    return options
