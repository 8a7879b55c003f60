"""Directories of this machine."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake
from dfd_storage import (
    StorageProfile,
)


def test_local_profile_serves_both_libraries(tmp_path: Path) -> None:
    directory = tmp_path / "a b%c ä"
    profile = StorageProfile.from_uri(directory)
    table = pa.table({"n": [1, 2]})
    write_deltalake(profile.uri, table, storage_options=profile.to_deltalake_options())
    assert DeltaTable(profile.uri).version() == 0
    assert list(directory.glob("*.parquet"))
    context = SessionContext()
    profile.register(context)
    (tmp_path / "plain").mkdir()
    pq.write_table(table, tmp_path / "plain/x.parquet")
    context.register_parquet("t", f"file://{tmp_path}/plain/")
    assert context.sql("select sum(n) as s from t").to_pydict() == {"s": [3]}
