"""Who opens tables: dfd on its routes, plain Parquet, and the peers. Each gives a query of the open table."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

Ask = Callable[[str], pa.Table]
Options = dict[str, str]


class Unavailable(Exception):
    """A candidate that can't do it, and why."""


def _runtime(uri: str, options: Options, pinned: bool) -> Ask:
    import dfd
    from dfd_storage import S3Profile, Secret, StaticCredentials

    storage = []
    if options:
        secret = Secret(options["aws_secret_access_key"])
        storage.append(
            S3Profile(
                uri=f"s3://{urlsplit(uri).netloc}",
                endpoint=options["aws_endpoint"],
                allow_http=True,
                credentials=StaticCredentials(options["aws_access_key_id"], secret),
            )
        )
    runtime = dfd.connect(storage=storage)
    runtime.register("t", uri, pinned=pinned)
    return lambda sql: runtime.sql(sql).to_arrow_table()


def dfd_engine(uri: str, options: Options) -> Ask:
    return _runtime(uri, options, pinned=False)


def dfd_pinned(uri: str, options: Options) -> Ask:
    return _runtime(uri, options, pinned=True)


def dfd_leaf(uri: str, options: Options) -> Ask:
    import dfd_native
    from datafusion import SessionContext

    location = uri if options else Path(uri).as_uri()
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(location, options or None))
    return lambda sql: session.sql(sql).to_arrow_table()


def raw_parquet(uri: str, options: Options) -> Ask:
    from datafusion import SessionContext

    if options:
        raise Unavailable("plain files are read from the disk alone")
    session = SessionContext()
    session.register_parquet("t", uri)
    return lambda sql: session.sql(sql).to_arrow_table()


def deltalake_ffi(uri: str, options: Options) -> Ask:
    from datafusion import SessionContext
    from deltalake import DeltaTable

    if options:
        raise Unavailable("no session of another library gives its provider a store")
    session = SessionContext()
    session.register_table("t", DeltaTable(uri))
    return lambda sql: session.sql(sql).to_arrow_table()


def deltalake_queries(uri: str, options: Options) -> Ask:
    from deltalake import DeltaTable, QueryBuilder

    builder = QueryBuilder().register("t", DeltaTable(uri, storage_options=options or None))
    return lambda sql: pa.table(builder.execute(sql))


def polars(uri: str, options: Options) -> Ask:
    import polars as pl

    frames = pl.SQLContext(t=pl.scan_delta(uri, storage_options=options or None))
    return lambda sql: frames.execute(sql).collect().to_arrow()


def _duckdb(uri: str, options: Options, attached: str) -> Ask:
    import duckdb

    if options:
        raise Unavailable("its extension for S3 comes from no package index")
    found = find_spec("duckdb_extension_delta")
    packages = (found and found.submodule_search_locations) or ()
    files = [file for one in packages for file in Path(one).rglob("delta.duckdb_extension")]
    if not files:
        raise Unavailable("the package duckdb-extension-delta isn't installed")
    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    connection.execute(f"load '{files[0]}'")
    connection.execute(attached.format(uri))
    return lambda sql: connection.sql(sql).to_arrow_table()


def duckdb(uri: str, options: Options) -> Ask:
    return _duckdb(uri, options, "create view t as select * from delta_scan('{}')")


def duckdb_pinned(uri: str, options: Options) -> Ask:
    return _duckdb(uri, options, "attach '{}' as t (type delta, pin_snapshot)")


def daft(uri: str, options: Options) -> Ask:
    try:
        import daft as library
    except ImportError as missing:
        raise Unavailable("it isn't installed") from missing
    config: Any = None
    if options:
        config = library.io.IOConfig(
            s3=library.io.S3Config(
                endpoint_url=options["aws_endpoint"],
                key_id=options["aws_access_key_id"],
                access_key=options["aws_secret_access_key"],
                region_name=options["aws_region"],
                use_ssl=False,
            )
        )
    frame = library.read_deltalake(uri, io_config=config)
    return lambda sql: library.sql(sql, t=frame).to_arrow()


CANDIDATES: dict[str, Callable[[str, Options], Ask]] = {
    "dfd": dfd_engine,
    "dfd, pinned": dfd_pinned,
    "dfd, leaf": dfd_leaf,
    "plain Parquet": raw_parquet,
    "deltalake, FFI": deltalake_ffi,
    "deltalake, QueryBuilder": deltalake_queries,
    "polars": polars,
    "duckdb": duckdb,
    "duckdb, PIN_SNAPSHOT": duckdb_pinned,
    "daft": daft,
}
_IMPORTED = {
    "dfd": ("dfd.runtime", "dfd_storage"),
    "plain Parquet": ("datafusion",),
    "deltalake": ("deltalake", "datafusion"),
    "polars": ("polars", "deltalake"),
    "duckdb": ("duckdb",),
    "daft": ("daft", "deltalake"),
}


def imported(candidate: str) -> None:
    """Import what a candidate is made of, as far as it is there."""
    for module in _IMPORTED[candidate.partition(",")[0]]:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
