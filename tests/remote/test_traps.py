"""What the libraries do with settings of their own, and what a profile makes of it.

Each trap runs in a process of its own with the environment that it needs. `glued` is what users write without a
profile: a canary, which fails when a library has changed. `ours` is the same with a profile.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from servers import Server

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / "tools"
BEGIN = """
import json, os, sys
sys.path[:0] = sys.argv[1:3]
import pyarrow as pa
from datafusion import SessionContext
from datafusion.object_store import AmazonS3, GoogleCloud, Http, MicrosoftAzure
from deltalake import DeltaTable, write_deltalake
from dfd_storage import *
import dfd_native

ROWS = pa.table({"a": [1]})
PLACE = json.loads(sys.argv[3])
URI = "s3://lake/" + PLACE["name"]
GIVEN = {
    "aws_access_key_id": PLACE["key_id"], "aws_secret_access_key": PLACE["secret"],
    "aws_endpoint": PLACE["endpoint"], "aws_region": "us-east-1", "aws_allow_http": "true",
}

def profile(**settings):
    credentials = StaticCredentials(PLACE["key_id"], Secret(PLACE["secret"]))
    fields = {"endpoint": PLACE["endpoint"], "allow_http": True, "credentials": credentials}
    return S3Profile(**({"uri": "s3://lake"} | fields | settings))

def said(work):
    try:
        work()
    except BaseException as error:
        return type(error).__name__ + ": " + str(error)
    return "done"

def append(options, uri=URI):
    return said(lambda: write_deltalake(uri, ROWS, mode="append", storage_options=options))

def answer(**found):
    print(json.dumps(found))
"""


def run(
    code: str, server: Server | None, environ: Mapping[str, str] | None = None, name: str = "t"
) -> Any:
    """What the code answers, in a process with this environment and nothing else of any cloud."""
    place = {"name": name, "endpoint": "", "key_id": "", "secret": ""}
    if server is not None:
        place |= {"endpoint": server.endpoint, "key_id": server.key_id, "secret": server.secret}
    kept = {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith(("AWS_", "AZURE_", "AZURITE_", "GOOGLE_"))
    }
    kept |= {"AWS_METADATA_ENDPOINT": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(HERE), str(TOOLS), json.dumps(place)],
        env=kept | dict(environ or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip(), done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@contextmanager
def recorder() -> Iterator[tuple[str, list[str]]]:
    """A server that refuses everything and writes down what was asked."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            seen.append(f"{self.command} {self.path}")
            self.send_error(403)

        do_GET = do_PUT = do_HEAD = do_POST = do_CONNECT = _answer  # noqa: N815

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


OURS = """
from dfd_storage import EnvironmentContradiction
glued = append(GIVEN)
try:
    profile().to_deltalake_options()
    named = []
except EnvironmentContradiction as error:
    named = list(error.variables)
    assert os.environ[named[0]] not in str(error)
# The engine reads nothing from the environment.
read = said(lambda: dfd_native.delta_table("s3://lake/seed", profile().to_native_options()))
answer(glued=glued, named=named, read=read)
"""


@pytest.fixture(scope="module")
def seeded(gateway: Server) -> Server:
    """The gateway, with a table `seed`."""
    assert run("answer(done=append(GIVEN))", gateway, name="seed") == {"done": "done"}
    return gateway


