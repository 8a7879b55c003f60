"""The lock is said to a deltalake that has it, and refused to one that hasn't."""

from __future__ import annotations

import pytest
from dfd_storage import DynamoDBLock, LockUnsupported
from dfd_storage.commit_safety import dynamodb_lock


@pytest.mark.parametrize(
    ("release", "has_lock"), [("1.5.9", True), ("1.6.0", True), ("1.6.1", False), ("2.0.0", False)]
)
def test_releases(release: str, has_lock: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # No deltalake with the lock can be installed beside the one of the tests.
    monkeypatch.setattr(dynamodb_lock, "installed_version", lambda _: release)
    lock = DynamoDBLock(table="locks", endpoint="https://d", region="r")
    if has_lock:
        assert dynamodb_lock.lock_options(lock) == {
            "AWS_S3_LOCKING_PROVIDER": "dynamodb",
            "DELTA_DYNAMO_TABLE_NAME": "locks",
            "AWS_ENDPOINT_URL_DYNAMODB": "https://d",
            "AWS_REGION_DYNAMODB": "r",
        }
        return
    with pytest.raises(LockUnsupported, match=r"1\.6\.1 dropped") as caught:
        dynamodb_lock.lock_options(lock)
    assert (caught.value.field, caught.value.version) == ("commits", release)
