"""Check the built wheels: all six, tagged as published, with `py.typed` and nothing stray."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from packaging.utils import parse_wheel_filename

NAMES = {"dfd", "dfd-storage", "dfd-delta-policy", "dfd-cache", "dfd-obs", "dfd-native"}


def problems(wheel: Path) -> list[str]:
    """What is wrong with one wheel."""
    name, _, _, tags = parse_wheel_filename(wheel.name)
    module = name.replace("-", "_")
    files = zipfile.ZipFile(wheel).namelist()
    found = []
    if f"{module}/py.typed" not in files:
        found.append("py.typed is missing")
    stray = [f for f in files if not f.startswith((f"{module}/", f"{module}-", f"{module}.libs/"))]
    if stray:
        found.append(f"stray files: {stray}")
    if any("/tests/" in f or f.startswith("tests/") for f in files):
        found.append("tests are inside")
    if name == "dfd-native":
        if not all(tag.interpreter == "cp310" and tag.abi == "abi3" for tag in tags):
            found.append(f"not cp310-abi3: {wheel.name}")
        if sys.platform == "linux" and not any("manylinux2014" in t.platform for t in tags):
            found.append(f"not manylinux2014: {wheel.name}")
    elif {str(tag) for tag in tags} != {"py3-none-any"}:
        found.append(f"not py3-none-any: {wheel.name}")
    return found


def main(directory: str) -> int:
    """Print what is wrong; 1 if anything is."""
    wheels = sorted(Path(directory).glob("*.whl"))
    missing = NAMES - {parse_wheel_filename(wheel.name)[0] for wheel in wheels}
    wrong = [f"no wheel of {name}" for name in sorted(missing)]
    wrong += [f"{wheel.name}: {problem}" for wheel in wheels for problem in problems(wheel)]
    print("\n".join(wrong) if wrong else f"{len(wheels)} wheels are as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
