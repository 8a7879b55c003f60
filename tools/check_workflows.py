"""Check the workflows: by GitHub's own schema, and by actionlint where Go is installed.

actionlint is compiled once, into `${XDG_CACHE_HOME:-~/.cache}/dfd/servers`; without Go it is left out,
which is said.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from servers import Package, ServerError

ROOT = Path(__file__).parent.parent
ACTIONLINT = Package(
    "actionlint", "1.7.12", "go", "github.com/rhysd/actionlint/cmd/actionlint", "actionlint"
)


def main(workflows: list[Path]) -> int:
    """Print what is found in the workflows; 1 if anything is."""
    files = [str(workflow) for workflow in workflows]
    schema = ["check-jsonschema", "--quiet", "--builtin-schema", "vendor.github-workflows"]
    failed = subprocess.run([*schema, *files], check=False).returncode
    try:
        actionlint = ACTIONLINT.install()
    except ServerError as error:
        print(f"Without actionlint: {error}")
        return int(failed != 0)
    # What its steps run is bash of a line; shellcheck isn't asked for.
    failed |= subprocess.run([actionlint, "-shellcheck=", *files], check=False).returncode
    return int(failed != 0)


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    sys.exit(main(given or sorted(ROOT.glob(".github/workflows/*.yml"))))
