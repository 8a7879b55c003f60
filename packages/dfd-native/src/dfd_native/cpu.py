"""Whether this processor has what the library was compiled for, asked before the library is loaded.

An instruction that a processor lacks ends the process; no error could be raised any more.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from dfd_native.errors import IncompatibleInstallation

# x86-64-v3 beyond what every 64-bit processor has, as Linux names it in /proc/cpuinfo. `abm` is LZCNT.
X86_64_V3 = frozenset(
    {
        *("cx16", "popcnt", "sse4_1", "sse4_2", "ssse3"),
        *("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"),
    }
)
SKIP = "DFD_SKIP_CPU_CHECK"


def features(cpuinfo: str) -> frozenset[str] | None:
    """The features that the text of /proc/cpuinfo lists; None where it lists none."""
    for line in cpuinfo.splitlines():
        name, _, values = line.partition(":")
        if name.strip() == "flags":
            return frozenset(values.split())
    return None


def ensure_cpu(machine: str | None = None, cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Raise unless the processor has what the library uses; a system that doesn't tell is believed.

    With `DFD_SKIP_CPU_CHECK` set nothing is looked at: for a library compiled for less.

    Raises:
        IncompatibleInstallation: instructions are missing.
    """
    if (machine or platform.machine()) != "x86_64" or os.environ.get(SKIP):
        return
    try:
        found = features(cpuinfo.read_text())
    except OSError:
        return
    missing = [] if found is None else sorted(X86_64_V3 - found)
    if missing:
        raise IncompatibleInstallation(
            f"a processor without {', '.join(missing)}",
            "x86-64-v3 (of 2013 or newer)",
            "RUSTFLAGS='-C target-cpu=native' pip install --no-binary dfd-native "
            f"dfd-native, and set {SKIP}=1",
        )


ensure_cpu()
