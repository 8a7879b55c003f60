"""Fail if a distribution's bound on a sibling excludes the workspace's own version of it."""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Print every bound that is wrong or missing; 1 if there is one."""
    projects = {
        data["project"]["name"]: data["project"]
        for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
        for data in [tomllib.loads(path.read_text())]
    }
    wrong = 0
    for name, project in projects.items():
        extras = project.get("optional-dependencies", {}).values()
        for text in [*project["dependencies"], *(one for extra in extras for one in extra)]:
            requirement = Requirement(text)
            sibling = projects.get(requirement.name)
            if sibling is None:
                continue
            if not requirement.specifier or not requirement.specifier.contains(sibling["version"]):
                print(f"{name}: {text!r} does not take {requirement.name} {sibling['version']}")
                wrong += 1
    print(f"{len(projects)} distributions, {wrong} wrong bounds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
