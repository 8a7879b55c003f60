"""Fail on a relative link of a Markdown file that leads nowhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def main() -> int:
    """Print the broken links; 1 if there is one."""
    pages = [
        page
        for page in ROOT.rglob("*.md")
        if not {".venv", ".nox", "node_modules", "target"} & set(page.relative_to(ROOT).parts)
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    print("\n".join(broken) if broken else f"{len(pages)} pages, no broken link")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
