"""What `import dfd` and `dfd --version` load, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import dfd
import pytest

SLOW = {"datafusion", "deltalake", "dfd_native", "pandas", "polars", "pyarrow", "pyarrow.dataset"}


def modules_after(code: str) -> set[str]:
    asked = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import dfd",
        "import dfd.cli",
        "from dfd.cli import main; main(['--version'])",
        "from dfd.cli import main; main(['--help'])",
        "from dfd.cli import main; main(['write', '--help'])",
        "from dfd.cli import main; main(['no-such-command'])",
    ],
)
def test_nothing_slow_is_loaded(code: str) -> None:
    assert not modules_after(code) & SLOW


def test_what_is_asked_for_is_loaded() -> None:
    loaded = modules_after("import dfd; assert callable(dfd.connect)")
    assert {"datafusion", "dfd.runtime", "dfd_native"} <= loaded


def test_a_star_import_has_every_name() -> None:
    names = ", ".join(dfd.__all__)
    assert "dfd.runtime" in modules_after(f"from dfd import *\n({names},)")


@pytest.mark.parametrize("module", ["errors", "profile", "query", "runtime"])
def test_modules_are_attributes(module: str) -> None:
    assert f"dfd.{module}" in modules_after(f"import dfd; dfd.{module}")


def test_names_are_listed_and_others_are_refused() -> None:
    assert {*dfd.__all__, "__version__", "runtime"} <= set(dir(dfd))
    with pytest.raises(AttributeError, match="'dfd' has no attribute 'nothing'"):
        dfd.nothing  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    from_command = subprocess.run(
        [sys.executable, "-m", "dfd", "--version"], capture_output=True, text=True, check=True
    )
    assert dfd.__version__ == version("dfd") == from_command.stdout.strip()
