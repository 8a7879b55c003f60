"""One process of a machine has the claim to a table, until it ends."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest
from dfd_storage import UnsafeStorage
from dfd_storage.commit_safety.single_writer import claim

HOLD = """
import sys
from dfd_storage.commit_safety.single_writer import claim
claim(sys.argv[1])
print("claimed", flush=True)
sys.stdin.read()
"""


def hold(table: str) -> list[str]:
    return [sys.executable, "-c", HOLD, table]


def test_a_second_process_is_refused_until_the_first_ends() -> None:
    table = f"s3://b/{uuid.uuid4().hex}"
    holder = subprocess.Popen(hold(table), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "claimed\n"
        with pytest.raises(UnsafeStorage, match="single writer") as caught:
            claim(table)
        assert caught.value.location == table
    finally:
        holder.communicate()
    after = subprocess.run(hold(table), input="", capture_output=True, text=True, check=True)
    assert after.stdout == "claimed\n"
