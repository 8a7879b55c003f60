"""The processor is looked at before the library is loaded."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import dfd_native
import pytest
from dfd_native import IncompatibleInstallation
from dfd_native.cpu import SKIP, X86_64_V3, ensure_cpu, features

# As Rust names them; `fxsr`, `sse` and `sse2` have all, and Linux tells XSAVE by `xsave`.
RUST_NAMES = {
    "cmpxchg16b": "cx16", "lzcnt": "abm",
    "sse4.1": "sse4_1", "sse4.2": "sse4_2",
}  # fmt: skip
OLD = "processor : 0\nflags\t\t: fpu sse sse2 ssse3 sse4_1 sse4_2 popcnt cx16 xsave avx\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="another processor")
def test_what_is_looked_for_is_what_the_library_uses() -> None:
    used = dfd_native.capabilities_snapshot()["build"]["target_features"]
    named = {RUST_NAMES.get(name, name) for name in used}
    assert named - {"fxsr", "sse", "sse2", "sse3", "x87"} == X86_64_V3


def test_an_old_processor_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(OLD)
    with pytest.raises(IncompatibleInstallation, match="without abm, avx2, bmi1") as refused:
        ensure_cpu("x86_64", cpuinfo)
    assert "--no-binary dfd-native" in refused.value.command
    ensure_cpu("aarch64", cpuinfo)
    monkeypatch.setenv(SKIP, "1")
    ensure_cpu("x86_64", cpuinfo)


def test_a_system_that_does_not_tell_is_believed(tmp_path: Path) -> None:
    ensure_cpu("x86_64", tmp_path / "none")
    assert features("Processor: ARMv8\n") is None


def test_it_is_looked_at_before_the_library_is_loaded() -> None:
    """With a processor refused, importing the package raises and nothing native is there."""
    script = (
        "import pathlib, platform, sys\n"
        "import dfd_base\n"
        "platform.machine = lambda: 'x86_64'\n"
        f"pathlib.Path.read_text = lambda *_: {OLD!r}\n"
        "try:\n    import dfd_native\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, 'dfd_native._native' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "IncompatibleInstallation False", done.stderr
