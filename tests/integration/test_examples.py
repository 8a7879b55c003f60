"""Every example runs, and prints what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_quickstart() -> None:
    ran = subprocess.run(
        [sys.executable, EXAMPLES / "quickstart.py"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "committed then already_committed" in ran.stdout
    assert "│     2 │ new    │ paid   │" in ran.stdout
