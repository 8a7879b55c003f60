"""Check what was built: all seven wheels, tagged as published, with `py.typed` and nothing stray.

Wheels and source distributions alike have the licence and the notice of the workspace.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename

ROOT = Path(__file__).parent.parent
LICENCES = ("LICENSE", "NOTICE")
NAMES = {
    "dfd",
    "dfd-base",
    "dfd-storage",
    "dfd-delta-policy",
    "dfd-cache",
    "dfd-obs",
    "dfd-native",
}


def licence_problems(contents: dict[str, bytes]) -> list[str]:
    """What is wrong with the licence files of a distribution, by their names in it."""
    return [
        f"{name} is missing, or isn't the workspace's"
        for name in LICENCES
        if contents.get(name) != (ROOT / name).read_bytes()
    ]


def source_problems(source: Path) -> list[str]:
    """What is wrong with one source distribution."""
    top = source.name.removesuffix(".tar.gz")
    with tarfile.open(source) as archive:
        contents = {
            name: file.read()
            for name in LICENCES
            if f"{top}/{name}" in archive.getnames()
            and (file := archive.extractfile(f"{top}/{name}"))
        }
    return licence_problems(contents)


def problems(wheel: Path) -> list[str]:
    """What is wrong with one wheel."""
    name, version, _, tags = parse_wheel_filename(wheel.name)
    module = name.replace("-", "_")
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
        licences = f"{module}-{version}.dist-info/licenses"
        found = licence_problems(
            {
                name: archive.read(f"{licences}/{name}")
                for name in LICENCES
                if f"{licences}/{name}" in files
            }
        )
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
    sources = sorted(Path(directory).glob("source/*.tar.gz"))
    missing = NAMES - {parse_wheel_filename(wheel.name)[0] for wheel in wheels}
    wrong = [f"no wheel of {name}" for name in sorted(missing)]
    missing = NAMES - {parse_sdist_filename(source.name)[0] for source in sources}
    wrong += [f"no source distribution of {name}" for name in sorted(missing)]
    wrong += [f"{wheel.name}: {problem}" for wheel in wheels for problem in problems(wheel)]
    wrong += [f"{path.name}: {problem}" for path in sources for problem in source_problems(path)]
    right = f"{len(wheels)} wheels and {len(sources)} source distributions are as they should be"
    print("\n".join(wrong) or right)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
