"""The code on a page: its blocks, and how each kind of them is run."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INSTALLS = (
    "pip install ",
    "uv pip install ",
    "python -m http.server ",
    "python tools/",
    "./dev ",
)
"""Lines of shells that are held against the projects of the workspace, and not run."""


class BlockFailed(Exception):
    """A block of a page didn't do what it says; the message has its line and what happened."""


@dataclass(frozen=True)
class Block:
    """A block of code: its language, what stands behind that, its text, and the line where it begins."""

    kind: str
    argument: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for found in FENCE.finditer(page):
        kind, _, argument = found[1].strip().partition(" ")
        yield Block(kind, argument.strip(), found[2], page.count("\n", 0, found.start()) + 2)


@dataclass
class PageRun:
    """A page while it is run, in a directory of its own.

    - `replaced`: texts of the page, and what stands in their place: addresses of servers, and keys.
    - `names`: of its Python code, which all blocks share.
    """

    path: Path
    directory: Path
    replaced: Mapping[str, str]
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    printed: str | None = None

    def run(self, text: str) -> int:
        """Run all blocks; how many there were.

        Raises:
            BlockFailed: at the first that fails.
        """
        count = 0
        for block in blocks(text):
            try:
                self._run(block)
            except (Exception, SystemExit) as error:
                shown = "" if isinstance(error, BlockFailed) else traceback.format_exc()
                raise BlockFailed(f"{self.path}:{block.line}: {error}\n{shown}") from error
            count += block.kind not in ("", "text")
        return count

    def _run(self, block: Block) -> None:
        if block.kind == "text":
            if block.argument == "output":
                self._compare(block.text)
            return
        runs = {
            "python": self._python,
            "sh": self._shell,
            "sql": self._sql,
            "toml": self._toml,
            "csv": self._file,
            "json": self._file,
        }
        if block.kind.startswith("{"):  # a directive of the site's
            return
        if block.kind not in runs:
            raise BlockFailed(f"nothing here runs {block.kind!r}: {', '.join(runs)}, or text")
        runs[block.kind](block)

    def local(self, text: str) -> str:
        """A text of the page with the servers and folders of this run."""
        folder = f"{self.directory}/data/"
        values = {"/data/": folder, "/tmp/": folder, **self.replaced}
        return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], text)

    def _python(self, block: Block) -> None:
        if block.argument:
            self._file(block)
            return
        # Its lines have the numbers of the page.
        code = compile("\n" * (block.line - 1) + self.local(block.text), str(self.path), "exec")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(code, self.names)
        self.printed = output.getvalue()

    def _shell(self, block: Block) -> None:
        lines = self.local(block.text).splitlines()
        for line in lines:
            if line.startswith(INSTALLS):
                check_installation(line.partition("#")[0])
        script = "\n".join(line for line in lines if not line.startswith(INSTALLS))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BlockFailed(f"it ended with {done.returncode}: {done.stderr}{done.stdout}")
        self.printed = done.stdout

    def _sql(self, block: Block) -> None:
        for statement in self.local(block.text).split(";\n"):
            if statement.strip():
                result = self.names["runtime"].sql(statement)
                self.names.setdefault("results", []).append(result.to_arrow_table())

    def _toml(self, block: Block) -> None:
        import dfd
        from dfd_storage import StorageProfile

        if block.argument:
            self._file(block)
            return
        for name in re.findall(r'env = "(\w+)"', block.text):
            os.environ.setdefault(name, "a-secret")
        fields = toml(self.local(block.text))
        if "uri" in fields:
            StorageProfile.from_toml(fields)
        else:
            dfd.DataFusionRuntimeProfile.from_toml(fields)

    def _file(self, block: Block) -> None:
        if not block.argument:
            raise BlockFailed(f"a block of {block.kind} names its file: ```{block.kind} FILE")
        path = self.directory / block.argument
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.local(block.text), encoding="utf-8")

    def _compare(self, expected: str) -> None:
        """What the block before has printed; `...` stands for anything."""
        if self.printed is None:
            raise BlockFailed("nothing was run before this output")
        wanted, got = (tidy(text) for text in (self.local(expected), self.printed))
        pattern = ".*?".join(map(re.escape, wanted.split("...")))
        if not re.fullmatch(pattern, got, re.DOTALL):
            raise BlockFailed(f"the page says\n{wanted}\nand this was printed\n{got}")


def tidy(text: str) -> str:
    """A text without spaces at the ends of lines and empty lines at its end."""
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def toml(text: str) -> dict[str, Any]:
    """A parsed TOML document."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def check_installation(line: str) -> None:
    """That a line of an installation names distributions, extras and sessions that are there.

    Raises:
        BlockFailed: it doesn't.
    """
    root = Path(__file__).parents[2]
    if line.startswith("./dev "):
        known = (root / "noxfile.py").read_text()
        for name in re.findall(r"^\./dev test -s ([\w \-]+?)(?: --.*)?$", line.strip()):
            for session in name.split():
                stem = session if f'"{session}"' in known else session.removeprefix("tests-")
                if f'"{stem}"' not in known and f"def {stem}(" not in known:
                    raise BlockFailed(f"there is no session {session}")
        return
    for name, extras in re.findall(r"\b(dfd[\w-]*)(?:\[([\w,]+)\])?", line):
        path = root / "packages" / name / "pyproject.toml"
        if not path.exists():
            raise BlockFailed(f"there is no distribution {name}")
        known_extras = toml(path.read_text())["project"].get("optional-dependencies", {})
        for extra in filter(None, extras.split(",")):
            if extra not in known_extras:
                raise BlockFailed(f"{name} has no extra {extra}")
