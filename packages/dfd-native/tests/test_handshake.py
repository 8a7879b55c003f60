"""The handshake: what is installed is told, and a misfit is an error before anything crosses."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dfd_base
import dfd_native
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from dfd_native.defects import Defect, known_defects
from dfd_native.installed import datafusion_of

OTHER_DATAFUSION = "54.1.0"
REQUIRED = "datafusion>=55,<56"

Probe = Callable[..., Any]


def test_snapshot_is_plain_and_true() -> None:
    snapshot = json.loads(json.dumps(dfd_native.capabilities_snapshot()))
    assert snapshot["python"] == ".".join(map(str, sys.version_info[:3]))
    for name, found in snapshot["libraries"].items():
        assert found == version(name)
    assert {found.split(".")[0] for found in snapshot["datafusion_inside"].values()} == {"55"}
    assert snapshot["build"]["version"] == version("dfd-native")
    assert snapshot["plugin_abi"] == {"major": 1, "minor": 1}
    assert snapshot["datafusion"].split(".")[0] == version("datafusion").split(".")[0]


def test_digests_are_those_of_every_process() -> None:
    snapshot = dfd_native.capabilities_snapshot()
    digests = [snapshot["build"]["id"], *snapshot["functions"].values()]
    assert len(set(digests)) == len(digests) > 1
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in digests)
    script = "import dfd_native, json; print(json.dumps(dfd_native.capabilities_snapshot()))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == snapshot


def test_this_installation_fits() -> None:
    dfd_native.ensure_compatible()


def test_error_survives_a_pickle() -> None:
    error = dfd_native.IncompatibleInstallation("x 1", "x>=2", "pip install 'x>=2'")
    again = pickle.loads(pickle.dumps(error))
    assert (again.installed, again.required, again.command) == ("x 1", "x>=2", "pip install 'x>=2'")
    assert str(again) == str(error)


def test_defects_are_told_of_the_versions_that_have_them() -> None:
    defect = Defect("x", (1, 2), (1, 6), "", "", "")
    found = {release: defect.has(release) for release in ("1.1.9", "1.2.0", "1.6.6", "1.7.0", "2")}
    assert found == {"1.1.9": False, "1.2.0": True, "1.6.6": True, "1.7.0": False, "2": False}
    assert not known_defects({"deltalake": "1.7.0", "datafusion": None, "pyarrow": "26.0.1"})
    told = known_defects({"deltalake": "1.6.6"})
    assert any("double rows" in each["defect"] for each in told)
    assert not any(
        "double rows" in each["defect"] for each in known_defects({"deltalake": "1.6.3"})
    )
    assert all(each["evidence"] and each["closed_by"] for each in told)


def install(requirement: str, directory: Path, *options: str) -> None:
    """One library, without what it needs, in a directory of its own."""
    subprocess.run(
        [
            *("uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable),
            *("--target", str(directory), *options, requirement),
        ],
        check=True,
    )


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with another datafusion."""
    directory = tmp_path_factory.mktemp("other")
    install(f"datafusion=={OTHER_DATAFUSION}", directory)
    return directory


TRIED = """
import importlib, json, sys
import dfd_native
from dfd_native import _native
def tried(call):
    try:
        call()
    except dfd_native.IncompatibleInstallation as error:
        return [error.installed, error.required, error.command]
    except Exception as error:
        return repr(error)
    return None
"""


