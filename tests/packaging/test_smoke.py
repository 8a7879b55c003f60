"""dfd from the index, in an empty environment outside the repository: on the newest Python that is there, or on all of them (`DFD_LONG=1`)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import build_index
import pytest
from pythons import supported
from served_index import serving

SMOKE = Path(__file__).with_name("smoke.py")


def is_installed(python: str) -> bool:
    found = subprocess.run(["uv", "python", "find", python], capture_output=True, check=False)
    return found.returncode == 0


INSTALLED = [python for python in supported() if is_installed(python)]
CHOSEN = INSTALLED if "DFD_LONG" in os.environ else INSTALLED[-1:]


@pytest.mark.parametrize("python", CHOSEN)
def test_it_works(wheels: dict[str, Path], tmp_path: Path, python: str) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    for wheel in wheels.values():
        (folder / wheel.name).symlink_to(wheel)
    build_index.write(folder, {})
    interpreter = tmp_path / "venv/bin/python"
    install = ("uv", "pip", "install", "--quiet", "--python", interpreter)
    # A wheel built anew has the version of the one before.
    fresh = [option for name in wheels for option in ("--refresh-package", name)]
    with serving(folder) as index:
        for command in (
            ("uv", "venv", "--quiet", "--python", python, tmp_path / "venv"),
            (*install, *fresh, "--index", index.url, "dfd"),
        ):
            subprocess.run([str(word) for word in command], check=True)
    smoke = shutil.copy(SMOKE, tmp_path)
    ran = subprocess.run(
        [interpreter, "-I", smoke, tmp_path],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith(python)
