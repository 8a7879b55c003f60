"""The index of a folder, read by uv, pip and poetry; one part goes up and down beside the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from served_index import serving

# Nothing from caches: what is asked of the index is looked at.
NO_CACHE = {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1", "PIP_FIND_LINKS": ""}


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What a command prints; it ends well."""
    ran = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **NO_CACHE, **environment},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def versions(python: Path) -> dict[str, str]:
    listed = json.loads(run("uv", "pip", "list", "--python", python, "--format", "json"))
    return {one["name"]: one["version"] for one in listed}


def environment(directory: Path, *options: str) -> Path:
    run("uv", "venv", "--quiet", *options, "--python", sys.executable, directory)
    return directory / "bin/python"


@pytest.mark.parametrize("as_json", [False, True], ids=["html", "json"])
def test_uv_reads_the_metadata_alone(releases: Path, tmp_path: Path, as_json: bool) -> None:
    (tmp_path / "asked.in").write_text("dfd-obs\ndfd-storage\n", encoding="utf-8")
    with serving(releases, json=as_json) as index:
        resolved = run("uv", "pip", "compile", "--index", index.url, tmp_path / "asked.in")
    chosen = {line for line in resolved.splitlines() if line.startswith("dfd-")}
    assert chosen == {"dfd-base==0.1.0", "dfd-obs==0.1.1", "dfd-storage==0.1.0"}
    assert any(path.endswith(".whl.metadata") for path in index.asked)
    assert not [path for path in index.asked if path.endswith(".whl")]


def test_pip_reads_the_metadata_alone(releases: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "--seed")
    report = tmp_path / "report.json"
    with serving(releases) as index:
        run(
            *(python, "-m", "pip", "install", "--quiet", "--dry-run", "--report", report),
            *("--extra-index-url", index.url, "dfd-obs"),
        )
    installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    chosen = {one["metadata"]["name"]: one["metadata"]["version"] for one in installed}
    assert (chosen["dfd-obs"], chosen["dfd-base"]) == ("0.1.1", "0.1.0")
    assert not [path for path in index.asked if path.endswith(".whl")]


def test_a_yanked_release_is_there_for_who_names_it(releases: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv")
    with serving(releases) as index:
        run("uv", "pip", "install", "--python", python, "--index", index.url, "dfd-obs==0.1.2")
    assert versions(python)["dfd-obs"] == "0.1.2"


def test_one_part_goes_up_and_down_beside_the_others(releases: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv")
    options = ("--python", python, "--index")
    with serving(releases) as index:
        run("uv", "pip", "install", *options, index.url, "dfd-obs==0.1.0", "dfd-storage")
        before = versions(python)
        run("uv", "pip", "install", *options, index.url, "--upgrade-package", "dfd-obs", "dfd-obs")
        assert versions(python) == {**before, "dfd-obs": "0.1.1"}
        run(python, "-I", "-c", "import dfd_obs, dfd_storage")
        run("uv", "pip", "install", *options, index.url, "dfd-obs==0.1.0")
    assert versions(python) == before
    run(python, "-I", "-c", "import dfd_obs, dfd_storage")


PROJECT = """
[project]
name = "asks"
version = "0"
requires-python = ">=3.10,<3.16"
dependencies = ["dfd-obs", "dfd-base"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "ours"
url = "{url}"
priority = "explicit"

[tool.poetry.dependencies]
dfd-obs = {{ source = "ours" }}
dfd-base = {{ source = "ours" }}
"""


def test_poetry_locks_from_it(releases: Path, tmp_path: Path) -> None:
    with serving(releases) as index:
        project = PROJECT.format(url=index.url)
        (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
        poetry = Path(sys.executable).with_name("poetry")
        run(
            *(poetry, "lock", "--no-interaction"),
            cwd=tmp_path,
            POETRY_CACHE_DIR=str(tmp_path / "cache"),
            PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
        )
    lock = (tmp_path / "poetry.lock").read_text(encoding="utf-8")
    assert 'name = "dfd-obs"\nversion = "0.1.1"' in lock
    assert 'name = "dfd-base"\nversion = "0.1.0"' in lock
    assert not [path for path in index.asked if path.endswith(".whl")]


def test_what_is_said_of_a_file(releases: Path) -> None:
    """As text and as JSON the same, the reason of what is yanked with its angle brackets."""
    page = (releases / "index/simple/dfd-obs/index.html").read_text(encoding="utf-8")
    told = json.loads((releases / "index/simple/dfd-obs/index.json").read_text(encoding="utf-8"))
    assert told["versions"] == ["0.1.0", "0.1.1", "0.1.2"]
    assert [file["yanked"] for file in told["files"]] == [False, False, "It was <wrong>."]
    assert page.count("data-yanked") == 1
    assert 'data-yanked="It was &lt;wrong&gt;."' in page
    for file in told["files"]:
        assert file["hashes"]["sha256"] in page
        assert file["core-metadata"]["sha256"] in page
        assert file["requires-python"] == ">=3.10"
