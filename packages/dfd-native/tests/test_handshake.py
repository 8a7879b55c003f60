"""The handshake: what is installed is told, and a misfit is an error before anything crosses."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import dfd_native
import pytest

OTHER_DATAFUSION = "54.1.0"


def test_snapshot_is_plain_and_true() -> None:
    snapshot = json.loads(json.dumps(dfd_native.capabilities_snapshot()))
    assert snapshot["python"] == ".".join(map(str, sys.version_info[:3]))
    assert snapshot["libraries"]["datafusion"] == version("datafusion")
    assert snapshot["build"]["version"] == version("dfd-native")
    assert snapshot["plugin_abi"] == {"major": 1, "minor": 0}
    assert snapshot["datafusion"].split(".")[0] == version("datafusion").split(".")[0]
    assert snapshot["functions"]


def test_this_installation_fits() -> None:
    dfd_native.ensure_compatible()


def test_error_survives_a_pickle() -> None:
    error = dfd_native.IncompatibleInstallation("x 1", "x>=2", "pip install 'x>=2'")
    again = pickle.loads(pickle.dumps(error))
    assert (again.installed, again.required, again.command) == ("x 1", "x>=2", "pip install 'x>=2'")
    assert str(again) == str(error)


PROBE = """
import dfd_native, json
from dfd_native import _native
def tried(call):
    try:
        call()
    except dfd_native.IncompatibleInstallation as error:
        return [error.installed, error.required, error.command]
    return None
from datafusion import SessionContext, udf
print(json.dumps([
    tried(dfd_native.ensure_compatible),
    tried(lambda: dfd_native.register_functions(SessionContext())),
    tried(lambda: udf(_native.functions()[0])),
]))
"""


@pytest.fixture(scope="module")
def with_other_datafusion(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which another datafusion comes before the installed one."""
    target = tmp_path_factory.mktemp("other")
    subprocess.run(
        [
            *("uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable),
            *("--target", str(target), f"datafusion=={OTHER_DATAFUSION}"),
        ],
        check=True,
    )
    return {**os.environ, "PYTHONPATH": str(target)}


def test_another_datafusion_is_an_error_and_no_crash(with_other_datafusion: dict[str, str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROBE], env=with_other_datafusion, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    wanted = [f"datafusion {OTHER_DATAFUSION}", "datafusion>=55,<56"]
    for found in json.loads(ran.stdout):
        assert found[:2] == wanted
        assert "pip install" in found[2]


def test_no_datafusion_at_all_is_the_same_error(tmp_path: Path) -> None:
    """A copy of the package alone, run without site-packages."""
    package = Path(dfd_native.__file__).parent
    (tmp_path / "dfd_native").symlink_to(package)
    info = tmp_path / f"dfd_native-{version('dfd-native')}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: dfd-native\nVersion: {version('dfd-native')}\n"
    )
    ran = subprocess.run(
        [sys.executable, "-S", "-c", "import dfd_native; dfd_native.ensure_compatible()"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "IncompatibleInstallation: no datafusion is installed" in ran.stderr
