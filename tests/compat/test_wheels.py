"""Each wheel alone in an empty environment, from an index that any web server makes of a folder."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PARTS = (
    "dfd-base",
    "dfd-storage",
    "dfd-delta-policy",
    "dfd-cache",
    "dfd-obs",
    "dfd-native",
    "dfd",
)

IMPORT_ALL = """
import importlib, pkgutil, sys
# Modules that nothing imports but what an extra is for.
OF_EXTRAS = {"dfd.cli.shell.prompt": "prompt_toolkit"}
root = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name != OF_EXTRAS.get(module.name):
                raise
assert root.__all__ == sorted(set(root.__all__))
assert all(hasattr(root, name) for name in root.__all__)
print(root.__version__)
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    wheels = os.environ["DFD_WHEELS"]
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=wheels))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/index/simple/"
    server.shutdown()
    thread.join()
    server.server_close()


def environment(directory: Path, index: str, part: str) -> Path:
    """A new environment with one part and what it declares; its interpreter."""
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, directory], check=True)
    python = directory / "bin/python"
    subprocess.run(
        [
            *("uv", "pip", "install", "--quiet", "--python", python, "--index", index),
            # A wheel of the same name and version may have been built differently a moment ago.
            *(option for name in PARTS for option in ("--refresh-package", name)),
            part,
        ],
        check=True,
    )
    return python


@pytest.mark.parametrize("part", PARTS)
def test_installs_and_imports_alone(tmp_path: Path, index: str, part: str) -> None:
    python = environment(tmp_path / "venv", index, part)
    listed = subprocess.run(
        ["uv", "pip", "list", "--python", python, "--format", "freeze"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert f"{part}==" in listed
    if part == "dfd-storage":
        assert "datafusion" not in listed
        assert "deltalake" not in listed
    module = part.replace("-", "_")
    ran = subprocess.run(
        [python, "-I", "-c", IMPORT_ALL, module], capture_output=True, text=True, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "0.1.0"


MISSING = """
import dfd_storage
profile = dfd_storage.StorageProfile.from_uri("/data")
assert profile.to_deltalake_options() == {}
try:
    profile.to_datafusion_object_store()
except dfd_storage.MissingDependency as error:
    print(error)
"""


def test_a_missing_extra_is_named(tmp_path: Path, index: str) -> None:
    python = environment(tmp_path / "venv", index, "dfd-storage")
    ran = subprocess.run([python, "-I", "-c", MISSING], capture_output=True, text=True, check=True)
    assert "dfd-storage[datafusion]" in ran.stdout


def test_the_command_works_in_an_empty_environment(tmp_path: Path, index: str) -> None:
    python = environment(tmp_path / "venv", index, "dfd")
    dfd = python.parent / "dfd"
    ran = subprocess.run([dfd, "sql", "select 1 as n", "--json"], capture_output=True, text=True)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, [{"n": 1}]), ran.stderr
    ran = subprocess.run([dfd, "demo"], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 1
    assert "pip install 'dfd[demo]'" in ran.stderr
