"""What is printed on descriptor 2 by others is shown only with a defect."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from dfd.cli.native_stderr import native_stderr_held
with native_stderr_held():
    os.write(2, b"panicked\\n")
    print("dfd: one line", file=sys.stderr)
    if sys.argv[1] == "raise":
        raise RuntimeError("a defect")
print("after", file=sys.stderr)
os.write(2, b"directly\\n")
"""


@pytest.mark.parametrize(
    ("argument", "rust_log", "shown", "hidden"),
    [
        ("return", None, ["dfd: one line", "after", "directly"], "panicked"),
        ("raise", None, ["dfd: one line", "panicked", "RuntimeError: a defect"], "after"),
        ("return", "info", ["panicked", "dfd: one line"], "RuntimeError"),
    ],
)
def test_shown_only_with_a_defect(
    argument: str, rust_log: str | None, shown: list[str], hidden: str
) -> None:
    environ = {k: v for k, v in os.environ.items() if k != "RUST_LOG"}
    if rust_log is not None:
        environ["RUST_LOG"] = rust_log
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, argument], capture_output=True, text=True, env=environ
    )
    assert all(text in ran.stderr for text in shown), ran.stderr
    assert hidden not in ran.stderr
