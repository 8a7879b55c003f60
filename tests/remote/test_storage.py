"""One profile for both engines: what deltalake writes, DataFusion reads, wherever it lies."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake
from dfd_storage import (
    AccountKeyCredentials,
    AnonymousCredentials,
    AzureProfile,
    GCSProfile,
    HTTPProfile,
    ProxyAuth,
    S3Profile,
    Secret,
    ServiceAccountCredentials,
    StaticCredentials,
    StorageProfile,
    UnsupportedSetting,
)
from lake import Lake, azure_files, leaf, on_azure, rows, s3_files
from orders import CUSTOMERS
from servers import Server, fake_gcs, web


def of_files(session: SessionContext, uri: str, profile: StorageProfile) -> pa.Table:
    """The rows of a table's files, by DataFusion alone."""
    handle = DeltaTable(uri, storage_options=profile.to_deltalake_options())
    tables = []
    for number, file in enumerate(handle.file_uris()):
        location = file if "://" in file else f"file://{file}"
        session.register_parquet(f"f{number}", location)
        tables.append(session.sql(f"select * from f{number}").to_arrow_table())
    return pa.concat_tables(tables)


def test_written_by_deltalake_read_by_datafusion_and_both_in_sql(place: Lake) -> None:
    profile = place.profile
    assert profile is not None
    uri = place.uri("both")
    options = profile.to_deltalake_options()
    for part in (CUSTOMERS.slice(0, 20), CUSTOMERS.slice(20)):
        write_deltalake(uri, part, mode="append", storage_options=options)
    session = SessionContext()
    profile.register(session)
    expected = rows(CUSTOMERS)
    assert rows(of_files(session, uri, profile)) == expected
    by_deltalake = DeltaTable(uri, storage_options=options).to_pyarrow_table()
    assert rows(by_deltalake) == expected
    with profile.to_pyarrow_fs().open_output_stream("plain.parquet") as stream:
        pq.write_table(CUSTOMERS, stream)
    with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(profile,))) as runtime:
        runtime.register("delta", uri)
        runtime.session.register_parquet("plain", f"{profile.uri}/plain.parquet")
        query = runtime.sql(
            "select d.* from delta d join plain p on d.id = p.id and d.name = p.name"
        )
        assert rows(query.to_arrow_table()) == expected
        assert runtime.write(uri, CUSTOMERS).version == 2
        count = runtime.sql("select count(*) as n from delta").to_arrow_table()
        assert count.to_pylist() == [{"n": 80}]


def test_the_tools_next_door_read_the_same(place: Lake) -> None:
    import obstore
    import polars

    profile = place.profile
    assert profile is not None
    profile.to_pyarrow_fs().create_dir("next")
    with profile.to_pyarrow_fs().open_output_stream("next/door.parquet") as stream:
        pq.write_table(CUSTOMERS, stream)
    found = obstore.get(profile.to_obstore(), "next/door.parquet").bytes()
    assert pq.read_table(pa.BufferReader(bytes(found))).equals(CUSTOMERS)
    uri = profile.uri.removeprefix("file://") if profile.kind == "local" else profile.uri
    read = polars.read_parquet(
        f"{uri}/next/door.parquet", storage_options=profile.to_polars_options()
    )
    assert read.to_arrow().cast(CUSTOMERS.schema).equals(CUSTOMERS)


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GCSProfile]:
    """A bucket with a table, to be read: the server takes no puts of the kind that object_store sends."""
    directory = tmp_path_factory.mktemp("gcs")
    table = directory / "buckets/lake/customers"
    write_deltalake(table, CUSTOMERS)
    write_deltalake(table, CUSTOMERS, mode="append")
    with fake_gcs(directory) as server:
        yield GCSProfile(
            uri="gs://lake",
            endpoint=server.endpoint,
            allow_http=True,
            credentials=AnonymousCredentials(),
        )


def test_google(google: GCSProfile) -> None:
    options = google.to_deltalake_options()
    assert DeltaTable("gs://lake/customers", storage_options=options).version() == 1
    with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(google,))) as runtime:
        runtime.register("t", "gcs://lake/customers")
        found = runtime.sql("select count(*) as n, sum(id) as s from t").to_arrow_table()
        assert found.to_pylist() == [{"n": 80, "s": 2 * sum(range(40))}]


def test_a_web_server_is_read_by_name(tmp_path: Path) -> None:
    import obstore

    pq.write_table(CUSTOMERS, tmp_path / "plain.parquet")
    with web(tmp_path) as server:
        profile = HTTPProfile(uri=server.endpoint, allow_http=True, timeout_s=5)
        body = obstore.get(profile.to_obstore(), "plain.parquet").bytes()
        assert pq.read_table(pa.BufferReader(bytes(body))).equals(CUSTOMERS)
        with pytest.raises(UnsupportedSetting, match="allow_http"):
            profile.to_datafusion_object_store()
        with pytest.raises(UnsupportedSetting, match="kind"):
            profile.to_deltalake_options()


