"""The built distributions, and a folder of them with later releases."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tools")]

import build_index  # noqa: E402
from served_index import released, repacked  # noqa: E402


@pytest.fixture(scope="session")
def wheels() -> dict[str, Path]:
    """The wheels that were built, by the name of their distribution."""
    built = Path(os.environ["DFD_WHEELS"]).glob("*.whl")
    return {parse_wheel_filename(wheel.name)[0]: wheel for wheel in built}


@pytest.fixture(scope="module")
def releases(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that was built, and later releases: of dfd-obs two, the last one yanked; one of dfd-base for no Python of today."""
    directory = tmp_path_factory.mktemp("releases")
    for wheel in wheels.values():
        shutil.copy(wheel, directory)
    released(wheels["dfd-obs"], directory, "0.1.1")
    yanked = released(wheels["dfd-obs"], directory, "0.1.2")
    newer = released(wheels["dfd-base"], directory, "0.1.1")

    def change(files: dict[str, bytes]) -> None:
        for file in files:
            if file.endswith("/METADATA"):
                said = b"Requires-Python: >=3.10"
                files[file] = files[file].replace(said, b"Requires-Python: >=4")

    repacked(newer, directory, change)
    build_index.write(directory, {yanked.name: "It was <wrong>."})
    return directory
