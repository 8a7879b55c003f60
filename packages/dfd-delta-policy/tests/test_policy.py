"""Bounds of retries."""

from __future__ import annotations

import random
from typing import Any

import pytest
from dfd_delta_policy import Conflict, DeltaRetryPolicy, InvalidPolicy, RetryBounds
from hypothesis import given
from hypothesis import strategies as st

SECONDS = st.floats(0, 1000)


@given(SECONDS, SECONDS, st.integers(0), st.integers(1, 20))
def test_waits_stay_between_base_and_cap(a: float, b: float, seed: int, count: int) -> None:
    policy = DeltaRetryPolicy(base_s=min(a, b), cap_s=max(a, b))
    chance = random.Random(seed)
    wait: float | None = None
    for _ in range(count):
        before, wait = wait, policy.next_wait_s(wait, chance.uniform)
        assert policy.base_s <= wait <= policy.cap_s
        assert wait <= max(policy.base_s, 3 * (policy.base_s if before is None else before))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attempts", 0),
        ("attempts", 2.5),
        ("attempts", True),
        ("timeout_s", -1),
        ("timeout_s", float("inf")),
        ("base_s", "1"),
        ("cap_s", 0.01),
        ("on_metadata_change", "ignore"),
        ("never_retry", {"NoSuchException"}),
        ("operations", {"mend": {"attempts": 2}}),
        ("operations", {"merge": {"tries": 2}}),
    ],
)
def test_refuses_and_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidPolicy, match=field):
        DeltaRetryPolicy(**{field: value})


def test_every_conflict_is_either_retryable_or_fatal() -> None:
    policy = DeltaRetryPolicy()
    assert policy.retryable | policy.fatal == frozenset(Conflict)
    assert not policy.retryable & policy.fatal
    assert {str(conflict) for conflict in policy.fatal} == {
        "MetadataChangedException",
        "ProtocolChangedException",
        "DeltaUnsupportedOperationException",
    }


def test_a_policy_may_replan_and_may_end_sooner() -> None:
    policy = DeltaRetryPolicy(
        on_metadata_change="replan", never_retry=frozenset({Conflict.CONCURRENT_WRITE})
    )
    assert policy.fatal == {Conflict.APPEND_ONLY, Conflict.CONCURRENT_WRITE}
    assert policy.retryable == frozenset(Conflict) - policy.fatal
    assert DeltaRetryPolicy(never_retry=["ConcurrentWriteException"]).never_retry == {  # type: ignore[arg-type]
        Conflict.CONCURRENT_WRITE
    }


def test_an_operation_may_have_bounds_of_its_own() -> None:
    policy = DeltaRetryPolicy(attempts=3, operations={"merge": {"attempts": 20, "cap_s": 9.0}})  # type: ignore[dict-item]
    merge = policy.bounds_of("merge")
    assert (merge.attempts, merge.cap_s, merge.timeout_s) == (20, 9.0, policy.timeout_s)
    assert policy.bounds_of("append") is policy
    with pytest.raises(InvalidPolicy, match="attempts"):
        DeltaRetryPolicy(operations={"merge": RetryBounds(attempts=0)})