@pytest.mark.parametrize(
    ("variable", "value", "glued"),
    [
        ("TOKEN", "abc", "Error|error"),
        ("TIMEOUT", "banana", "banana"),
        ("AWS_SESSION_TOKEN", "stale", "Error|error"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9", "127.0.0.1:9|refused"),
        ("SKIP_SIGNATURE", "true", "Error|error|done"),
        ("AWS_S3_LOCKING_PROVIDER", "dynamodb", "done"),
        ("AWS_S3_ALLOW_UNSAFE_RENAME", "true", "done"),
        ("PROXY_URL", "http://127.0.0.1:9", "Error|error"),
    ],
)
def test_variables_without_a_prefix_break_deltalake_and_are_named(
    seeded: Server, variable: str, value: str, glued: str
) -> None:
    found = run(OURS, seeded, {variable: value}, variable.lower())
    assert re.search(glued, found["glued"]), found
    assert found["named"] == [variable]
    assert found["read"] == "done"


def test_a_variable_may_be_let_stand(seeded: Server) -> None:
    code = """
import logging, io
stream = io.StringIO()
logging.basicConfig(stream=stream, level="WARNING")
options = profile(environment="warn").to_deltalake_options()
answer(log=stream.getvalue(), done=append(options))
"""
    found = run(code, seeded, {"AWS_REQUEST_PAYER": "false-value"}, "warn")
    assert "AWS_REQUEST_PAYER" in found["log"]
    assert "false-value" not in found["log"]


def test_unknown_keys_are_ignored_by_deltalake_and_refused_here(seeded: Server) -> None:
    code = """
glued = append(GIVEN | {"aws_condtional_put": "etag"})
ours = said(lambda: profile(extra={"aws_condtional_put": "etag"}))
native = said(lambda: dfd_native.delta_table("s3://lake/seed", GIVEN | {"aws_condtional_put": "etag"}))
answer(glued=glued, ours=ours, native=native)
"""
    found = run(code, seeded, name="unknown")
    assert found["glued"] == "done"
    assert found["ours"].startswith("UnknownOption")
    assert "'aws_conditional_put'" in found["ours"]
    assert "TableError" in found["native"]


def test_two_aliases_are_chosen_by_chance_and_refused_here(seeded: Server) -> None:
    code = """
wrong = {k: v for k, v in GIVEN.items() if k != "aws_endpoint"}
glued = {said(lambda: DeltaTable("s3://lake/seed", storage_options=wrong | {
    "aws_endpoint": PLACE["endpoint"], "aws_endpoint_url": "http://127.0.0.1:9", "max_retries": "0",
})).partition(":")[0] for _ in range(60)}
ours = said(lambda: profile(extra={"aws_endpoint_url": "http://127.0.0.1:9"}))
answer(glued=sorted(glued), ours=ours)
"""
    found = run(code, seeded)
    assert len(found["glued"]) == 2, "canary: one call, two results"
    assert found["ours"].startswith("DuplicateOption")


def test_allow_http_of_the_environment(seeded: Server) -> None:
    """datafusion's default goes over the variable, deltalake takes it; a profile says it to both."""
    code = """
options = {k: v for k, v in GIVEN.items() if k != "aws_allow_http"}
deltalake = said(lambda: DeltaTable("s3://lake/seed", storage_options=options))
session = SessionContext()
session.register_object_store("s3://", AmazonS3("lake", "us-east-1", PLACE["key_id"], PLACE["secret"],
    endpoint=PLACE["endpoint"]), "lake")
datafusion = said(lambda: session.register_parquet("t", "s3://lake/seed/x.parquet"))
session = SessionContext()
profile().register(session)
ours = [
    said(lambda: DeltaTable("s3://lake/seed", storage_options=profile().to_deltalake_options())),
    said(lambda: session.register_parquet("t", "s3://lake/seed/")),
]
answer(deltalake=deltalake, datafusion=datafusion, ours=ours)
"""
    found = run(code, seeded, {"AWS_ALLOW_HTTP": "true"})
    assert found["deltalake"] == "done"
    assert "done" not in found["datafusion"]
    assert found["ours"] == ["done", "done"]


def test_a_profile_of_the_command_line(seeded: Server, tmp_path: Path) -> None:
    """deltalake's SDK and datafusion read `~/.aws` differently; ours reads it once, for both."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        f"[lake]\naws_access_key_id = {seeded.key_id}\naws_secret_access_key = {seeded.secret}\n"
    )
    (tmp_path / ".aws/config").write_text(f"[profile lake]\nendpoint_url = {seeded.endpoint}\n")
    code = """
named = profile(credentials=ProfileCredentials("lake"))
session = SessionContext()
named.register(session)
ours = [
    said(lambda: DeltaTable("s3://lake/seed", storage_options=named.to_deltalake_options())),
    said(lambda: session.register_parquet("t", "s3://lake/seed/")),
    said(lambda: dfd_native.delta_table("s3://lake/seed", named.to_native_options())),
]
given = {"aws_allow_http": "true", "max_retries": "0", "proxy_url": os.environ["ELSEWHERE"]}
glued = said(lambda: DeltaTable("s3://lake/seed", storage_options=given))
absent = said(lambda: profile(credentials=ProfileCredentials("nobody")).to_deltalake_options())
answer(ours=ours, glued=glued, absent=absent)
"""
    with recorder() as (elsewhere, seen):
        environ = {"HOME": str(tmp_path), "AWS_PROFILE": "lake", "ELSEWHERE": elsewhere}
        found = run(code, seeded, environ)
    assert found["ours"] == ["done"] * 3
    assert found["glued"] != "done"
    assert "amazonaws.com" in seen[0], "canary: deltalake overlooks the endpoint of ~/.aws"
    assert "CredentialsUnavailable" in found["absent"]


def test_a_missing_secret_is_no_panic(seeded: Server) -> None:
    code = """
glued = [
    said(lambda: AmazonS3("lake", "us-east-1", PLACE["key_id"], endpoint=PLACE["endpoint"], allow_http=True)),
    said(lambda: DeltaTable("s3://lake/seed", storage_options={k: v for k, v in GIVEN.items() if k != "aws_secret_access_key"})),
]
panics = said(lambda: MicrosoftAzure("lake", account="a", access_key="no base64!"))
ours = [said(lambda: StaticCredentials("id")), said(lambda: AccountKeyCredentials(Secret("no base64!")))]
escaped = said(lambda: AzureProfile(uri="az://lake", account="a", credentials=SasCredentials(Secret("x"))).to_datafusion_object_store())
odd = said(lambda: GCSProfile(uri="gs://lake", credentials=ServiceAccountCredentials(path="/missing")).to_datafusion_object_store())
answer(glued=glued, panics=panics, ours=ours, escaped=escaped, odd=odd)
"""
    found = run(code, seeded)
    assert found["glued"][0].startswith("PanicException")
    assert found["glued"][1].startswith(("OSError", "DeltaError"))
    assert found["panics"].startswith("PanicException")
    assert "InvalidProfile" in found["ours"][1]
    assert not any("Panic" in said.partition(":")[0] for said in (*found["ours"], found["escaped"]))
    assert found["odd"].startswith("LibraryPanic")


def test_google_variables(seeded: Server) -> None:
    """deltalake reads `GOOGLE_*`; datafusion ignores them; a profile names them."""
    code = """
glued = said(lambda: DeltaTable("gs://lake/t", storage_options={"google_skip_signature": "true", "google_base_url": "http://127.0.0.1:9", "allow_http": "true", "max_retries": "0"}))
ours = said(lambda: GCSProfile(uri="gs://lake", credentials=AnonymousCredentials()).to_deltalake_options())
answer(glued=glued, ours=ours)
"""
    found = run(code, None, {"GOOGLE_TIMEOUT": "banana"})
    assert "banana" in found["glued"]
    assert found["ours"].startswith("EnvironmentContradiction")
    assert "GOOGLE_TIMEOUT" in found["ours"]


def test_azure_variables() -> None:
    """An account key of the environment goes before a signature that was given."""
    code = """
def options(**given):
    return said(lambda: AzureProfile(uri="az://lake", account="a", **given).to_deltalake_options())
sas, key = SasCredentials(Secret("sig=x")), AccountKeyCredentials(Secret("aGV5"))
answer(sas=options(credentials=sas), key=options(credentials=key))
"""
    environ = {"AZURE_STORAGE_ACCOUNT_KEY": "aGV5", "AZURE_CLIENT_ID": "x", "AZURE_TENANT_ID": "x"}
    found = run(code, None, environ)
    assert "take AZURE_STORAGE_ACCOUNT_KEY from" in found["sas"]
    assert found["key"] == "done"
    workload = run(code, None, {**environ, "AZURE_FEDERATED_TOKEN_FILE": "x"})
    assert (
        "AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_STORAGE_ACCOUNT_KEY" in workload["sas"]
    )
    assert workload["key"] == "done"


def test_what_datafusion_classes_take() -> None:
    """Canary: more parameters would mean that fewer settings need to be refused."""
    code = """
answer(**{c.__name__: c.__text_signature__ for c in (AmazonS3, GoogleCloud, Http, MicrosoftAzure)})
"""
    assert run(code, None) == {
        "AmazonS3": "(bucket_name, region=None, access_key_id=None, secret_access_key=None, "
        "session_token=None, endpoint=None, allow_http=False, imdsv1_fallback=False)",
        "GoogleCloud": "(bucket_name, service_account_path=None)",
        "Http": "(url)",
        "MicrosoftAzure": "(container_name, account=None, access_key=None, bearer_token=None, "
        "client_id=None, client_secret=None, tenant_id=None, sas_query_pairs=None, use_emulator=None, "
        "allow_http=None, use_fabric_endpoint=None)",
    }


def test_keys_of_registered_stores(seeded: Server) -> None:
    code = """
import glob
store = profile().to_datafusion_object_store()
session = SessionContext()
short = said(lambda: session.register_object_store("s3", store, "lake"))
session.register_object_store("s3://", store, "lake")
first = said(lambda: session.register_parquet("a", "s3://lake/seed/"))
second = said(lambda: session.register_parquet("b", "s3a://lake/seed/"))
session = SessionContext()
profile().register(session)
ours = [said(lambda: session.register_parquet(s, s + "://lake/seed/")) for s in ("s3", "s3a")]
answer(short=short, first=first, second=second, ours=ours)
"""
    found = run(code, seeded)
    assert found["short"] != "done"
    assert found["first"] == "done"
    assert "No suitable object store" in found["second"]
    assert found["ours"] == ["done", "done"]


def test_s3a_is_kept_by_deltalake_and_canonical_here(seeded: Server) -> None:
    code = """
table = DeltaTable("s3a://lake/seed", storage_options=GIVEN)
answer(glued=table.table_uri, ours=profile().canonical_uri("s3a://lake/seed/"))
"""
    found = run(code, seeded)
    assert found["glued"].startswith("s3a://lake/seed")
    assert found["ours"] == "s3://lake/seed"


def test_conditional_put_switched_off_is_found(seeded: Server) -> None:
    code = """
glued = append(GIVEN | {"aws_conditional_put": "disabled"})
found = [i.code for i in profile(extra={"aws_conditional_put": "disabled"}).validate() if i.severity == "error"]
answer(glued=glued, found=found)
"""
    found = run(code, seeded, name="disabled")
    assert found["glued"] != "done"
    assert found["found"] == ["conditional_put_disabled"]


def test_a_lock_that_deltalake_lost_is_refused(seeded: Server) -> None:
    code = """
glued = append(GIVEN | {"AWS_S3_LOCKING_PROVIDER": "dynamodb"})
ours = said(lambda: profile(commits=DynamoDBLock(endpoint=PLACE["endpoint"])).to_deltalake_options())
read = said(lambda: dfd_native.delta_table("s3://lake/seed", profile(commits=DynamoDBLock()).to_native_options()))
answer(glued=glued, ours=ours, read=read)
"""
    found = run(code, seeded, name="lock")
    assert found["glued"] == "done"
    assert found["ours"].startswith("LockUnsupported")
    assert "1.6.1 dropped it" in found["ours"]
    assert found["read"] == "done"


def test_azurite_at_an_explicit_endpoint(emulator: Server) -> None:
    code = """
account = {"azure_storage_account_name": PLACE["key_id"], "azure_storage_account_key": PLACE["secret"]}
glued = account | {"azure_endpoint": PLACE["endpoint"] + "/" + PLACE["key_id"], "azure_allow_http": "true"}
key = AccountKeyCredentials(Secret(PLACE["secret"]))
uri = "az://lake/explicit"
first, *more = [append(glued, uri) for _ in range(4)]
second = " ".join(more)
explicit = AzureProfile(uri="az://lake", account=PLACE["key_id"], endpoint=glued["azure_endpoint"], allow_http=True, credentials=key)
found = [issue.code for issue in explicit.validate() if issue.severity == "error"]
other = said(lambda: AzureProfile(uri="az://lake", emulator=True, endpoint=PLACE["endpoint"], credentials=key).to_deltalake_options())
os.environ["AZURITE_BLOB_STORAGE_URL"] = PLACE["endpoint"]
ours = AzureProfile(uri="az://lake", emulator=True, endpoint=PLACE["endpoint"], credentials=key)
uri = "az://lake/emulated"
ours = [append(ours.to_deltalake_options(), uri) for _ in range(3)]
answer(first=first, second=second, found=found, other=other, ours=ours)
"""
    found = run(code, emulator)
    assert found["first"] == "done"
    assert "Invalid table version" in found["second"]
    assert found["found"] == ["azurite_without_emulator"]
    assert "AZURITE_BLOB_STORAGE_URL" in found["other"]
    assert found["ours"] == ["done"] * 3


def test_credentials_that_are_missing_are_looked_for_at_the_metadata_service(
    seeded: Server,
) -> None:
    code = """
given = {k: v for k, v in GIVEN.items() if "key" not in k}
glued = said(lambda: DeltaTable("s3://lake/seed", storage_options=given | {"max_retries": "0"}))
answer(glued=glued)
"""
    ours = """
wrong = profile(credentials=StaticCredentials("nobody", Secret("wrong")), max_retries=0)
answer(ours=[
    said(lambda: DeltaTable("s3://lake/seed", storage_options=wrong.to_deltalake_options())),
    said(lambda: dfd_native.delta_table("s3://lake/seed", wrong.to_native_options())),
    said(wrong.probe),
])
"""
    with recorder() as (endpoint, seen):
        run(code, seeded, {"AWS_METADATA_ENDPOINT": endpoint})
        assert seen, "canary: the metadata service is asked"
        seen.clear()
        found = run(ours, seeded, {"AWS_METADATA_ENDPOINT": endpoint})
        assert all("done" not in said for said in found["ours"])
        assert seen == []


def test_http_of_datafusion_takes_https_alone(tmp_path: Path) -> None:
    code = """
session = SessionContext()
session.register_object_store("http://", Http("http://127.0.0.1:9"), "127.0.0.1:9")
glued = said(lambda: session.register_parquet("t", "http://127.0.0.1:9/x.parquet"))
ours = said(lambda: HTTPProfile(uri="http://127.0.0.1:9", allow_http=True).register(SessionContext()))
answer(glued=glued, ours=ours)
"""
    found = run(code, None)
    assert "builder error" in found["glued"]
    assert found["ours"].startswith("UnsupportedSetting")


def test_the_memory_of_deltalake_forgets() -> None:
    code = """
write_deltalake("memory:///t", ROWS)
glued = said(lambda: DeltaTable("memory:///t"))
ours = said(lambda: MemoryProfile(uri="memory:///t").to_deltalake_options())
import obstore
obstore.put(MemoryProfile(uri="memory:///t").to_obstore(), "a", b"1")
kept = bytes(obstore.get(MemoryProfile(uri="memory:///t/").to_obstore(), "a").bytes()).decode()
answer(glued=glued, ours=ours, kept=kept)
"""
    found = run(code, None)
    assert found["glued"].startswith("TableNotFoundError")
    assert found["ours"].startswith("UnsupportedSetting")
    assert found["kept"] == "1"
