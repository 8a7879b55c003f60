"""The small table of the races of verbs, and its plain rows, are those of statements too."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [
    str(Path(__file__).parent),
    str(ROOT / "tests/policy/matrix"),
    str(ROOT / "tools"),
]
