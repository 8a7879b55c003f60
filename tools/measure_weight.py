"""Measure what an installation of each part brings: measure_weight.py WHEELS [--write].

Each part is installed alone from the folder of wheels, into an empty environment (needs uv). Printed is a
Markdown table: megabytes on disk, of which the heaviest distributions, how many there are, and the seconds of
CPU of an import, as the least of `ROUNDS` new processes less the start of Python itself. `--write` puts the table
into docs/reference/weight.md.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parent.parent / "docs/reference/weight.md"
ROUNDS = 7
PARTS = {
    "dfd-base": "dfd_base",
    "dfd-obs": "dfd_obs",
    "dfd-storage": "dfd_storage",
    "dfd-delta-policy": "dfd_delta_policy",
    "dfd-cache": "dfd_cache",
    "dfd-native": "dfd_native",
    "dfd": "dfd.runtime",
    "dfd[shell]": "dfd.cli.shell.prompt",
}
# In the environment: the size of each distribution, from its own list of files.
SIZES = """
import importlib.metadata as metadata, json
sizes = {}
for found in metadata.distributions():
    paths = (found.locate_file(file) for file in found.files or ())
    sizes[found.name] = sum(path.stat().st_size for path in paths if path.exists())
print(json.dumps(sizes))
"""


class Weight(NamedTuple):
    """What an installation brings: bytes by distribution, and seconds of CPU of its import."""

    sizes: dict[str, int]
    import_s: float

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(self.sizes.values())

    def heaviest(self) -> str:
        """The three largest distributions of at least a megabyte, as text."""
        largest = sorted(self.sizes.items(), key=lambda item: -item[1])[:3]
        return ", ".join(f"{name} {size / 1e6:.0f}" for name, size in largest if size >= 1e6)


def started(python: Path, code: str) -> float:
    """The least seconds of CPU of a new process that runs the code: what else the machine does adds little to them.

    Raises:
        SystemExit: the code fails.
    """
    taken = []
    for _ in range(ROUNDS):
        process = os.posix_spawn(python, [python, "-I", "-c", code], os.environ)
        _, status, used = os.wait4(process, 0)
        if status:
            raise SystemExit(f"{python} -c {code!r} failed")
        taken.append(used.ru_utime + used.ru_stime)
    return min(taken)


def weigh(requirement: str, module: str, wheels: Path) -> Weight:
    """Install one part in an empty environment, and measure it."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["uv", "venv", "--quiet", directory, "-p", sys.executable], check=True)
        python = Path(directory) / "bin/python"
        install = [
            "uv",
            "pip",
            "install",
            "--quiet",
            "--find-links",
            str(wheels),
            "-p",
            str(python),
        ]
        subprocess.run([*install, "--compile-bytecode", requirement], check=True)
        sizes = json.loads(subprocess.check_output([python, "-I", "-c", SIZES]))
        return Weight(sizes, started(python, f"import {module}") - started(python, "pass"))


def table(weights: dict[str, Weight]) -> str:
    """The weights as Markdown."""
    lines = [
        "| `pip install` | MB on disk | of which, in MB | distributions | import, s of CPU |",
        "|---|---|---|---|---|",
    ]
    for name, weight in weights.items():
        lines.append(
            f"| `{name}` | {weight.bytes / 1e6:.1f} | {weight.heaviest()} | {len(weight.sizes)} | {weight.import_s:.2f} |"
        )
    return "\n".join(lines)


def main(wheels: str, *options: str) -> int:
    """Print the table, and write it into its page where that is asked for."""
    weights = {name: weigh(name, module, Path(wheels)) for name, module in PARTS.items()}
    found = table(weights)
    print(found)
    if "--write" in options:
        where = f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}"
        text = f"<!-- measured -->\n\n{where}:\n\n{found}\n\n<!-- end -->"
        page = re.sub(
            r"<!-- measured -->.*<!-- end -->", lambda _: text, PAGE.read_text(), flags=re.DOTALL
        )
        PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
