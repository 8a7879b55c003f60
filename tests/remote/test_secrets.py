"""A sentinel secret goes through a whole session, and shows nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import Server

SESSION = """
import copy, io, json, logging, pickle, sys, traceback
log = io.StringIO()
logging.basicConfig(stream=log, level=logging.DEBUG)
import msgspec
import pyarrow as pa
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
import dfd
from dfd_obs import ObservabilityConfig
from dfd_storage import StorageProfile

shown = []

def keep(work):
    try:
        shown.append(repr(work()))
    except BaseException as error:
        shown.extend(traceback.format_exception(error))
        try:
            shown.append(repr(pickle.dumps(error)))
        except Exception as unpicklable:
            shown.append(repr(unpicklable))

profile = StorageProfile.from_toml(json.loads(sys.argv[1]))
wrong = msgspec.structs.replace(profile, uri=profile.uri.replace("lake", "missing"))
for p in (profile, wrong):
    for work in (
        lambda: p, lambda: str(p), lambda: f"{p}", p.to_toml, lambda: p.fingerprint, p.validate, p.probe,
        lambda: pickle.dumps(p), lambda: copy.deepcopy(p), lambda: msgspec.json.encode(p),
        lambda: msgspec.structs.asdict(p), lambda: p.settings(), p.to_obstore, p.to_pyarrow_fs,
        lambda: msgspec.structs.replace(p, extra={"nonsense": "x"}), lambda: vars(p),
    ):
        keep(work)
    observed = ObservabilityConfig(slow_query_ms=0, record_sql="text")
    with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(p,), observability=observed)) as runtime:
        uri = f"{p.uri}/sentinel"
        keep(lambda: runtime.write(uri, pa.table({"a": [1, 2]})))
        keep(lambda: runtime.register("t", uri))
        keep(lambda: runtime.sql("select sum(a) as s from t").to_arrow_table())
        keep(lambda: runtime.sql("select * from t where a / 0 = 1").to_arrow_table())
        keep(lambda: runtime.sql("select * from t").explain())
        keep(lambda: runtime.sql("select * from t").dataframe.optimized_logical_plan().to_bytes(runtime.session))
        keep(lambda: runtime.sql("select no_such from t"))
        keep(lambda: runtime.delete(uri, "a = 1"))
        keep(lambda: runtime.table(uri).history())
        keep(lambda: runtime.session)
        report = runtime.report()
        shown += [report.to_markdown(), report.to_html(), repr(report.to_dict()), repr(runtime.profile)]
shown += [span.to_json() for span in spans.get_finished_spans()]
shown.append(log.getvalue())
assert spans.get_finished_spans() and any("sum(a)" in text for text in shown)
print(json.dumps({"spans": len(spans.get_finished_spans()), "shown": shown}))
"""


@pytest.mark.parametrize("kind", ["s3", "azure"])
def test_no_secret_is_shown(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: Server = request.getfixturevalue("gateway" if kind == "s3" else "emulator")
    (tmp_path / "secret").write_text(server.secret)
    reference = {"file": str(tmp_path / "secret")}
    if kind == "s3":
        mapping = {
            "kind": "s3",
            "uri": "s3://lake",
            "endpoint": server.endpoint,
            "allow_http": True,
            "credentials": {
                "kind": "static",
                "access_key_id": server.key_id,
                "secret_access_key": reference,
            },
        }
    else:
        mapping = {
            "kind": "azure",
            "uri": "az://lake",
            "endpoint": server.endpoint,
            "emulator": True,
            "credentials": {"kind": "account_key", "account_key": reference},
        }
    done = subprocess.run(
        [sys.executable, "-c", SESSION, json.dumps(mapping)],
        env=os.environ | {"RUST_LOG": "debug", "RUST_BACKTRACE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(json.loads(done.stdout)["shown"]) > 80
    for form in (server.secret, server.secret.encode().hex(), repr(server.secret)[1:-1]):
        assert form not in done.stdout
        assert form not in done.stderr
