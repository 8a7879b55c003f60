"""deltalake beside dfd: which DataFusion it stands on, and what happens where that is another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROBE = """
import json, sys, tempfile
import dfd_native, pyarrow as pa
said = {"inside": dfd_native.capabilities_snapshot()["datafusion_inside"]["deltalake"]}
try:
    dfd_native.ensure_compatible()
except dfd_native.IncompatibleInstallation as error:
    said["refused"] = [error.installed, error.required]
else:
    from datafusion import SessionContext
    from deltalake import DeltaTable, write_deltalake
    uri = tempfile.mkdtemp()
    write_deltalake(uri, pa.table({"a": [1, 2]}))
    session = SessionContext()
    try:
        session.register_table("t", DeltaTable(uri))
        said["rows"] = session.sql("select sum(a) as s from t").to_pydict()["s"]
    except Exception as error:
        said["registered"] = str(error)
print(json.dumps(said))
"""

# The release of deltalake, the DataFusion that its wheel was built on, and the datafusion beside it.
NEIGHBOURS = {
    "1.6.2 on 54 beside 55": ("1.6.2", None, "54.0.0", "refused", "stands on DataFusion 54.0.0"),
    "1.6.3 on 55 beside 55": ("1.6.3", None, "55.0.0", "registered", "requires datafusion==54.x"),
    "1.6.6 on 55 beside 55": (None, None, "55.1.0", "rows", "3"),
    # Without the handshake this one is a segmentation fault.
    "1.6.3 on 55 beside 54": ("1.6.3", "54.1.0", "55.0.0", "refused", "datafusion 54.1.0"),
    "1.6.6 on 55 beside 54": (None, "54.1.0", "55.1.0", "refused", "datafusion 54.1.0"),
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours(apart: Callable[[str, str], Path], name: str) -> None:
    deltalake, datafusion, inside, kind, says = NEIGHBOURS[name]
    front = [
        str(apart(sys.executable, f"{library}=={version}"))
        for library, version in (("deltalake", deltalake), ("datafusion", datafusion))
        if version is not None
    ]
    ran = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(front)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["inside"] == inside
    assert says in str(said.get(kind)), said
