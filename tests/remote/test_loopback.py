"""No test of this directory asks another machine for anything: `environment` looks when all have run."""

from __future__ import annotations

import subprocess
import sys

ASK = """
from deltalake import DeltaTable
try:
    DeltaTable("gs://bucket/t", storage_options={"max_retries": "0"})
except Exception as error:
    print(error)
"""


def test_what_leaves_loopback_is_seen(left_loopback: list[str]) -> None:
    assert left_loopback == []
    # Without credentials deltalake asks Google's metadata service.
    asked = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert any("metadata" in line or "169.254" in line for line in left_loopback), asked.stdout
    left_loopback.clear()
