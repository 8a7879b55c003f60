"""Whether what is installed fits together, asked before anything native crosses.

`dfd_native._native` asks `ensure_fits` before it makes a capsule and `ensure_library` before it opens one, so
no way leads around them.
"""

from __future__ import annotations

import platform
import re
import shlex
import site
import sys
from pathlib import Path
from typing import Any

from dfd_native import _native
from dfd_native.defects import known_defects
from dfd_native.errors import IncompatibleInstallation
from dfd_native.installed import datafusion_inside, datafusion_of, directory, on_disk
from dfd_native.installed import version as _installed

# What this half calls in the library; the library's major is the same and its minor no smaller.
_PLUGIN_ABI = (1, 1)
# As `[tool.dfd.bounds]` has them: tools/check_bounds.py writes them here.
_PYARROW = "pyarrow>=21"
_DELTALAKE = {55: "deltalake>=1.6.4,<1.7"}
_LIBRARIES = ("datafusion", "deltalake", "pyarrow", "dfd-native")


def capabilities_snapshot() -> dict[str, Any]:
    """Versions and what they can do, as plain values that go into any report.

    - `python`, `implementation`, `platform`: of this process; `libraries`: versions of what is imported or would
      be, None where missing; `datafusion_inside`: the DataFusion crates that a library's wheel was built
      on, read from the wheel.
    - `plugin_abi`: `{"major", "minor"}` between the two halves of this package.
    - `datafusion`, `ffi`, `arrow`, `deltalake_core`, `object_store`, `pyo3`, `abi3`: what this library was compiled from.
    - `build`: version, target and the processor features it uses, profile, compiler, and `id`, a digest of the lock file and the sources: the same for
      the same sources wherever they are compiled, another for any other.
    - `features`; `functions`: name to a digest of its signature.
    - `known_defects`: of the installed libraries, each with its evidence and what closes it here.
    """
    built = dict(_native.build_info())
    libraries = {name: _installed(name) for name in _LIBRARIES}
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "libraries": libraries,
        "datafusion_inside": {
            "datafusion": datafusion_inside("datafusion"),
            "deltalake": datafusion_inside("deltalake"),
            "dfd-native": built["datafusion"],
        },
        "plugin_abi": built["plugin_abi"],
        "datafusion": built["datafusion"],
        "ffi": built["ffi"],
        "arrow": built["arrow"],
        "deltalake_core": built["deltalake_core"],
        "object_store": built["object_store"],
        "pyo3": built["pyo3"],
        "abi3": built["abi3"],
        "build": {
            key: built[key]
            for key in ("version", "id", "target", "target_features", "profile", "rustc")
        },
        "features": list(built["features"]),
        "functions": dict(built["functions"]),
        "known_defects": known_defects(libraries),
    }


def ensure_compatible() -> None:
    """Raise unless everything installed fits what this package was built for.

    Raises:
        IncompatibleInstallation: the two halves of dfd-native, datafusion, deltalake or pyarrow don't fit.
    """
    built = _native.build_info()
    abi = built["plugin_abi"]
    ensure_fits(abi["major"], abi["minor"], built["datafusion_major"])


def ensure_fits(abi_major: int, abi_minor: int, datafusion: int) -> None:
    """Raise unless a library of this plugin ABI and this DataFusion major fits what is installed.

    Raises:
        IncompatibleInstallation: see `ensure_compatible`.
    """
    if abi_major != _PLUGIN_ABI[0] or abi_minor < _PLUGIN_ABI[1]:
        raise IncompatibleInstallation(
            f"dfd-native with a library of plugin ABI {abi_major}.{abi_minor}",
            f"plugin ABI {_PLUGIN_ABI[0]}.{_PLUGIN_ABI[1]}",
            _pip("dfd-native", "dfd-native", "--force-reinstall"),
        )
    _ensure_datafusion(datafusion)
    pyarrow = _installed("pyarrow")
    if pyarrow is not None and _major(pyarrow) < _major(_PYARROW.partition(">=")[2]):
        raise IncompatibleInstallation(f"pyarrow {pyarrow}", _PYARROW, _pip("pyarrow", _PYARROW))
    inside = datafusion_inside("deltalake")
    if inside is not None and _major(inside) != datafusion:
        required = _DELTALAKE.get(datafusion, "deltalake")
        raise IncompatibleInstallation(
            f"deltalake {_installed('deltalake')}, which stands on DataFusion {inside},",
            required,
            _pip("deltalake", required),
        )


def _ensure_datafusion(major: int) -> None:
    found, inside = _installed("datafusion"), datafusion_inside("datafusion")
    if found is None:
        installed = "no datafusion"
    elif _major(found) != major:
        installed = f"datafusion {found}"
    elif inside is not None and _major(inside) != major:
        installed = f"datafusion {found}, whose library is that of {inside},"
    else:
        return
    required = f"datafusion>={major},<{major + 1}"
    there = on_disk("datafusion")
    if found != there and there is not None and _major(there) == major:
        # It was installed after the process had imported another.
        raise IncompatibleInstallation(installed, required, "restart Python")
    raise IncompatibleInstallation(installed, required, _pip("datafusion", required))


def ensure_library(path: str | None, datafusion: int) -> None:
    """Raise unless a library whose capsule is about to be opened has this DataFusion major.

    `path`: the file of the library; None where the system doesn't know it.

    Raises:
        IncompatibleInstallation: it has another, or doesn't say.
    """
    library = None if path is None else Path(path).resolve()
    home = directory("datafusion")
    if library is not None and home is not None and library.parent == home.resolve():
        return  # `ensure_fits` has looked at it.
    inside = None if library is None else datafusion_of(library)
    if inside is None or _major(inside) != datafusion:
        required = f"datafusion>={datafusion},<{datafusion + 1}"
        raise IncompatibleInstallation(
            f"a session of {library or 'an unknown library'} on DataFusion {inside or 'unknown'}",
            required,
            _pip("datafusion", required),
        )


def _pip(distribution: str, requirement: str, *options: str) -> str:
    """The command that installs a requirement over what is, or would be, imported."""
    home = directory(distribution)
    usual = {Path(path).resolve() for path in (*site.getsitepackages(), site.getusersitepackages())}
    if home is not None and home.parent.resolve() not in usual:
        options = (*options, "--upgrade", "--target", str(home.parent))
    return shlex.join(("pip", "install", *options, requirement))


def _major(text: str) -> int:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else -1
