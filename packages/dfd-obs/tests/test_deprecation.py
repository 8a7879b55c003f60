"""Old names of an observer's methods give what the new ones give, and warn."""

from __future__ import annotations

import pytest
from dfd_obs import ObservabilityConfig, Observer


def test_methods_of_an_observer() -> None:
    observer = Observer(ObservabilityConfig(record_sql="text"))
    with pytest.deprecated_call(match=r"`Observer\.recorded_sql` now") as warned:
        assert observer.statement("select 1") == observer.recorded_sql("select 1") == "select 1"
    assert warned[0].filename == __file__
    error = ValueError("no")
    with pytest.deprecated_call(match=r"`Observer\.describe_error` now"):
        assert observer.problem(error) == observer.describe_error(error) == "ValueError: no"
    observer.start_query("select 1").finish(rows=1)
    (record,) = observer.records
    with pytest.deprecated_call(match=r"`Observer\.record` now"):
        observer.keep(record)
    assert observer.records == (record, record)
