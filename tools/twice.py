"""Build the last commit twice and compare the bytes of every wheel and source distribution.

    python tools/twice.py [--parts all|pure|native|sources] [--keep DIRECTORY]

The two builds stand in directories of other names, under other homes, with another umask, time zone and
language. With dfd-native each compiles all crates from cold: twice an hour on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Of what a build must not depend on.
APART: tuple[dict[str, str | int], ...] = (
    {"umask": 0o022, "TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
    {"umask": 0o077, "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "2"},
)


def cargo_home(home: Path) -> Path:
    """A cargo home with what this machine has fetched, so that crates lie in another place."""
    own = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    made = home / ".cargo"
    for part in ("registry/index", "registry/cache"):
        if (own / part).is_dir():
            shutil.copytree(own / part, made / part)
    made.mkdir(parents=True, exist_ok=True)
    return made


def build(directory: Path, parts: str, settings: dict[str, str | int]) -> Path:
    """Clone the repository into a directory, and build there, in a home of its own."""
    clone, home = directory / "clone", directory / "home"
    home.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    rustup = os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True)
    environment = {
        **os.environ,
        **{name: str(value) for name, value in settings.items() if name != "umask"},
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "UV_CACHE_DIR": cache.stdout.strip(),
        "RUSTUP_HOME": rustup,
        "CARGO_HOME": str(cargo_home(home)) if parts in ("all", "native") else "",
        "CARGO_TARGET_DIR": str(directory / "target"),
    }
    if not environment["CARGO_HOME"]:
        environment["CARGO_HOME"] = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    made = directory / "dist"
    command = [sys.executable, str(clone / "tools/build.py"), str(made)]
    before = os.umask(int(settings["umask"]))
    try:
        subprocess.run(
            [*command, "--parts", parts, "--profile", "dist"],
            cwd=clone, env=environment, check=True,
        )  # fmt: skip
    finally:
        os.umask(before)
    return made


def hashes(directory: Path) -> dict[str, str]:
    """The hash of each wheel and source distribution, by its name."""
    files = [*directory.glob("*.whl"), *directory.glob("source/*.tar.gz")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def differences(first: Path, second: Path) -> list[str]:
    """The files that two directories don't both have, byte by byte."""
    one, other = hashes(first), hashes(second)
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def main(arguments: list[str]) -> int:
    """Build twice, print the hashes; 1 where they aren't those of the other build."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", choices=("all", "pure", "native", "sources"), default="all")
    parser.add_argument("--keep", type=Path, help="where to leave what was built")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dfd-twice-") as temporary:
        places = [Path(temporary) / "a", Path(temporary) / "a-longer-name" / "b"]
        made = [
            build(place, asked.parts, settings)
            for place, settings in zip(places, APART, strict=True)
        ]
        for name, value in hashes(made[0]).items():
            print(value, name)
        different = differences(*made)
        if asked.keep:
            for place, directory in zip(("first", "second"), made, strict=True):
                shutil.copytree(directory, asked.keep / place, dirs_exist_ok=True)
    print("\n".join(f"{name} differs" for name in different) or "Both builds are the same.")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
