"""DataFusion's own sqllogictest files, from the registry that cargo is set up with."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CRATE = "datafusion-sqllogictest"
VERSION = "55.2.0"


def crate() -> Path:
    """The unpacked source of the crate, kept in the user's cache; fetched when it isn't there.

    Test data that isn't in the crate (Parquet and Arrow test files, TPC-H) isn't here either: what needs it
    fails on both routes alike.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cache / "dfd/sqllogictest" / f"{CRATE}-{VERSION}"
    if not kept.is_dir():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
            copied = Path(directory) / "crate"
            shutil.copytree(_fetched(), copied)
            # Whole or not at all; two processes may do this at once.
            try:
                copied.rename(kept)
            except OSError:
                if not kept.is_dir():
                    raise
    return kept


def _fetched() -> Path:
    # Of cargo's commands this one fetches a single crate without what it depends on.
    with tempfile.TemporaryDirectory() as elsewhere:
        subprocess.run(
            ["cargo", "info", "--quiet", f"{CRATE}@{VERSION}"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=elsewhere,
        )
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    found = next(home.glob(f"registry/src/*/{CRATE}-{VERSION}"), None)
    if found is None:
        raise FileNotFoundError(f"cargo left no {CRATE} {VERSION} below {home}/registry/src.")
    return found


def files() -> list[str]:
    """Every test file, relative to the crate's `test_files`, in order."""
    root = crate() / "test_files"
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.slt"))


def lay_out(directory: Path, file: str) -> Path:
    """A working directory below `directory` as the files expect theirs: data beside, room to write in."""
    source = crate()
    working = directory / "datafusion/sqllogictest"
    tests = working / "test_files"
    (tests / "scratch" / Path(file).stem).mkdir(parents=True)
    for entry in (source / "test_files").iterdir():
        (tests / entry.name).symlink_to(entry)
    (working / "data").symlink_to(source / "data")
    return working


if __name__ == "__main__":
    print(crate())
