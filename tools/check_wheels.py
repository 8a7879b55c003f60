"""Check what was built: every distribution, whole, tagged and bounded as published, and nothing else in it.

    python tools/check_wheels.py DIRECTORY [--published] [--only NAME]

`--published` also looks for the directories of this machine in the library. What others know better is
asked of abi3audit, auditwheel, check-wheel-contents and twine.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import parse_sdist_filename, parse_wheel_filename

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
NAMES = {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")}
BILL = "sboms/dfd-native.cyclonedx.json"
# What the source distribution of dfd-native is compiled by.
SOURCES = ("Cargo.toml", "Cargo.lock", ".cargo/config.toml")
_BYTECODE = re.compile(r"(^|/)__pycache__/|\.py[co]$")
_LINUX = re.compile(r"(manylinux2014|manylinux_2_17|musllinux_1_2)_(x86_64|aarch64)")
_ELSEWHERE = re.compile(r"macosx_\d+_\d+_(arm64|x86_64)|win_amd64")


def project(name: str) -> dict[str, Any]:
    """The `[project]` of a distribution of the workspace."""
    text = (ROOT / "packages" / name / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]  # type: ignore[no-any-return]


def budget(name: str) -> int:
    """How many bytes a wheel may have."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sizes: dict[str, int] = table["tool"]["dfd"]["wheel-bytes"]
    return sizes.get(name, sizes["pure"])


def licence_problems(name: str, contents: dict[str, bytes]) -> list[str]:
    """What is wrong with the licence files of a distribution, by their names in it."""
    return [
        f"{file} is missing, or isn't the workspace's"
        for file in project(name)["license-files"]
        if contents.get(file) != (ROOT / "packages" / name / file).read_bytes()
    ]


def requirement_problems(name: str, metadata: Message) -> list[str]:
    """What a wheel asks for, and its `pyproject.toml` doesn't, or the other way round."""
    own = project(name)
    wanted = {_plain(requirement) for requirement in own["dependencies"]}
    for extra, requirements in own.get("optional-dependencies", {}).items():
        wanted |= {_plain(requirement, extra) for requirement in requirements}
    found = {_plain(requirement) for requirement in metadata.get_all("Requires-Dist") or ()}
    problems = [f"asks for {one}, which isn't in pyproject.toml" for one in sorted(found - wanted)]
    problems += [f"doesn't ask for {one}" for one in sorted(wanted - found)]
    if metadata["Requires-Python"] != own["requires-python"]:
        problems.append(f"requires Python {metadata['Requires-Python']}")
    return problems


def _plain(text: str, extra: str = "") -> str:
    requirement = Requirement(text)
    own = f"({requirement.marker}) and " if requirement.marker and extra else ""
    marker = f'{own}extra == "{extra}"' if extra else str(requirement.marker or "")
    extras = ",".join(sorted(requirement.extras))
    specifier = ",".join(sorted(map(str, requirement.specifier)))
    return f"{requirement.name}[{extras}]{specifier};{marker.replace(chr(39), chr(34))}"


def bill_problems(text: bytes, version: str) -> list[str]:
    """What is wrong with a bill of materials: another version, a path, or a crate that Cargo.lock hasn't."""
    told = json.loads(text)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    locked = {(package["name"], package["version"]) for package in lock["package"]}
    named = {(component["name"], component["version"]) for component in told["components"]}
    problems = []
    if told["metadata"]["component"]["version"] != version:
        problems.append("the bill of materials is of another version")
    if b"file:" in text or re.search(rb'"/', text):
        problems.append("the bill of materials has a path in it")
    if others := sorted(named - locked):
        problems.append(f"the bill of materials names {others}, which Cargo.lock doesn't")
    return problems


def source_problems(source: Path) -> list[str]:
    """What is wrong with one source distribution."""
    name = parse_sdist_filename(source.name)[0]
    top = source.name.removesuffix(".tar.gz")
    with tarfile.open(source) as archive:
        files = archive.getnames()
        contents = {
            licence: file.read()
            for licence in project(name)["license-files"]
            if f"{top}/{licence}" in files and (file := archive.extractfile(f"{top}/{licence}"))
        }
    problems = licence_problems(name, contents)
    if bytecode := [file for file in files if _BYTECODE.search(file)]:
        problems.append(f"bytecode: {bytecode}")
    if name == "dfd-native":
        missing = [file for file in SOURCES if f"{top}/{file}" not in files]
        problems += [f"{file} is missing" for file in missing]
    return problems


