"""Fail where a requirement is bounded otherwise than `[tool.dfd.bounds]` in the root's pyproject.toml says.

Each bound stands there once; siblings take the workspace's own minor version. `--write` carries a
changed bound into every pyproject.toml, and into the module that tells a user what to install.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
HANDSHAKE = ROOT / "packages/dfd-native/src/dfd_native/handshake.py"
_REQUIREMENT = re.compile(r'"([a-z][a-z-]*>=[0-9][^"{]*)"')


def siblings() -> dict[str, str]:
    """The bound of every distribution of the workspace: its own minor version."""
    version = Version(_toml(ROOT / "Cargo.toml")["workspace"]["package"]["version"])
    bound = f">={version.major}.{version.minor},<{version.major}.{version.minor + 1}"
    return {path.parent.name: bound for path in ROOT.glob("packages/*/pyproject.toml")}


def requirements(project: dict[str, Any]) -> Iterator[str]:
    """Every requirement of a pyproject.toml: of the project, its extras, its groups and its build."""
    own = project["project"]
    yield from project.get("build-system", {}).get("requires", [])
    yield from own.get("dependencies", [])
    for extra in own.get("optional-dependencies", {}).values():
        yield from extra
    for group in project.get("dependency-groups", {}).values():
        yield from (entry for entry in group if isinstance(entry, str))


def problem(text: str, name: str, known: dict[str, str], *, strict: bool) -> str | None:
    """What is wrong with one requirement of the distribution `name`; None if nothing is.

    Without `strict` a requirement that has no bound in the table passes.
    """
    requirement = Requirement(text)
    if requirement.name == name:  # Its own extras, in a group.
        return None if not requirement.specifier else f"{text!r} bounds the distribution itself"
    bound = known.get(requirement.name)
    if bound is None:
        return f"{text!r} has no bound in [tool.dfd.bounds]" if strict else None
    if requirement.specifier != SpecifierSet(bound):
        return f"{text!r}: the bound is {requirement.name}{bound}"
    return None


def mended(text: str, known: dict[str, str]) -> str:
    """The requirement with the bound of the table, all else as it was."""
    requirement = Requirement(text)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    _, semicolon, marker = text.partition(";")
    return f"{requirement.name}{extras}{known[requirement.name]}{semicolon}{marker}"


def check(path: Path, known: dict[str, str], *, strict: bool, write: bool) -> int:
    """Print every bound of a pyproject.toml or a module that is wrong, or mend it; how many are left."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        project = _toml(path)
        name, texts = project["project"]["name"], requirements(project)
    else:
        name, texts = path.stem, iter(_REQUIREMENT.findall(content))
    wrong = 0
    for text in texts:
        told = problem(text, name, known, strict=strict)
        if told and write and Requirement(text).name in known:
            content = content.replace(f'"{text}"', f'"{mended(text, known)}"')
        elif told:
            print(f"{path.relative_to(ROOT)}: {told}")
            wrong += 1
    if write:
        path.write_text(content, encoding="utf-8")
    return wrong


def main(*, write: bool) -> int:
    """Look into every pyproject.toml of the workspace; 1 if a bound is wrong."""
    root = ROOT / "pyproject.toml"
    table: dict[str, str] = _toml(root)["tool"]["dfd"]["bounds"]
    packages = sorted(ROOT.glob("packages/*/pyproject.toml"))
    # The workspace itself takes its members from their directories.
    wrong = check(root, table, strict=False, write=write)
    for path in (*packages, HANDSHAKE):
        wrong += check(path, table | siblings(), strict=True, write=write)
    print(f"{len(packages) + 1} projects and the handshake, {wrong} wrong bounds")
    if wrong and not write:
        print("Set the bound in [tool.dfd.bounds], then run: python tools/check_bounds.py --write")
    return 1 if wrong else 0


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main(write=sys.argv[1:] == ["--write"]))