@pytest.fixture
def probe() -> Probe:
    """`(script, *arguments, front=None)` runs it with a directory in front; gives what it prints."""

    def ran(script: str, *arguments: str | Path, front: Path | None = None) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", TRIED + script, *arguments],
            env={**os.environ, "PYTHONPATH": str(front or "")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    return ran


ALL_DOORS = """
from datafusion import SessionContext, udf
print(json.dumps([
    tried(dfd_native.ensure_compatible),
    tried(lambda: dfd_native.register_functions(SessionContext())),
    tried(lambda: udf(_native.functions()[0])),
    tried(lambda: SessionContext().register_table("t", _native.cache_table())),
    tried(_native.DeltaCodec(None).__datafusion_physical_extension_codec__),
    tried(_native.Engine),
]))
"""


def test_another_datafusion_is_an_error_and_no_crash(probe: Probe, other: Path) -> None:
    for found in probe(ALL_DOORS, front=other):
        assert found[:2] == [f"datafusion {OTHER_DATAFUSION}", REQUIRED]
        # It is in front of what a plain `pip install` would replace.
        assert found[2] == f"pip install --upgrade --target {other} '{REQUIRED}'"


def test_a_copy_without_metadata_is_read_itself(probe: Probe, other: Path, tmp_path: Path) -> None:
    """The metadata that Python finds is that of the datafusion behind it."""
    (tmp_path / "datafusion").symlink_to(other / "datafusion")
    for found in probe(ALL_DOORS, front=tmp_path):
        told = f"datafusion {version('datafusion')}, whose library is that of {OTHER_DATAFUSION},"
        assert found[:2] == [told, REQUIRED]


UPGRADED = """
import subprocess
from datafusion import SessionContext, udf
subprocess.run(json.loads(sys.argv[1]), check=True)
importlib.invalidate_caches()
print(json.dumps([tried(dfd_native.ensure_compatible), tried(lambda: udf(_native.functions()[0]))]))
"""


def test_an_upgrade_under_a_running_process_is_seen(probe: Probe, tmp_path: Path) -> None:
    install(f"datafusion=={OTHER_DATAFUSION}", tmp_path)
    upgrade = [
        *("uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable),
        *("--target", str(tmp_path), "--upgrade", f"datafusion=={version('datafusion')}"),
    ]
    for found in probe(UPGRADED, json.dumps(upgrade), front=tmp_path):
        assert found == [f"datafusion {OTHER_DATAFUSION}", REQUIRED, "restart Python"]
    assert probe("print(json.dumps(tried(dfd_native.ensure_compatible)))", front=tmp_path) is None


LATE = """
uri, other, before = sys.argv[1:]
table, engine, extension = dfd_native.delta_table(uri), dfd_native.Engine(), dfd_native.DeltaExtension()
codec = _native.DeltaCodec(None)
if before == "imported":
    from datafusion import SessionContext, udf
    udf(_native.functions()[0])
    SessionContext().register_table("t", table)
for name in [name for name in sys.modules if name.split(".")[0] == "datafusion"]:
    del sys.modules[name]
sys.path.insert(0, other)
from datafusion import SessionContext, udf
session = SessionContext()
print(json.dumps([
    tried(lambda: udf(_native.functions()[0])),
    tried(lambda: session.register_table("t", table)),
    tried(lambda: codec.__datafusion_logical_extension_codec__(session)),
    tried(lambda: codec.__datafusion_physical_extension_codec__(session)),
    tried(lambda: engine.run(b"", session)),
]))
"""


@pytest.fixture
def uri(tmp_path: Path) -> str:
    write_deltalake(tmp_path / "t", pa.table({"a": [1, 2]}))
    return (tmp_path / "t").as_uri()


@pytest.mark.parametrize("before", ["imported", "not imported"])
def test_one_that_comes_after_the_check(probe: Probe, other: Path, uri: str, before: str) -> None:
    for found in probe(LATE, uri, other, before):
        assert found[:2] == [f"datafusion {OTHER_DATAFUSION}", REQUIRED]


BESIDE = """
uri, other, door = sys.argv[1:]
import datafusion
ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "datafusion"}
for name in ours:
    del sys.modules[name]
sys.path.insert(0, other)
from datafusion import SessionContext
theirs = SessionContext()
sys.path.remove(other)
sys.modules.update(ours)
codec = _native.DeltaCodec(None)
doors = {
    "ours": lambda: codec.__datafusion_logical_extension_codec__(datafusion.SessionContext()),
    "logical_codec": lambda: codec.__datafusion_logical_extension_codec__(theirs),
    "physical_codec": lambda: codec.__datafusion_physical_extension_codec__(theirs),
    "register_table": lambda: theirs.register_table("t", dfd_native.delta_table(uri)),
    "Engine.run": lambda: dfd_native.Engine().run(b"", theirs),
}
print(json.dumps(tried(doors[door])))
"""


@pytest.mark.parametrize(
    "door", ["logical_codec", "physical_codec", "register_table", "Engine.run"]
)
def test_the_session_of_another_library_is_known_by_its_capsules(
    probe: Probe, other: Path, uri: str, door: str
) -> None:
    """The imported datafusion fits, and the session at the door comes from a copy that doesn't."""
    library = other / "datafusion/_internal.abi3.so"
    told = f"a session of {library} on DataFusion {OTHER_DATAFUSION}"
    assert probe(BESIDE, uri, other, door)[:2] == [told, REQUIRED]


def test_a_session_of_ours_beside_that_of_another_library(
    probe: Probe, other: Path, uri: str
) -> None:
    assert probe(BESIDE, uri, other, "ours") is None


@pytest.mark.parametrize("halves", ["(2, 0)", "(0, 3)", "(1, 2)"])
def test_halves_of_another_abi(probe: Probe, tmp_path: Path, halves: str) -> None:
    """A copy of the Python half, changed, in front of the library."""
    installed = Path(dfd_native.__file__).parent
    copy = tmp_path / "dfd_native"
    copy.mkdir()
    for file in installed.iterdir():
        if file.suffix == ".py":
            text = file.read_text(encoding="utf-8")
            (copy / file.name).write_text(
                text.replace("_PLUGIN_ABI = (1, 1)", f"_PLUGIN_ABI = {halves}")
            )
        elif file.is_file():
            (copy / file.name).symlink_to(file)
    for found in probe(ALL_DOORS, front=tmp_path):
        wanted = halves.strip("()").replace(", ", ".")
        assert found[:2] == ["dfd-native with a library of plugin ABI 1.1", f"plugin ABI {wanted}"]
        assert found[2] == f"pip install --force-reinstall --upgrade --target {tmp_path} dfd-native"


def test_a_pyarrow_too_old(probe: Probe, tmp_path: Path) -> None:
    """It is looked at, not imported, so that it need not be one of this Python."""
    install("pyarrow==16.1.0", tmp_path, "--python-version", "3.12", "--only-binary", ":all:")
    script = """
print(json.dumps([tried(dfd_native.ensure_compatible), tried(_native.functions()[0].__datafusion_scalar_udf__)]))
"""
    for found in probe(script, front=tmp_path):
        assert found[:2] == ["pyarrow 16.1.0", "pyarrow>=21"]


def test_no_datafusion_at_all_is_the_same_error(tmp_path: Path) -> None:
    """The package and its base alone, run without site-packages."""
    for package in (dfd_base, dfd_native):
        name = package.__name__
        (tmp_path / name).symlink_to(Path(str(package.__file__)).parent)
        info = tmp_path / f"{name}-{version(name)}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version(name)}\n"
        )
    ran = subprocess.run(
        [sys.executable, "-S", "-c", "import dfd_native; dfd_native.ensure_compatible()"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "IncompatibleInstallation: no datafusion is installed" in ran.stderr


def test_a_file_that_is_no_library_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("datafusion-ffi-")
    assert [datafusion_of(tmp_path / name) for name in ("empty", "text", "none")] == [None] * 3
