"""Run dfd beside the releases that `compat.toml` names: every pair of them, in as few environments as that takes.

    python tools/combinations.py DIST [--write]

Each combination is an environment of its own, with the wheels of DIST, in which `tests/packaging/smoke.py`
runs. `--write` puts what was run into `docs/architecture/compatibility.md`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from itertools import combinations, product
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pythons import supported

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs/architecture/compatibility.md"
SMOKE = ROOT / "tests/packaging/smoke.py"
BEGIN, END = "<!-- combinations -->\n", "<!-- end of combinations -->\n"

Combination = dict[str, str]


def pairwise(axes: dict[str, list[str]]) -> list[Combination]:
    """Few combinations in which every two values of two axes meet: each takes the most pairs that are left."""
    everything = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    left = {pair for combination in everything for pair in pairs(combination)}
    chosen = []
    while left:
        best = max(everything, key=lambda combination: len(left & pairs(combination)))
        left -= pairs(best)
        chosen.append(best)
    return chosen


def pairs(combination: Combination) -> set[tuple[tuple[str, str], ...]]:
    """Every two values that meet in a combination."""
    return set(combinations(sorted(combination.items()), 2))


def bound(library: str) -> str:
    """What dfd asks of a library."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["tool"]["dfd"]["bounds"][library])


def allows(library: str, version: str) -> bool:
    """Whether a release is within the bound of a library."""
    return Version(version) in SpecifierSet(bound(library))


@cache
def release(library: str, which: str, python: str) -> str:
    """The lowest or the newest release within the bound of a library that a Python can have."""
    requirement = f"{library}{bound(library)}"
    resolution = "lowest-direct" if which == "lowest" else "highest"
    ran = subprocess.run(
        [
            *("uv", "pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate"),
            *("--python-version", python, "--only-binary", ":all:"),
            *("--resolution", resolution, "-"),
        ],
        input=requirement, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return ran.stdout.strip().partition("==")[2]


def axes(installed: list[str]) -> dict[str, list[str]]:
    """The values of each axis; of a library of which one release is there, there is one."""
    named = tomllib.loads((ROOT / "compat.toml").read_text(encoding="utf-8"))["axes"]
    found = {"python": installed}
    for library, wanted in named.items():
        released = {which: release(library, which, installed[-1]) for which in wanted}
        found[library] = list({value: which for which, value in released.items()}.values())
    return found


def numbered(combination: Combination) -> Combination:
    """A combination by the numbers of its releases."""
    python = combination["python"]
    return {
        name: value if name == "python" else release(name, value, python)
        for name, value in combination.items()
    }


def is_installed(python: str) -> bool:
    """Whether uv finds a Python."""
    found = subprocess.run(["uv", "python", "find", python], capture_output=True, check=False)
    return found.returncode == 0


def tried(combination: Combination, dist: Path) -> str:
    """`works`, or what went wrong."""
    with tempfile.TemporaryDirectory() as directory:
        environment = Path(directory) / "venv"
        python = environment / "bin/python"
        pinned = [f"{name}=={value}" for name, value in combination.items() if name != "python"]
        for command in (
            ["uv", "venv", "--quiet", "--python", combination["python"], environment],
            ["uv", "pip", "install", "--quiet", "--python", python, "--find-links", dist]
            # A wheel built anew has the version of the one before.
            + [f"--refresh-package={path.parent.name}" for path in ROOT.glob("packages/*/src")]
            + ["dfd", *pinned],
            [python, "-I", SMOKE, directory],
        ):
            ran = subprocess.run(
                [str(word) for word in command], capture_output=True, text=True, check=False
            )
            if ran.returncode:
                return (ran.stderr.strip().splitlines() or ["no word"])[-1]
    return "works"


def table(rows: list[tuple[Combination, str]]) -> str:
    """What was run, as Markdown."""
    names = list(rows[0][0])
    lines = [
        f"| {' | '.join((*(name if name != 'python' else 'Python' for name in names), ''))} |",
        f"|{'---|' * (len(names) + 1)}",
    ]
    lines += [f"| {' | '.join((*made.values(), outcome))} |" for made, outcome in rows]
    return "\n".join(lines).replace(" |  |", " | |") + "\n"


def main(dist: Path, *, write: bool) -> int:
    """Run every combination; 1 if one doesn't work."""
    rows = []
    for wanted in pairwise(axes(list(filter(is_installed, supported())))):
        combination = numbered(wanted)
        rows.append((combination, tried(combination, dist)))
        print(*combination.values(), rows[-1][1], flush=True)
    if write:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        DOCUMENT.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")
    return int(any(outcome != "works" for _, outcome in rows))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), write=sys.argv[2:] == ["--write"]))
