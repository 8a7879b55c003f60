"""The reference says what the code has: settings with their defaults, and variables."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import dfd
import msgspec
import pytest
from dfd_storage import S3Profile

sys.path.insert(0, str(Path(__file__).parent))

from page import blocks, toml

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"
PROFILE = (REFERENCE / "profile.md").read_text(encoding="utf-8")
DEFAULTS = msgspec.to_builtins(dfd.DataFusionRuntimeProfile())
TABLES = ("retry", "cache", "engine", "observability", "keep")


def block_of(table: str) -> str:
    """The text of the block that has a table of the profile."""
    (found,) = (block.text for block in blocks(PROFILE) if f"[{table}]" in block.text)
    return found


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_each_setting_with_its_default(table: str) -> None:
    text = block_of(table)
    said = toml(text)[table]
    has_default = {name: value for name, value in DEFAULTS[table].items() if value is not None}
    assert said == has_default
    assert [name for name in DEFAULTS[table] if not re.search(rf"\b{name}\b", text)] == []


def test_the_page_has_each_setting_of_a_store() -> None:
    text = block_of("[storage]")
    fields = {field.name: field.default for field in msgspec.structs.fields(S3Profile)}
    assert [name for name in fields if not re.search(rf"\b{name}\b", text)] == []
    (said,) = toml(text)["storage"]
    of_no_default = {"uri", "credentials"}
    assert {name: fields[name] for name in said if name not in of_no_default} == {
        name: value for name, value in said.items() if name not in of_no_default
    }


def test_the_page_has_each_variable_of_dfd() -> None:
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    source = "".join(path.read_text() for path in ROOT.glob("packages/*/src/**/*.py"))
    names = set(re.findall(r'"(DFD_[A-Z_]*[A-Z])"', source))
    assert names >= {"DFD_PROFILE", "DFD_SKIP_CPU_CHECK"}
    assert [name for name in names if name not in page] == []
