"""The Pythons that dfd supports: the classifiers of the root's `pyproject.toml`, read by all that asks.

    python tools/pythons.py [--check | --write]

prints them. `--check` compares the classifiers of every part, `requires-python`, the workflows and the
documents with them; `--write` carries them into the parts.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
_CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")
_LINES = re.compile(r'(    "Programming Language :: Python :: 3\.\d+",\n)+')
# What speaks of the oldest and the newest; `{0}` and `{1}` stand for them.
_SAID = {
    "README.md": "Python {0} to {1}",
    "docs/architecture/packaging.md": "Python {0} to {1}",
}


def classified(path: Path) -> tuple[str, ...]:
    """The Pythons of the classifiers of a `pyproject.toml`, oldest first."""
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return tuple(_CLASSIFIER.findall("\n".join(project.get("classifiers", ()))))


def supported() -> tuple[str, ...]:
    """All supported Pythons, oldest first."""
    return classified(ROOT / "pyproject.toml")


def problems() -> list[str]:
    """Where something else is said."""
    pythons = supported()
    found = []
    for path in sorted(ROOT.glob("packages/*/pyproject.toml")):
        if classified(path) != pythons:
            found.append(f"{path.relative_to(ROOT)}: classifiers for {', '.join(classified(path))}")
    for path in (ROOT / "pyproject.toml", *sorted(ROOT.glob("packages/*/pyproject.toml"))):
        floor = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["requires-python"]
        if floor != f">={pythons[0]}":
            found.append(f"{path.relative_to(ROOT)}: requires-python is {floor}")
    for name, text in _SAID.items():
        wanted = text.format(pythons[0], pythons[-1])
        if wanted not in " ".join((ROOT / name).read_text(encoding="utf-8").split()):
            found.append(f"{name} doesn't say {wanted!r}")
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    found += [
        f"ci.yml installs no Python {python}"
        for python in pythons
        if not re.search(rf"^\s+{re.escape(python)}$", workflow, re.MULTILINE)
    ]
    return found


def write() -> None:
    """Carry the classifiers into every part."""
    lines = "".join(
        f'    "Programming Language :: Python :: {python}",\n' for python in supported()
    )
    for path in sorted(ROOT.glob("packages/*/pyproject.toml")):
        text = path.read_text(encoding="utf-8")
        path.write_text(_LINES.sub(lines, text, count=1), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Print the Pythons, or what is said otherwise; 1 if anything is."""
    if arguments == ["--write"]:
        write()
    if not arguments:
        print(*supported())
        return 0
    found = problems()
    print("\n".join(found) or f"Python {supported()[0]} to {supported()[-1]} everywhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
