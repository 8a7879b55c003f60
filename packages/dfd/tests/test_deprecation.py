"""Old keywords work for one release, and warn."""

from __future__ import annotations

import dfd
import pytest


def test_connect() -> None:
    wanted = dfd.DataFusionRuntimeProfile(session={"datafusion.execution.batch_size": "7"})
    with pytest.deprecated_call(match="`runtime_profile` now") as warned:
        runtime = dfd.connect(profile=wanted)
    assert warned[0].filename == __file__
    assert runtime.profile.session == wanted.session


def test_a_runtime() -> None:
    wanted = dfd.DataFusionRuntimeProfile()
    with pytest.deprecated_call(match="`runtime_profile` now"):
        assert dfd.Runtime(**{"profile": wanted}).profile is wanted


def test_a_query(runtime: dfd.Runtime) -> None:
    made = runtime.sql("select 1 as a")
    with pytest.deprecated_call(match="`session_context` now"):
        query = dfd.Query(
            made.dataframe,
            runtime.observer,
            "select 1 as a",
            engine=runtime.engine,
            is_sql=True,
            **{"session": runtime.session},
        )
    assert query.to_arrow_table().to_pydict() == {"a": [1]}
