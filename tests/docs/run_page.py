"""Run the code of one page, in this process: run_page.py PAGE DIRECTORY, and on stdin what is replaced, as JSON.

`setups/NAME.py` is run before it, where it is there: what a reader of the page has already. `checks/NAME.py`
looks at what the page has done. Both share the page's names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from page import BlockFailed, PageRun

ROOT = Path(__file__).parents[2]


def beside(folder: str, page: Path, run: PageRun) -> None:
    """Run the file of a folder that belongs to the page, where there is one."""
    name = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_").lower()
    path = Path(__file__).parent / folder / f"{name}.py"
    if path.exists():
        exec(compile(run.local(path.read_text()), str(path), "exec"), run.names)


def main(page: Path, directory: Path) -> int:
    """Run the page; 1 where a block fails."""
    (directory / "data").mkdir(exist_ok=True)
    sys.path.insert(0, str(directory))
    run = PageRun(page.relative_to(ROOT), directory, json.load(sys.stdin))
    run.names["page"] = run
    beside("setups", page, run)
    try:
        count = run.run(page.read_text(encoding="utf-8"))
    except BlockFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    beside("checks", page, run)
    print(f"{count} blocks")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
