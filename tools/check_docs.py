"""Fail on what a reader of the Markdown files would stumble over.

A relative link, or a path of the workspace in backticks, that leads nowhere; a relative link in the
README of a distribution, which is shown where no other file is; a line of prose beyond 100 columns in
the workspace's own documents.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
WIDTH = 100
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
PATH = re.compile(r"`((?:crates|packages|tests|tools|docs|benchmarks|examples)/[\w./-]*)`")
ELSEWHERE = {".venv", ".nox", "node_modules", "target", "site"}


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither code nor a row of a table."""
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith("|"):
            yield number, line


def problems(page: Path) -> Iterator[str]:
    """What is wrong with one page."""
    relative = page.relative_to(ROOT)
    text = page.read_text(encoding="utf-8")
    is_published = relative.match("packages/*/README.md")
    for target in LINK.findall(text):
        if is_published:
            yield f"{relative}: {target} leads nowhere on an index of packages: no link, but its path"
        elif not (page.parent / target).exists():
            yield f"{relative}: the link to {target} leads nowhere"
    for target in PATH.findall(text):
        if not (ROOT / target).exists():
            yield f"{relative}: `{target}` isn't there, from the root of the workspace on"
    if relative.parts[0] in ("README.md", "CONTRIBUTING.md", "docs"):
        for number, line in _prose(text):
            if len(line) > WIDTH:
                yield f"{relative}:{number}: {len(line)} columns: break it at {WIDTH}"


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    pages = [
        page
        for page in sorted(ROOT.rglob("*.md"))
        if not ELSEWHERE & set(page.relative_to(ROOT).parts)
    ]
    found = [problem for page in pages for problem in problems(page)]
    print("\n".join(found) or f"{len(pages)} pages are as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
