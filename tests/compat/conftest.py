"""Environments with the built wheels and chosen versions of what they stand on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2] / "tools")]

WHEELS = (
    "dfd",
    "dfd-base",
    "dfd-storage",
    "dfd-delta-policy",
    "dfd-cache",
    "dfd-obs",
    "dfd-native",
)

Environment = Callable[..., Path]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """`(python, *overrides)` gives the interpreter of a new environment with dfd.

    An override, like `datafusion==54.1.0`, wins over what dfd asks for. Where the Python isn't there
    the test is skipped.
    """

    def made(python: str, *overrides: str) -> Path:
        directory = tmp_path_factory.mktemp("environment")
        found = subprocess.run(["uv", "python", "find", python], capture_output=True, check=False)
        if found.returncode != 0:
            pytest.skip(f"Python {python} is not installed")
        install("venv", "--python", python, directory / "venv")
        interpreter = directory / "venv/bin/python"
        chosen = directory / "overrides.txt"
        chosen.write_text("\n".join(overrides), encoding="utf-8")
        install(
            *("pip", "install", "--python", interpreter, "--override", chosen),
            *("--find-links", os.environ["DFD_WHEELS"]),
            # A wheel built anew has the version of the one before.
            *(option for name in WHEELS for option in ("--refresh-package", name)),
            "dfd",
        )
        return interpreter

    return made


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`(python, requirement)` installs one library, without what it needs, into a directory of its own."""
    made: dict[str, Path] = {}

    def directory(python: str, requirement: str) -> Path:
        if requirement not in made:
            made[requirement] = tmp_path_factory.mktemp("apart")
            install(
                *("pip", "install", "--no-deps", "--python", python),
                *("--target", made[requirement], requirement),
            )
        return made[requirement]

    return directory


def install(*arguments: str | Path) -> None:
    """Run uv."""
    subprocess.run(["uv", "--quiet", *arguments], check=True)
