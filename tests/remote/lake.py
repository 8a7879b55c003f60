"""Where the tables of these tests lie, and the ways in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.fs as fs
from datafusion import SessionContext
from dfd_storage import (
    AccountKeyCredentials,
    AzureProfile,
    HTTPProfile,
    LocalProfile,
    S3Profile,
    Secret,
    StaticCredentials,
    StorageProfile,
)
from servers import Server

Tables = Mapping[str, dfd_native.DeltaTable]
Read = Callable[[str], pa.Table]
Route = Callable[[Tables], Read]


@dataclass(frozen=True)
class Lake:
    """A directory, a bucket or a container, with what each library needs to reach it."""

    root: str
    options: dict[str, str]
    profile: StorageProfile | None = None

    def uri(self, name: str) -> str:
        """The location of a table."""
        return f"{self.root}/{name}"

    def table(self, name: str, **at: Any) -> dfd_native.DeltaTable:
        """A table, opened."""
        return dfd_native.delta_table(self.uri(name), self.options, **at)

    def connect(self) -> dfd.Runtime:
        """A runtime that reaches this place."""
        storage = () if self.profile is None else (self.profile,)
        return dfd.connect(dfd.DataFusionRuntimeProfile(storage=storage))


def on_disk(directory: Path) -> Lake:
    """A directory."""
    return Lake(directory.as_uri(), {}, LocalProfile(uri=directory.as_uri()))


def on_s3(server: Server, bucket: str = "lake", **settings: Any) -> Lake:
    """A bucket of an S3 server; `settings` replace fields of its profile."""
    credentials = StaticCredentials(server.key_id, Secret(server.secret))
    fields = {"endpoint": server.endpoint, "allow_http": True, "credentials": credentials}
    profile = S3Profile(uri=f"s3://{bucket}", **(fields | settings))
    return Lake(profile.uri, profile.to_deltalake_options(), profile)


def on_azure(server: Server, container: str = "lake", **settings: Any) -> Lake:
    """A container of Azurite; `settings` replace fields of its profile."""
    fields = {
        "emulator": True,
        "endpoint": server.endpoint,
        "account": server.key_id,
        "credentials": AccountKeyCredentials(Secret(server.secret)),
    }
    profile = AzureProfile(uri=f"az://{container}", **(fields | settings))
    return Lake(profile.uri, profile.to_deltalake_options(), profile)


def on_web(endpoint: str, **settings: Any) -> Lake:
    """A web server; `settings` replace fields of its profile. It is read alone."""
    profile = HTTPProfile(uri=endpoint, **({"allow_http": True} | settings))
    return Lake(profile.uri, profile.to_native_options(), profile)


def s3_files(server: Server) -> fs.FileSystem:
    """The buckets of an S3 server as a file system that makes buckets too."""
    host, port = server.address
    return fs.S3FileSystem(
        access_key=server.key_id,
        secret_key=server.secret,
        endpoint_override=f"{host}:{port}",
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )


def azure_files(server: Server) -> fs.FileSystem:
    """The containers of Azurite as a file system."""
    host, port = server.address
    # It asks a data lake's address too, whether names are hierarchical: that one is no cloud's either.
    return fs.AzureFileSystem(
        server.key_id,
        account_key=server.secret,
        blob_storage_authority=f"{host}:{port}",
        blob_storage_scheme="http",
        dfs_storage_authority=f"{host}:{port}",
        dfs_storage_scheme="http",
    )


def upload(files: fs.FileSystem, directory: Path, pattern: str, prefix: str) -> None:
    """The files below a directory that match, as objects below `prefix` of the same relative names."""

    def put(file: Path) -> None:
        with files.open_output_stream(f"{prefix}/{file.relative_to(directory)}") as written:
            written.write(file.read_bytes())

    with ThreadPoolExecutor(8) as pool:
        found = (path for path in directory.glob(pattern) if path.is_file())
        list(pool.map(put, (path for path in found if not path.name.startswith("."))))


def leaf(tables: Tables) -> Read:
    """A plain session, to which a table is one opaque leaf."""
    session = SessionContext()
    for name, table in tables.items():
        session.register_table(name, table)
    return lambda sql: session.sql(sql).to_arrow_table()


def engine(tables: Tables) -> Read:
    """A session whose plans run in an engine of dfd."""
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    for name, table in tables.items():
        session.register_table(name, table)
    engine = dfd_native.Engine()

    def read(sql: str) -> pa.Table:
        frame = session.sql(sql)
        return pa.table(engine.run(frame.optimized_logical_plan(), session, frame.schema()))

    return read


def rows(table: pa.Table) -> list[str]:
    """The rows in an order of their own, with the names of their columns."""
    return sorted(repr(sorted(row.items())) for row in table.to_pylist())