def problems(wheel: Path, *, published: bool = False) -> list[str]:
    """What is wrong with one wheel."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    module = name.replace("-", "_")
    information = f"{module}-{version}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        contents = {file: archive.read(file) for file in archive.namelist()}
    licences = {
        file.removeprefix(f"{information}/licenses/"): content
        for file, content in contents.items()
        if file.startswith(f"{information}/licenses/")
    }
    found = licence_problems(name, licences)
    metadata = BytesParser().parsebytes(contents[f"{information}/METADATA"])
    found += requirement_problems(name, metadata)
    if f"{module}/py.typed" not in contents:
        found.append("py.typed is missing")
    if stray := [f for f in contents if not f.startswith((f"{module}/", f"{information}/"))]:
        found.append(f"stray files: {stray}")
    if any("/tests/" in file for file in contents):
        found.append("tests are inside")
    if bytecode := [file for file in contents if _BYTECODE.search(file)]:
        found.append(f"bytecode: {bytecode}")
    if wheel.stat().st_size > budget(name):
        found.append(f"{wheel.stat().st_size:,} bytes, and {budget(name):,} is what it may have")
    if name == "dfd-native":
        found += native_problems(contents, information, str(version), published=published)
    return found + tag_problems(wheel.name)


def tag_problems(filename: str) -> list[str]:
    """What is wrong with the tags of a wheel: one for all Pythons, and the platforms that are published."""
    name, _, _, tags = parse_wheel_filename(filename)
    if name != "dfd-native":
        return [] if {str(tag) for tag in tags} == {"py3-none-any"} else ["not py3-none-any"]
    found = []
    if not all(tag.interpreter == "cp310" and tag.abi == "abi3" for tag in tags):
        found.append("not cp310-abi3")
    for tag in tags:
        if not (_LINUX.fullmatch(tag.platform) or _ELSEWHERE.fullmatch(tag.platform)):
            found.append(f"{tag.platform} is no platform that is published")
    return found


def native_problems(
    contents: dict[str, bytes], information: str, version: str, *, published: bool
) -> list[str]:
    """What is wrong with what the wheel of dfd-native alone has."""
    bill = contents.get(f"{information}/{BILL}")
    found = bill_problems(bill, version) if bill else ["the bill of materials is missing"]
    others = [file for file in contents if "/sboms/" in file and not file.endswith(BILL)]
    if others:
        found.append(f"bills of materials of others: {others}")
    if published:
        here = {str(Path.home()).encode(), str(ROOT).encode()}
        libraries = [file for file in contents if file.endswith((".so", ".pyd", ".dylib"))]
        found += [
            f"{library} names {directory.decode()}"
            for library in libraries
            for directory in here
            if directory in contents[library]
        ]
    return found


def audit(wheels: list[Path], sources: list[Path]) -> list[str]:
    """What abi3audit, auditwheel, check-wheel-contents and twine find."""
    native = [wheel for wheel in wheels if wheel.name.startswith("dfd_native-")]
    found = [f"abi3audit: {told}" for told in _said("abi3audit", "--strict", *native) if native]
    found += _said("check-wheel-contents", *wheels)
    found += _said("twine", "check", "--strict", *wheels, *sources)
    for wheel in native:
        if "linux" in wheel.name:
            found += manylinux_problems(wheel)
    return found


def _said(*command: str | Path) -> list[str]:
    """What a program prints that ends with an error; nothing where it is content."""
    ran = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    return [f"{command[0]}: {ran.stdout}{ran.stderr}"] if ran.returncode else []


def manylinux_problems(wheel: Path) -> list[str]:
    """What speaks against the platform of a wheel for Linux, by auditwheel."""
    ran = subprocess.run(
        ["auditwheel", "show", "--json", str(wheel)], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        return [f"auditwheel: {ran.stderr}"]
    overall = json.loads(ran.stdout)["overall_tag"]
    tags = {tag.platform for tag in parse_wheel_filename(wheel.name)[3]}
    if any(_libc(overall) <= _libc(tag) for tag in tags if _libc(tag)[0] == _libc(overall)[0]):
        return []
    return [f"auditwheel: it is {overall}, and says {sorted(tags)}"]


def _libc(tag: str) -> tuple[str, int, int]:
    """The libc of a platform, and its lowest version; one that can't be told is newer than any."""
    found = re.fullmatch(r"(manylinux|musllinux)_(\d+)_(\d+)_\w+", tag)
    return (found[1], int(found[2]), int(found[3])) if found else (tag, 999, 0)


def main(arguments: list[str]) -> int:
    """Print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--only", action="append", help="what is there; all, if it isn't given")
    asked = parser.parse_args(arguments)
    wheels = sorted(asked.directory.glob("*.whl"))
    sources = sorted(asked.directory.glob("source/*.tar.gz"))
    names = set(asked.only or NAMES)
    missing = names - {parse_wheel_filename(wheel.name)[0] for wheel in wheels}
    wrong = [f"no wheel of {name}" for name in sorted(missing)]
    if not asked.only:
        missing = NAMES - {parse_sdist_filename(source.name)[0] for source in sources}
        wrong += [f"no source distribution of {name}" for name in sorted(missing)]
    for wheel in wheels:
        found = problems(wheel, published=asked.published)
        wrong += [f"{wheel.name}: {problem}" for problem in found]
    wrong += [f"{path.name}: {problem}" for path in sources for problem in source_problems(path)]
    wrong += audit(wheels, sources)
    right = f"{len(wheels)} wheels and {len(sources)} source distributions are as they should be"
    print("\n".join(wrong) or right)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