@contextlib.contextmanager
def proxy() -> Iterator[tuple[str, list[tuple[str, Message]]]]:
    """A proxy that refuses, and what it was asked: the URL, and the headers."""
    seen: list[tuple[str, Message]] = []

    class Handler(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            seen.append((self.path, self.headers))
            self.send_error(403)

        do_GET = do_HEAD = do_PUT = _refuse  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def by_deltalake(profile: StorageProfile) -> None:
    DeltaTable(f"{profile.uri}/t", storage_options=profile.to_deltalake_options())


def by_native(profile: StorageProfile) -> None:
    dfd_native.delta_table(f"{profile.uri}/t", profile.to_native_options())


def by_obstore(profile: StorageProfile) -> None:
    import obstore

    obstore.list(profile.to_obstore()).collect()


def by_polars(profile: StorageProfile) -> None:
    import polars

    polars.read_parquet(f"{profile.uri}/x.parquet", storage_options=profile.to_polars_options())


@pytest.mark.parametrize("ask", [by_deltalake, by_native, by_obstore, by_polars])
@pytest.mark.parametrize("kind", ["s3", "azure", "gcs"])
def test_proxy_headers_and_retries_reach_every_client_of_object_store(
    kind: str, ask: Callable[[StorageProfile], None], tmp_path: Path
) -> None:
    account = tmp_path / "account.json"
    fields = {"gcs_base_url": "http://store.invalid", "disable_oauth": True, "client_email": ""}
    account.write_text(json.dumps(fields | {"private_key": "", "private_key_id": ""}))
    places: dict[str, tuple[str, Any]] = {
        "s3": ("s3://lake", StaticCredentials("k", Secret("s"))),
        "azure": ("az://lake", AccountKeyCredentials(Secret("aGV5"))),
        "gcs": ("gs://lake", ServiceAccountCredentials(path=str(account))),
    }
    uri, credentials = places[kind]
    more = {"account": "acc"} if kind == "azure" else {}
    with proxy() as (url, seen):
        profile = StorageProfile.from_uri(
            uri,
            endpoint="http://store.invalid",
            allow_http=True,
            credentials=credentials,
            proxy_url=url,
            proxy_auth=ProxyAuth("me", Secret("it")),
            max_retries=0,
            timeout_s=5,
            extra={"user_agent": "dfd-test"},
            **more,
        )
        with pytest.raises(Exception, match=r"403|Forbidden|privileges"):
            ask(profile)
    assert seen
    for asked, headers in seen:
        assert asked.startswith("http://store.invalid/")
        assert headers["User-Agent"] == "dfd-test"
        assert headers["Proxy-Authorization"] == "Basic bWU6aXQ="


def on_key(server: Server) -> StaticCredentials:
    return StaticCredentials(server.key_id, Secret(server.secret))


def test_a_profile_goes_to_other_processes_as_toml(
    gateway: Server, emulator: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tomllib

    monkeypatch.setenv("KEY_OF_LAKE", gateway.secret)
    s3 = StorageProfile.from_toml(
        {
            "kind": "s3",
            "uri": "s3://lake",
            "endpoint": gateway.endpoint,
            "allow_http": True,
            "credentials": {
                "kind": "static",
                "access_key_id": gateway.key_id,
                "secret_access_key": {"env": "KEY_OF_LAKE"},
            },
        }
    )
    assert gateway.secret not in s3.to_toml()
    again = StorageProfile.from_toml(tomllib.loads(s3.to_toml()))
    assert again == s3
    assert isinstance(again, S3Profile)
    assert isinstance(again.credentials, StaticCredentials)
    assert again.credentials.secret_access_key.reveal() == gateway.secret
    azure = AzureProfile(
        uri="az://lake",
        emulator=True,
        endpoint=emulator.endpoint,
        credentials=AccountKeyCredentials(
            Secret.from_reference({"env": "KEY_OF_LAKE"}, "k", {"KEY_OF_LAKE": emulator.secret})
        ),
    )
    assert emulator.secret not in azure.to_toml()


def test_files_of_a_bucket_are_seen_through_both_schemes(gateway: Server) -> None:
    with s3_files(gateway).open_output_stream("lake/schemes/x.parquet") as stream:
        pq.write_table(CUSTOMERS, stream)
    profile = S3Profile(
        uri="s3a://lake", endpoint=gateway.endpoint, allow_http=True, credentials=on_key(gateway)
    )
    session = SessionContext()
    profile.register(session)
    for scheme in ("s3", "s3a"):
        session.register_parquet(scheme, f"{scheme}://lake/schemes/x.parquet")
        assert session.sql(f"select count(*) as n from {scheme}").to_pydict() == {"n": [40]}


def test_two_containers_of_one_account_do_not_mix(emulator: Server) -> None:
    """Under the account's own host both have the same options and the same host."""
    azure_files(emulator).create_dir("other")
    read = {}
    for number, container in enumerate(("lake", "other")):
        lake = on_azure(emulator, container)
        write_deltalake(lake.uri("mixed"), pa.table({"n": [number]}), storage_options=lake.options)
        uri = f"abfss://{container}@{emulator.key_id}.dfs.core.windows.net/mixed"
        read[container] = dfd_native.delta_table(uri, lake.options)
    found = leaf(read)("select lake.n as one, other.n as two from lake cross join other")
    assert found.to_pylist() == [{"one": 0, "two": 1}]
