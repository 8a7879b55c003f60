"""Installed libraries: the version of each, and the DataFusion that its wheel was built on.

Metadata alone can lie: a directory in front of the installed one, a copy without metadata, an upgrade
under a running process. So an imported library answers for itself, another is looked up where it
would be imported from, and the DataFusion inside is read from the library's own file. Nothing is
imported, because importing is what may crash.
"""

from __future__ import annotations

import functools
import mmap
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

# Panics name the source that they come from, so every library that was built with the crate says which.
_SOURCE = re.compile(rb"datafusion-ffi-(\d+\.\d+\.\d+)[/\\]")
_LIBRARIES = ("*.so", "*.pyd", "*.dylib")


def version(distribution: str) -> str | None:
    """The version that is imported, or else the one that would be; None where there is none."""
    imported = getattr(sys.modules.get(_module(distribution)), "__version__", None)
    return imported if isinstance(imported, str) else on_disk(distribution)


def on_disk(distribution: str) -> str | None:
    """The version of the files from which the library is, or would be, imported."""
    home = directory(distribution)
    if home is None:
        return None
    # What is installed, removed or upgraded there changes the directory.
    beside = _beside(distribution, str(home.parent), home.parent.stat().st_mtime_ns)
    if len(beside) == 1:
        return next(iter(beside))
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@functools.lru_cache(maxsize=64)
def _beside(distribution: str, path: str, changed_ns: int) -> frozenset[str]:
    """The versions of a distribution whose metadata is in a directory."""
    found = metadata.distributions(name=distribution, path=[path])
    return frozenset(distribution.version for distribution in found)


def directory(distribution: str) -> Path | None:
    """The package's directory, that of the imported one or else of the one that would be."""
    try:
        spec = find_spec(_module(distribution))
    except (ImportError, ValueError):
        return None
    # A directory without code, which an uninstalled package may leave behind, has no origin.
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def datafusion_inside(distribution: str) -> str | None:
    """The version of the DataFusion crates in a package's library; None where it doesn't say."""
    home = directory(distribution)
    if home is None:
        return None
    return next(filter(None, map(datafusion_of, _libraries(home))), None)


def datafusion_of(library: Path) -> str | None:
    """The version of the DataFusion crates in one library file; None where it doesn't say."""
    try:
        status = library.stat()
    except OSError:
        return None
    return _read(library, status.st_mtime_ns, status.st_size)


@functools.lru_cache
def _read(library: Path, _modified: int, size: int) -> str | None:
    if size == 0:
        return None
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = _SOURCE.search(data)
        return found[1].decode() if found else None


def _libraries(home: Path) -> Iterator[Path]:
    for pattern in _LIBRARIES:
        yield from sorted(home.glob(pattern))


def _module(distribution: str) -> str:
    return distribution.replace("-", "_")
