"""The one list of table features, and the table of the document that shows it."""

from __future__ import annotations

import re
from pathlib import Path

from dfd_native import table_features, unsupported_features

LIMITS = Path(__file__).parents[3] / "docs/limits.md"
WORK = ("scan", "stage", "rewrite", "commit")


def test_the_document_shows_the_list() -> None:
    section = LIMITS.read_text(encoding="utf-8").partition("## Table features\n")[2]
    rows = re.findall(r"^\| `([\w-]+)` \|((?: [\w-]+ \|){4})", section.partition("\n## ")[0], re.M)
    shown = {
        name: {work for work, cell in zip(WORK, cells.split("|"), strict=False) if "yes" in cell}
        for name, cells in rows
    }
    assert shown == table_features()
    assert [name for name, _ in rows] == sorted(shown)


def test_what_is_not_honoured_is_named() -> None:
    features = ["rowTracking", "columnMapping", "someday", "appendOnly", "rowTracking"]
    assert unsupported_features(features, "stage", "commit") == ["rowTracking", "someday"]
    assert unsupported_features(features, "scan") == ["appendOnly", "rowTracking", "someday"]
    assert unsupported_features(["inCommitTimestamp-preview"], "stage") == []
    assert unsupported_features(["inCommitTimestamp-preview"], "stage", "commit") != []
