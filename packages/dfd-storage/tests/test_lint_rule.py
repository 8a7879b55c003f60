"""The rule that no source but this package builds options by hand finds them, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "tools/check_storage.py"


def check(*roots: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, roots)], capture_output=True, text=True, check=False
    )


def test_the_sources_keep_it() -> None:
    done = check()
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("options = {'aws_region': 'x'}", True),
        ("os.environ['AZURE_STORAGE_ACCOUNT_KEY']", True),
        ("DeltaTable(uri, storage_options={'region': 'x'})", True),
        ("AmazonS3('bucket')", True),
        ("fs.S3FileSystem()", True),
        ("DeltaTable(uri, storage_options=profile.to_deltalake_options())", False),
        ("'''An `aws_region`.'''", False),
        ("delta_table(uri, options={})", False),
    ],
)
def test_what_it_finds(tmp_path: Path, source: str, is_found: bool) -> None:
    (tmp_path / "module.py").write_text(source)
    assert check(tmp_path).returncode == int(is_found)
