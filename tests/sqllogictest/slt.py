"""Records of sqllogictest files, as far as DataFusion's own use the format.

The format is that of sqllogictest-rs: a record ends at an empty line; `include` takes a glob beside
the including file; the message of an expected error may follow `----` and then ends at two empty lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ENGINE = "DataFusion"


class FormatError(ValueError):
    """A line that the format doesn't have, or that these files never used."""


@dataclass(frozen=True)
class Record:
    """One statement or query: where it stands, what kind it is, its text, and of a query what it gives.

    `error` is the error that it ends with, a pattern or a text; None where it succeeds.
    """

    file: str
    line: int
    kind: Literal["statement", "query"]
    sql: str
    sort_mode: str = "nosort"
    expected: tuple[str, ...] | None = None
    error: str | None = None

    @property
    def returns_rows(self) -> bool:
        """Whether the text only reads, so that running it again changes nothing."""
        return bool(_READS.match(self.sql)) and not _WRITES.match(self.sql)

    @property
    def made_table(self) -> str | None:
        """The table that the statement makes, as it names it; None of an unbounded one."""
        found = _MAKES.match(self.sql)
        return found["name"] if found else None

    @property
    def changed_table(self) -> str | None:
        """The table whose rows the statement changes, as it names it."""
        found = _CHANGES.match(self.sql)
        return found["name"] if found else None

    @property
    def drops(self) -> bool:
        """Whether the statement takes something out of the session."""
        return bool(_DROPS.match(self.sql))

    @property
    def copies(self) -> bool:
        """Whether the statement writes files."""
        return bool(_COPIES.match(self.sql))


_BLANK = r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_READS = re.compile(
    _BLANK + r"(?:select|with|values|table|from|explain|describe|desc|show|exec|execute)\b",
    re.IGNORECASE | re.DOTALL,
)
_WRITES = re.compile(
    _BLANK + r"(?:explain\s+analyze\s+(?:verbose\s+)?(?:insert|copy|create|update|delete)\b"
    r"|select\b.*\binto\s+\w+\s+from\b)",
    re.IGNORECASE | re.DOTALL,
)

_COPIES = re.compile(_BLANK + r"copy\b", re.IGNORECASE | re.DOTALL)
_DROPS = re.compile(_BLANK + r"drop\b", re.IGNORECASE | re.DOTALL)
_NAME = r"(?P<name>{0}(?:\.{0})*)".format(r'(?:"(?:[^"]|"")*"|\w+)')
_MAKES = re.compile(
    _BLANK + r"create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+|external\s+)?table\s+"
    r"(?:if\s+not\s+exists\s+)?" + _NAME,
    re.IGNORECASE | re.DOTALL,
)
_CHANGES = re.compile(
    _BLANK + r"(?:explain\s+analyze\s+(?:verbose\s+)?)?"
    r"(?:insert\s+(?:into|overwrite)\s+(?:table\s+)?|update\s+|delete\s+from\s+"
    r"|truncate\s+table\s+|merge\s+into\s+)" + _NAME,
    re.IGNORECASE | re.DOTALL,
)

# Said by a file about how results are compared, labelled or paced, none of which matters here.
_IGNORED = frozenset({"control", "hash-threshold", "subtest", "sleep"})


class _Lines:
    """The lines of one file, with the number of the newest taken."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self.number = 0

    def take(self) -> str | None:
        if self.number == len(self._lines):
            return None
        self.number += 1
        return self._lines[self.number - 1]

    def until_empty(self) -> list[str]:
        taken = []
        while line := self.take():
            taken.append(line)
        return taken

    def until_two_empty(self) -> list[str]:
        taken: list[str] = []
        while (line := self.take()) is not None:
            if not line and not (line := self.take() or ""):
                break
            taken.append(line)
        return taken


def records(root: Path, file: str) -> Iterator[Record]:
    """The records of `root/file` and of what it includes, in order.

    Raises:
        FormatError: naming file and line.
    """
    yield from _records(root, root / file)


def _records(root: Path, path: Path) -> Iterator[Record]:
    name = path.relative_to(root).as_posix()
    lines = _Lines(path.read_text(encoding="utf-8"))
    wanted = True
    while (line := lines.take()) is not None:
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if word in {"statement", "query"}:
            record = _record(name, word, rest, lines)
            if wanted:
                yield record
            wanted = True
        elif word == "skipif":
            wanted = wanted and rest != ENGINE
        elif word == "onlyif":
            wanted = wanted and rest == ENGINE
        elif word == "include":
            for included in sorted(path.parent.glob(rest.removeprefix("./"))):
                yield from _records(root, included)
        elif word == "halt":
            return
        elif word not in _IGNORED:
            raise FormatError(f"{name}:{lines.number}: {line!r} is no directive of the format")


def _record(file: str, kind: str, rest: str, lines: _Lines) -> Record:
    number = lines.number
    fails = rest.startswith("error")
    error = rest.removeprefix("error").strip() if fails else None
    expected: tuple[str, ...] | None = None
    # The first line belongs to the text whatever it is.
    sql = [lines.take() or ""]
    for line in iter(lines.take, None):
        if not line.strip():
            break
        if line == "----":
            if fails:
                error = "\n".join(lines.until_two_empty())
            else:
                expected = tuple(lines.until_empty())
            break
        sql.append(line)
    text = "\n".join(sql).strip()
    if not text:
        raise FormatError(f"{file}:{number}: a {kind} without text")
    if kind != "query":
        return Record(file, number, "statement", text, error=error)
    sort_mode = next((word for word in rest.split()[1:2] if word in _SORT_MODES), "nosort")
    return Record(file, number, "query", text, sort_mode, expected, error)


_SORT_MODES = frozenset({"rowsort", "valuesort"})
