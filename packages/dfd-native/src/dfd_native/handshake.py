"""What is installed, and whether it fits together, before anything native crosses.

Versions are read from the installed distributions' metadata: the libraries themselves are not
imported, because importing is what may crash. `dfd_native._native` asks `ensure_datafusion`
before it makes a capsule, so no way leads around the check.
"""

from __future__ import annotations

import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from dfd_native import _native
from dfd_native.errors import IncompatibleInstallation

_PLUGIN_ABI = 1
_OLDEST_PYARROW = 17
_LIBRARIES = ("datafusion", "deltalake", "pyarrow", "dfd-native")


class _Defect(NamedTuple):
    library: str
    versions: re.Pattern[str]
    defect: str
    closed_by: str


# Measured, not guessed: each has a test in this project that fails when the defect is gone.
_DEFECTS = (
    _Defect(
        "deltalake",
        re.compile(r"1\.6\.6$"),
        "optimize.compact() and optimize.z_order() double or resurrect rows when they race",
        "GuardedTable.optimize commits by compare-and-swap of its own",
    ),
    _Defect(
        "deltalake",
        re.compile(r"1\.6\."),
        "a DeltaTable registered in a session scans no remote table and none with deletion vectors",
        "delta_table() scans with a provider of dfd's own",
    ),
)


def capabilities_snapshot() -> dict[str, Any]:
    """Versions and what they can do, as plain values that go into any report.

    - `python`, `platform`: of this process; `libraries`: installed versions, None where missing.
    - `plugin_abi`: `{"major", "minor"}` between the two halves of this package.
    - `datafusion`, `ffi`, `arrow`, `deltalake_core`, `object_store`, `pyo3`, `abi3`, `build`: what the library was compiled from.
    - `features`; `functions`: name to a digest of its signature.
    - `known_defects`: of the installed libraries, each with what closes it here.
    """
    built = dict(_native.build_info())
    libraries = {name: _installed(name) for name in _LIBRARIES}
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "libraries": libraries,
        "plugin_abi": built["plugin_abi"],
        "datafusion": built["datafusion"],
        "ffi": built["ffi"],
        "arrow": built["arrow"],
        "deltalake_core": built["deltalake_core"],
        "object_store": built["object_store"],
        "pyo3": built["pyo3"],
        "abi3": built["abi3"],
        "build": {key: built[key] for key in ("version", "target", "profile")},
        "features": list(built["features"]),
        "functions": dict(built["functions"]),
        "known_defects": [
            {
                "library": f"{known.library} {found}",
                "defect": known.defect,
                "closed_by": known.closed_by,
            }
            for known in _DEFECTS
            if (found := libraries[known.library]) and known.versions.match(found)
        ],
    }


def ensure_compatible() -> None:
    """Raise unless everything installed fits what this package was built for.

    Raises:
        IncompatibleInstallation: the two halves of dfd-native, datafusion or pyarrow don't fit.
    """
    built = _native.build_info()
    abi = built["plugin_abi"]
    if abi["major"] != _PLUGIN_ABI:
        raise IncompatibleInstallation(
            f"dfd-native with a library of plugin ABI {abi['major']}.{abi['minor']}",
            f"plugin ABI {_PLUGIN_ABI}",
            "pip install --force-reinstall dfd-native",
        )
    ensure_datafusion(built["datafusion_major"])
    pyarrow = _installed("pyarrow")
    if pyarrow is not None and _major(pyarrow) < _OLDEST_PYARROW:
        raise IncompatibleInstallation(
            f"pyarrow {pyarrow}",
            f"pyarrow>={_OLDEST_PYARROW}",
            f"pip install 'pyarrow>={_OLDEST_PYARROW}'",
        )


def ensure_datafusion(major: int) -> None:
    """Raise unless the installed datafusion has this major version; it is not imported.

    Raises:
        IncompatibleInstallation: it is missing, or another.
    """
    found = _installed("datafusion")
    if found is None or _major(found) != major:
        required = f"datafusion>={major},<{major + 1}"
        raise IncompatibleInstallation(
            "no datafusion" if found is None else f"datafusion {found}",
            required,
            f"pip install '{required}'",
        )


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _major(text: str) -> int:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else -1
