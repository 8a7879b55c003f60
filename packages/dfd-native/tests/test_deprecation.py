"""Old names give what the new ones give, and warn."""

from __future__ import annotations

from pathlib import Path

import deltalake
import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionContext
from dfd_native import lossy, pickled, plan_roundtrip, udf_pickling


@pytest.fixture
def uri(tmp_path: Path) -> str:
    deltalake.write_deltalake(tmp_path / "t", pa.table({"id": [1]}))
    return (tmp_path / "t").as_uri()


def test_refreshed(uri: str) -> None:
    with pytest.deprecated_call(match="`dfd_native.refresh` now") as warned:
        assert dfd_native.refreshed([dfd_native.delta_table(uri)]) == [None]
    assert warned[0].filename == __file__


def test_fallback(uri: str) -> None:
    with pytest.deprecated_call(match="always None") as warned:
        assert dfd_native.delta_table(uri).fallback is None
    assert warned[0].filename == __file__


def test_keywords(uri: str) -> None:
    with pytest.deprecated_call(match="`parquet_metadata_limit_bytes` now"):
        engine = dfd_native.Engine(**{"footer_cache_bytes": 0})
    with pytest.deprecated_call(match="`profile_name` now") as warned:
        assert dfd_native.delta_table(uri, **{"profile": "p"}).version == 0
    assert warned[0].filename == __file__
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    plan = session.sql("select 1 as a").optimized_logical_plan()
    with pytest.deprecated_call(match="`session_context` now"):
        run = engine.run(plan, **{"session": session})
    assert pa.table(run).to_pydict() == {"a": [1]}


def test_commit(uri: str) -> None:
    with pytest.deprecated_call(match="`commit_files` makes them") as warned:
        dfd_native.commit(uri, version=1, actions=b'{"commitInfo":{}}\n')
    assert warned[0].filename == __file__
    with pytest.deprecated_call(), pytest.raises(FileExistsError):
        dfd_native.commit(uri, version=1, actions=b"{}")
    log = Path(uri.removeprefix("file://")) / "_delta_log"
    assert (log / f"{1:020}.json").read_bytes() == b'{"commitInfo":{}}\n'


def test_both_keywords_are_refused() -> None:
    with pytest.raises(TypeError, match="one argument"):
        dfd_native.Engine(parquet_metadata_limit_bytes=0, **{"footer_cache_bytes": 0})


def test_modules() -> None:
    with pytest.deprecated_call(match="plan_roundtrip"):
        assert lossy.lost is plan_roundtrip.unsupported
    with pytest.deprecated_call(match="udf_pickling"):
        assert pickled.captured is udf_pickling.captured_state
    with pytest.raises(AttributeError, match="nothing"):
        lossy.nothing  # noqa: B018
