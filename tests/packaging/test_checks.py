"""What is wrong with a distribution is found: each fault is put into what was built, one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import check_wheels
import pytest
import pythons
from packaging.utils import parse_wheel_filename
from served_index import repacked

Files = dict[str, bytes]


def information(files: Files, ending: str) -> str:
    return next(name for name in files if name.endswith(f".dist-info/{ending}"))


def in_metadata(said: str, wanted: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        metadata = information(files, "METADATA")
        assert said.encode() in files[metadata]
        files[metadata] = files[metadata].replace(said.encode(), wanted.encode(), 1)

    return change


def with_bytecode(files: Files) -> None:
    files["dfd_obs/__pycache__/ids.cpython-312.pyc"] = b""


def without_licence(files: Files) -> None:
    del files[information(files, "licenses/LICENSE")]


def another_notice(files: Files) -> None:
    files[information(files, "licenses/NOTICE")] += b"and others"


def without_types(files: Files) -> None:
    del files["dfd_obs/py.typed"]


FAULTS = {
    "a bound": (in_metadata("msgspec<1,>=0.21", "msgspec<2,>=0.21"), "asks for msgspec"),
    "a bound that is gone": (in_metadata("Requires-Dist: msgspec<1,>=0.21\n", ""), "doesn't ask"),
    "a Python": (in_metadata("Requires-Python: >=3.10", "Requires-Python: >=3.9"), "Python >=3.9"),
    "bytecode": (with_bytecode, "bytecode"),
    "a licence": (without_licence, "LICENSE is missing"),
    "a notice": (another_notice, "NOTICE is missing, or isn't the workspace's"),
    "types": (without_types, "py.typed is missing"),
}


def test_what_was_built_is_right(wheels: dict[str, Path]) -> None:
    assert set(wheels) == check_wheels.NAMES
    assert {name: check_wheels.problems(wheel) for name, wheel in wheels.items()} == {
        name: [] for name in wheels
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(wheels: dict[str, Path], tmp_path: Path, fault: str) -> None:
    change, says = FAULTS[fault]
    found = check_wheels.problems(repacked(wheels["dfd-obs"], tmp_path, change))
    assert says in found[0]
    # What is asked for otherwise is missing too.
    assert len(found) == (2 if fault == "a bound" else 1)


def test_a_wheel_that_has_grown(
    wheels: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_wheels, "budget", lambda _: wheels["dfd-obs"].stat().st_size - 1)
    (found,) = check_wheels.problems(wheels["dfd-obs"])
    assert found.endswith("is what it may have")


def test_the_tags_of_another_abi_or_platform(wheels: dict[str, Path]) -> None:
    name = wheels["dfd-native"].name
    assert check_wheels.tag_problems(name) == []
    assert check_wheels.tag_problems(name.replace("cp310-abi3", "cp311-abi3")) == ["not cp310-abi3"]
    assert check_wheels.tag_problems(name.replace("-abi3-", "-cp310-")) == ["not cp310-abi3"]
    platform = next(iter(parse_wheel_filename(name)[3])).platform
    plain = f"dfd_native-0.1.0-cp310-abi3-{platform.replace('manylinux', 'manylinux_2_39')}.whl"
    assert "no platform that is published" in check_wheels.tag_problems(plain)[0]
    assert check_wheels.tag_problems("dfd_obs-0.1.0-cp312-none-any.whl") == ["not py3-none-any"]


def test_auditwheel_is_heard(wheels: dict[str, Path], tmp_path: Path) -> None:
    """A wheel that says less of glibc than its library asks for."""
    native = wheels["dfd-native"]
    older = tmp_path / "dfd_native-0.1.0-cp310-abi3-manylinux_2_5_x86_64.whl"
    older.symlink_to(native)
    assert "says ['manylinux_2_5_x86_64']" in check_wheels.manylinux_problems(older)[0]


BILL = {
    "metadata": {"component": {"version": "0.1.0"}},
    "components": [{"name": "pyo3", "version": "0.0.1"}],
}


def test_a_bill_of_materials_of_other_crates() -> None:
    assert "pyo3" in check_wheels.bill_problems(json.dumps(BILL).encode(), "0.1.0")[0]
    BILL["components"] = []
    assert check_wheels.bill_problems(json.dumps(BILL).encode(), "0.1.0") == []
    assert check_wheels.bill_problems(json.dumps(BILL).encode(), "0.2.0") == [
        "the bill of materials is of another version"
    ]
    told = json.dumps({**BILL, "serialNumber": "/home/builder"}).encode()
    assert check_wheels.bill_problems(told, "0.1.0") == ["the bill of materials has a path in it"]


def test_the_directory_of_the_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a library that is published it is found, and in one of the sessions not looked for."""
    info = "dfd_native-0.1.0.dist-info"
    bill = json.dumps({**BILL, "components": []}).encode()
    library = f"{Path.home()}/.cargo/registry/src".encode()
    files = {f"{info}/{check_wheels.BILL}": bill, "dfd_native/_native.abi3.so": library}
    find = check_wheels.native_problems
    assert find(files, info, "0.1.0", published=False) == []
    assert find(files, info, "0.1.0", published=True) == [
        f"dfd_native/_native.abi3.so names {Path.home()}"
    ]


def test_the_pythons_are_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pythons.problems() == []
    monkeypatch.setattr(pythons, "supported", lambda: ("3.11", "3.12", "3.16"))
    found = "\n".join(pythons.problems())
    for says in ("packages/dfd/pyproject.toml: classifiers", "requires-python is >=3.10",
                 "README.md doesn't say", "ci.yml installs no Python 3.16"):  # fmt: skip
        assert says in found
