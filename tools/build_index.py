"""Write a static index of the distributions of a folder into its `index/`.

    python tools/build_index.py DIRECTORY [--yanked FILE=REASON ...]

Any web server that serves the folder is then an index from which each part installs alone: pages of
PEP 503 with hashes, `requires-python`, what is yanked (PEP 592), and the metadata of each wheel as a file
of its own (PEP 658), so that a resolver reads kilobytes where the wheel has megabytes. The same is there
as JSON (PEP 691 and 700, `index.json`), for servers that give what is asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

API = "1.1"


@dataclass(frozen=True)
class Distribution:
    """A file of the index."""

    path: Path
    name: str
    version: Version
    metadata: bytes
    yanked: str | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether its metadata is served beside it."""
        return self.path.suffix == ".whl"

    @property
    def requires_python(self) -> str | None:
        """Which Pythons it takes, by its own metadata."""
        return self.parsed["Requires-Python"]

    @property
    def parsed(self) -> Message:
        """Its metadata."""
        return BytesParser().parsebytes(self.metadata)

    def url(self, directory: Path) -> str:
        """Where it is, from the page of its project."""
        return f"../../../{self.path.relative_to(directory).as_posix()}"


def sha256(content: bytes) -> str:
    """The hash by which installers compare."""
    return hashlib.sha256(content).hexdigest()


def found(directory: Path, yanked: Mapping[str, str]) -> list[Distribution]:
    """The distributions of a folder, by name and version."""
    all_of_them = []
    for path in sorted(directory.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            metadata = next(
                archive.read(file)
                for file in archive.namelist()
                if file.endswith(".dist-info/METADATA")
            )
        reason = yanked.get(path.name)
        all_of_them.append(Distribution(path, name, version, metadata, reason))
    for path in sorted(directory.glob("source/*.tar.gz")):
        name, version = parse_sdist_filename(path.name)
        with tarfile.open(path) as source:
            file = source.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
            metadata = file.read() if file else b""
        reason = yanked.get(path.name)
        all_of_them.append(Distribution(path, name, version, metadata, reason))
    return sorted(all_of_them, key=lambda one: (one.name, one.version, one.path.name))


def page(distributions: list[Distribution], directory: Path) -> str:
    """The page of a project, as PEP 503, 592 and 658 have it."""
    lines = []
    for one in distributions:
        said: dict[str, str | None] = {"data-requires-python": one.requires_python}
        if one.is_wheel:
            # The second is what the first was called at first; pip before 23.3 knows that alone.
            said["data-core-metadata"] = f"sha256={sha256(one.metadata)}"
            said["data-dist-info-metadata"] = said["data-core-metadata"]
        said["data-yanked"] = one.yanked
        attributes = "".join(
            f' {name}="{html.escape(value)}"' for name, value in said.items() if value is not None
        )
        url = f"{one.url(directory)}#sha256={sha256(one.path.read_bytes())}"
        lines.append(f'<a href="{html.escape(url)}"{attributes}>{one.path.name}</a><br>')
    return _html(distributions[0].name, lines)


def project_json(distributions: list[Distribution], directory: Path) -> dict[str, Any]:
    """The same for machines, as PEP 691 and 700 have it."""
    files = []
    for one in distributions:
        content = one.path.read_bytes()
        file: dict[str, Any] = {
            "filename": one.path.name,
            "url": one.url(directory),
            "hashes": {"sha256": sha256(content)},
            "size": len(content),
            "yanked": one.yanked if one.yanked is not None else False,
        }
        if one.requires_python:
            file["requires-python"] = one.requires_python
        if one.is_wheel:
            file["core-metadata"] = {"sha256": sha256(one.metadata)}
        files.append(file)
    return {
        "meta": {"api-version": API},
        "name": distributions[0].name,
        "versions": [str(version) for version in sorted({one.version for one in distributions})],
        "files": files,
    }


def _html(title: str, lines: list[str]) -> str:
    head = f'<meta name="pypi:repository-version" content="{API}"><title>{title}</title>'
    body = "\n".join(lines)
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n{body}\n</body></html>\n"


def write(directory: Path, yanked: Mapping[str, str]) -> int:
    """Write the index of a folder anew; how many files are in it."""
    distributions = found(directory, yanked)
    simple = directory / "index/simple"
    shutil.rmtree(directory / "index", ignore_errors=True)
    simple.mkdir(parents=True)
    projects: dict[str, list[Distribution]] = {}
    for one in distributions:
        projects.setdefault(one.name, []).append(one)
        if one.is_wheel:
            one.path.with_name(f"{one.path.name}.metadata").write_bytes(one.metadata)
    for name, members in projects.items():
        (simple / name).mkdir()
        (simple / name / "index.html").write_text(page(members, directory), encoding="utf-8")
        _write_json(simple / name / "index.json", project_json(members, directory))
    links = [f'<a href="{name}/">{name}</a><br>' for name in projects]
    (simple / "index.html").write_text(_html("Simple index", links), encoding="utf-8")
    listed = {"meta": {"api-version": API}, "projects": [{"name": name} for name in projects]}
    _write_json(simple / "index.json", listed)
    return len(distributions)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the index; 1 if there is nothing to index."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--yanked", action="append", default=[], metavar="FILE=REASON")
    asked = parser.parse_args(arguments)
    yanked = dict(one.partition("=")[::2] for one in asked.yanked)
    there = {path.name for path in asked.directory.glob("**/*") if path.is_file()}
    if strangers := sorted(set(yanked) - there):
        print(f"not there: {', '.join(strangers)}")
        return 1
    if not write(asked.directory, yanked):
        print(f"no wheels in {asked.directory}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
