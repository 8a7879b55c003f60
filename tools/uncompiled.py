"""Makes the packages importable from their sources, without wheels and without Rust: import it first.

For documents alone. The compiled module is stood in for by its stub, whose functions do nothing, and the
distributions of the workspace by their names and the version in Cargo.toml.
"""

from __future__ import annotations
import __future__

import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import Distribution, DistributionFinder
from importlib.util import spec_from_loader
from os import PathLike
from pathlib import Path
from types import CodeType, ModuleType

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
SOURCES = {path.parent.name: path for path in sorted(ROOT.glob("packages/*/src"))}
COMPILED = "dfd_native._native"
STUB = SOURCES["dfd-native"] / "dfd_native/_native.pyi"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


class Stub(SourceFileLoader):
    """Runs a stub, whose names may stand before their definitions."""

    def source_to_code(  # type: ignore[override]
        self, data: bytes, path: str | PathLike[str], *, _optimize: int = -1
    ) -> CodeType:
        """The code, in which no annotation is evaluated."""
        return compile(
            data, path, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True
        )

    def exec_module(self, module: ModuleType) -> None:
        """The names of the stub, and an answer for the one function that runs at exit."""
        super().exec_module(module)
        vars(module)["stop_prefetching"] = lambda _: ()

    def set_data(self, path: str, data: bytes, *, _mode: int = 0o666) -> None:
        """Keep no bytecode beside the stub."""


class Uninstalled(Distribution):
    """A distribution of the workspace, of which only name and version are known."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        """The metadata; no other file is there."""
        return f"Name: {self._name}\nVersion: {VERSION}\n" if filename == "METADATA" else None

    def locate_file(self, path: str | PathLike[str]) -> Path:
        """Where a file of the distribution would be."""
        return SOURCES[self._name] / path


class Sources(DistributionFinder):
    """Finds what only a build would make: the compiled module, and the metadata."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The stub, for the compiled module."""
        if fullname != COMPILED:
            return None
        return spec_from_loader(fullname, Stub(fullname, str(STUB)))

    def find_distributions(
        self,
        context: DistributionFinder.Context = DistributionFinder.Context(),  # noqa: B008
    ) -> Iterable[Distribution]:
        """The distributions of the workspace, of the name that is asked for."""
        return [Uninstalled(name) for name in SOURCES if context.name in (None, name)]


sys.path[:0] = map(str, SOURCES.values())
sys.meta_path.insert(0, Sources())
