"""The environment in which cargo compiles for Linux with glibc, linked by zig against glibc 2.17.

That is manylinux2014. The wheel, the crates' tests and clippy share it: for a linker of another
path, as maturin's and cargo-zigbuild's own differ, cargo compiles every dependency again.
"""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from pathlib import Path

TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
# Every function of libgcc_s that unwinds a stack.
_UNWINDER = (
    "Backtrace", "DeleteException", "FindEnclosingFunction", "ForcedUnwind", "GetCFA",
    "GetDataRelBase", "GetGR", "GetIP", "GetIPInfo", "GetLanguageSpecificData",
    "GetRegionStart", "GetTextRelBase", "RaiseException", "Resume", "Resume_or_Rethrow",
    "SetGR", "SetIP",
)  # fmt: skip
_PYO3 = (
    "implementation=CPython", "version=3.10", "target_abi=CPython-abi3-3.10", "shared=true",
    "build_flags=", "suppress_build_script_link_lines=false",
)  # fmt: skip


def environment(triple: str = TRIPLE) -> dict[str, str]:
    """What cargo is to find in its environment; writes the scripts that are named there."""
    tools = Path(sys.executable).parent
    # The names for this machine's own kind are part of what is compiled already.
    mark = "" if triple == TRIPLE else f"-{triple}"
    found = {}
    for variable, mode in (("CC", "cc"), ("CXX", "c++")):
        script = tools / f"dfd-zig-{mode}{mark}"
        unwinder = _unwinder(tools, triple, mark) if mode == "cc" else ""
        script.write_text(
            "#!/bin/sh\n"
            f"export CARGO_ZIGBUILD_ZIG_COMMAND={shlex.quote(sys.executable)}\n"
            "export CARGO_ZIGBUILD_ZIG_COMMAND_ARGS='-m ziglang'\n"
            f"exec {shlex.quote(str(tools / 'maturin'))} zig {mode} -- -g -fno-sanitize=all "
            f'-target {_zig_target(triple)} {unwinder}"$@"\n'
        )
        script.chmod(0o755)
        found[f"{variable}_{triple.replace('-', '_')}"] = str(script)
        if mode == "cc":
            found[f"CARGO_TARGET_{triple.replace('-', '_').upper()}_LINKER"] = str(script)
    return {**found, "PYO3_CONFIG_FILE": str(_pyo3_config(tools))}


def _zig_target(triple: str) -> str:
    return f"{triple.partition('-')[0]}-linux-gnu.2.17"


def _pyo3_config(tools: Path) -> Path:
    """What pyo3 is compiled for; maturin names a file of its own otherwise, and cargo compiles pyo3 again."""
    config = tools / "dfd-pyo3.txt"
    wanted = "\n".join(_PYO3)
    # Cargo goes by the time of the file.
    if not config.exists() or config.read_text() != wanted:
        config.write_text(wanted)
    return config


def _unwinder(tools: Path, triple: str, mark: str) -> str:
    """Arguments by which what is linked takes its unwinder from the system's libgcc_s, and not from zig.

    Python before 3.14 ends a thread that comes back to it while the process ends by unwinding its
    stack, with glibc's unwinder, which is that of libgcc_s: another one in the wheel can't read
    its contexts, and the process ends with a segmentation fault.
    """
    stub = tools / f"dfd-libgcc_s{mark}.so"
    source = "".join(f"void _Unwind_{name}(void) {{}}\n" for name in _UNWINDER)
    subprocess.run(
        [
            sys.executable, "-m", "ziglang", "cc", "-target", _zig_target(triple), "-shared",
            "-nostdlib", "-Wl,-soname,libgcc_s.so.1", "-x", "c", "-", "-o", str(stub),
        ],
        input=source, text=True, check=True,
    )  # fmt: skip
    return f"-Wno-unused-command-line-argument {shlex.quote(str(stub))} "
