"""A writer is refused where commits overwrite one another, and warned where nothing is shown."""

from __future__ import annotations

import logging

import pytest
from dfd_storage import CommitSafety, MissingDependency, UnsafeStorage
from dfd_storage.commit_safety.requirement import Store, remember, require_safe_commits
from dfd_storage.commit_safety.verdict import Mechanism


def verdict(*, safe: bool) -> CommitSafety:
    return CommitSafety(
        location="s3://b/x",
        safe=safe,
        mechanism="conditional_put",
        second_put_refused=safe,
        winners=1,
        racers=8,
    )


def test_a_store_is_its_endpoint_and_bucket() -> None:
    store = Store.of("s3://b/t", "https://h")
    assert store == Store.of("s3://b/other/t", "https://h")
    assert store not in (Store.of("s3://c/t", "https://h"), Store.of("s3://b/t", None))


def test_the_verdict_on_a_store_holds_for_its_tables() -> None:
    store = Store.of("s3://unsafe/t", "https://h")
    remember(store, verdict(safe=False))
    for probe in (None, lambda: pytest.fail("known")):
        with pytest.raises(UnsafeStorage, match="ignores If-None-Match") as caught:
            require_safe_commits(
                "s3://unsafe/t/1", "s3://unsafe/t", "conditional_put", store, probe
            )
        assert caught.value.location == "s3://unsafe/t"
    remember(store, verdict(safe=True))
    require_safe_commits("s3://unsafe/t/1", "s3://unsafe/t", "conditional_put", store, None)


def test_what_cannot_be_probed_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    store = Store.of("s3://unproven/t", "https://h")

    def probe() -> CommitSafety:
        raise MissingDependency("obstore")

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            require_safe_commits(
                "s3://unproven/t", "s3://unproven", "conditional_put", store, probe
            )
    assert [record.args[0] for record in caplog.records] == ["s3://unproven"]  # type: ignore[index]


@pytest.mark.parametrize(("mechanism", "is_refused"), [("none", True), ("dynamodb", False)])
def test_other_mechanisms_are_not_probed(mechanism: Mechanism, is_refused: bool) -> None:
    def require() -> None:
        store = Store.of("s3://other/t", None)
        require_safe_commits("s3://other/t", "s3://other", mechanism, store, pytest.fail)

    if is_refused:
        with pytest.raises(UnsafeStorage, match="nothing can be written"):
            require()
    else:
        require()
