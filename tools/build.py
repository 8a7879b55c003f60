"""Build wheels and source distributions: the one way to, for the sessions and for what is published.

    python tools/build.py DIRECTORY [--parts all|pure|native|sources] [--profile release|dist]
        [--target TRIPLE] [--compatibility TAG]

Wheels go into the directory, source distributions into its `source/`. The tools that build are those
of uv.lock, by hash, and their clock is the time of the commit. `release` is what the sessions
compile, share and test; `dist` is what is published: it is compiled apart, and has no path of the
machine in it.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import third_party
import zig_linker

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PURE = ("dfd-base", "dfd-storage", "dfd-delta-policy", "dfd-cache", "dfd-obs", "dfd")
NATIVE = ROOT / "packages/dfd-native"
BILL = "dfd-native.cyclonedx.json"


def commit_time(root: Path = ROOT) -> int | None:
    """When the commit was made, in seconds since 1970; None outside a clone, unless it is given."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    # A source distribution may lie in a clone of something else.
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(ran.stdout) if ran.returncode == 0 else None


def build_pure(directory: Path) -> None:
    """The wheels and source distributions of the parts that are Python alone."""
    clock = commit_time()
    environment = dict(os.environ)
    if clock is not None:
        environment["SOURCE_DATE_EPOCH"] = str(clock)
    with tempfile.TemporaryDirectory() as temporary:
        locked = Path(temporary) / "build-requirements.txt"
        _run(
            *("uv", "export", "--quiet", "--frozen", "--only-group", "build"),
            *("--no-emit-workspace", "--format", "requirements.txt", "--output-file", locked),
        )
        for package in PURE:
            for kind, where in (("--wheel", directory), ("--sdist", directory / "source")):
                _run(
                    *("uv", "build", "--quiet", kind, "--package", package),
                    *("--build-constraints", locked, "--require-hashes", "--out-dir", where),
                    environment=environment,
                )


def build_native_source(directory: Path) -> None:
    """The source distribution of dfd-native, with its crates and what cargo is told of them."""
    (directory / "source").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        _run("maturin", "sdist", "--out", temporary, cwd=NATIVE)
        (made,) = Path(temporary).glob("*.tar.gz")
        # maturin takes no file from above the package.
        with_file(made, ROOT / ".cargo/config.toml", ".cargo/config.toml", directory / "source")


def with_file(source: Path, file: Path, name: str, directory: Path) -> Path:
    """A copy of a source distribution that has one file more; the same bytes each time."""
    copy = directory / source.name
    with (
        tarfile.open(source) as given,
        copy.open("wb") as written,
        gzip.GzipFile("", "wb", fileobj=written, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as made,
    ):
        members = given.getmembers()
        for member in members:
            made.addfile(member, given.extractfile(member) if member.isfile() else None)
        added = tarfile.TarInfo(f"{source.name.removesuffix('.tar.gz')}/{name}")
        content = file.read_bytes()
        added.size, added.mtime, added.mode = len(content), members[0].mtime, 0o644
        made.addfile(added, io.BytesIO(content))
    return copy


def build_native(
    directory: Path, profile: str, target: str = zig_linker.TRIPLE, compatibility: str = ""
) -> None:
    """The wheel of dfd-native for a target, with the bill of materials of its crates."""
    crates = third_party.compiled_in(third_party.metadata(target))
    cargo = ("--release",) if profile == "release" else ("--profile", profile)
    linked_by: tuple[str, ...] = ()
    environment = dict(os.environ)
    if target.endswith("-linux-gnu"):
        environment |= zig_linker.environment(target)
        compatibility = compatibility or "manylinux2014"
    elif target.endswith("-linux-musl"):
        linked_by = ("--zig",)
        compatibility = compatibility or "musllinux_1_2"
    if profile == "dist":
        environment |= reproducible(target, environment)
    tagged = ("--compatibility", compatibility) if compatibility else ()
    with tempfile.TemporaryDirectory() as temporary:
        bill = Path(temporary) / BILL
        text = third_party.bill_of_materials(crates, version(), commit_time())
        bill.write_text(text, encoding="utf-8")
        _run(
            *("maturin", "build", *cargo, "--target", target, *linked_by, *tagged),
            *("--sbom-include", bill, "--out", directory),
            cwd=NATIVE,
            environment=environment,
        )


def reproducible(target: str, environment: dict[str, str]) -> dict[str, str]:
    """What keeps this machine out of what is compiled: its directories, and the time.

    Not for what the sessions share: other flags, or another time, compile every crate again.
    """
    told: dict[str, str] = {}
    clock = commit_time()
    if clock is not None:
        told["SOURCE_DATE_EPOCH"] = str(clock)
    renamed = list(_renamed(target))
    flags = " ".join(f"--remap-path-prefix={path}={name}" for path, name in renamed)
    told[f"CARGO_TARGET_{target.replace('-', '_').upper()}_RUSTFLAGS"] = flags
    if not target.endswith("-msvc"):
        for variable in ("CFLAGS", "CXXFLAGS"):
            name = f"{variable}_{target.replace('-', '_')}"
            own = (f"-ffile-prefix-map={path}={as_name}" for path, as_name in renamed)
            told[name] = " ".join([environment.get(name, ""), *own]).strip()
    return told


def _renamed(target: str) -> Iterable[tuple[Path, str]]:
    """Directories that a compiler names in what it makes, and what to call them; of two the last that fits."""
    _run("cargo", "fetch", "--quiet", "--locked", "--target", target)
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo").absolute()
    yield ROOT, "/dfd"
    yield Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute(), "/dfd/target"
    # One for each registry, named after where it is fetched from.
    for registry in sorted(home.glob("registry/src/*")):
        yield registry, "/crates"


def version() -> str:
    """The one version of everything."""
    cargo: dict[str, Any] = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    return str(cargo["workspace"]["package"]["version"])


def rust_problem(profile: str) -> str | None:
    """What is wrong with the Rust that is there; what is published is compiled by the pinned one alone."""
    if profile != "dist":
        return None
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dfd"]
    ran = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True)
    found = re.findall(r"\d+\.\d+\.\d+", ran.stdout)[0]
    if found == pinned["rust"]:
        return None
    return f"rustc is {found}, and wheels are published from {pinned['rust']}: use that toolchain"


def _run(*command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    subprocess.run([str(word) for word in command], cwd=cwd, env=environment, check=True)


def main(arguments: list[str]) -> int:
    """Build what is asked for; 1 where a tool that is needed isn't there or isn't the right one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--parts", choices=("all", "pure", "native", "sources"), default="all")
    parser.add_argument("--profile", choices=("release", "dist"), default="release")
    parser.add_argument("--target", default=zig_linker.TRIPLE)
    parser.add_argument("--compatibility", default="")
    asked = parser.parse_args(arguments)
    if asked.parts in ("all", "native"):
        if shutil.which("cargo") is None:
            print("A Rust toolchain (cargo) is needed.")
            return 1
        if told := rust_problem(asked.profile):
            print(told)
            return 1
    directory = asked.directory.absolute()
    if asked.parts in ("all", "pure", "sources"):
        build_pure(directory)
    if asked.parts in ("all", "sources"):
        build_native_source(directory)
    if asked.parts in ("all", "native"):
        build_native(directory, asked.profile, asked.target, asked.compatibility)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
