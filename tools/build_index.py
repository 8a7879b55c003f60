"""Write a static index (PEP 503) of the wheels of a folder into its `index/`.

Any web server that serves the folder is then an index from which each part installs alone.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from dumb_pypi.main import main as dumb_pypi


def main(directory: str) -> int:
    """Write the index; 1 if there is no wheel."""
    wheels = sorted(Path(directory).glob("*.whl"))
    if not wheels:
        print(f"no wheels in {directory}")
        return 1
    with tempfile.NamedTemporaryFile("w", suffix=".json") as packages:
        for wheel in wheels:
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            entry = {
                "filename": wheel.name,
                "hash": f"sha256={digest}",
                "requires_python": ">=3.10",
            }
            packages.write(json.dumps(entry) + "\n")
        packages.flush()
        return dumb_pypi(
            [
                *("--package-list-json", packages.name),
                *("--packages-url", "../../../"),
                *("--output-dir", str(Path(directory) / "index")),
                "--no-generate-timestamp",
            ]
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
