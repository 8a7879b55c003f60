"""Records: the newest of them, and never beyond their bytes."""

from __future__ import annotations

import msgspec
from dfd_obs import ObservabilityConfig, Observer, OperatorMetrics
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.integers(0, 6000)


def total(observer: Observer) -> int:
    records = (*observer.records, *observer.operations)
    return sum(len(msgspec.json.encode(record)) for record in records)


@given(st.lists(st.tuples(st.booleans(), SIZES, SIZES), max_size=30), st.integers(1, 20_000))
def test_bytes_are_never_exceeded(events: list[tuple[bool, int, int]], max_bytes: int) -> None:
    observer = Observer(
        ObservabilityConfig(slow_query_ms=0, record_sql="text", max_bytes=max_bytes)
    )
    for is_query, text, plan in events:
        if is_query:
            scope = observer.start_query(f"select '{'x' * text}'")
            detail = "y" * plan
            one = OperatorMetrics(depth=0, operator="FilterExec", detail=detail, metrics={})
            scope.finish(rows=0, operators=[one])
        else:
            with observer.operation("append", f"/data/{'t' * text}") as operation:
                operation.finish({"note": "z" * plan})
        assert total(observer) <= max_bytes


def test_statements_of_a_megabyte_are_cut() -> None:
    observer = Observer(ObservabilityConfig(record_sql="text", max_bytes=1_000_000))
    for _ in range(30):
        observer.start_query(f"select '{'x' * 1_000_000}'").finish(rows=0)
    assert 900_000 < total(observer) <= 1_000_000
    assert all(len(record.sql or "") <= 65536 for record in observer.records)


def test_the_oldest_go_first_whatever_they_are() -> None:
    observer = Observer(ObservabilityConfig(record_sql="text", max_bytes=2000))
    observer.operation("append", "/first").__enter__().finish({})
    for number in range(20):
        observer.start_query(f"select {number}").finish(rows=number)
    assert observer.operations == ()
    rows = [record.rows for record in observer.records]
    assert rows == list(range(20 - len(rows), 20))
    assert 2 <= len(rows) < 20


def test_a_record_without_room_for_its_plan_goes_without_it() -> None:
    observer = Observer(ObservabilityConfig(slow_query_ms=0, record_sql="text", max_bytes=3000))
    one = OperatorMetrics(depth=0, operator="FilterExec", detail="y" * 5000, metrics={})
    observer.start_query("select 1").finish(rows=0, operators=[one])
    (record,) = observer.records
    assert record.plan is None
    assert record.slow
