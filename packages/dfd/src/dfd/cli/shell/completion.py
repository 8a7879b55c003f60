"""Completion of what is typed: tables after FROM, their columns, functions and keywords elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from dfd.cli.shell.keywords import KEYWORDS
from dfd.cli.shell.statements import without_quoted
from dfd.table_reference import as_written

if TYPE_CHECKING:
    from dfd.runtime import Runtime

_WORD = re.compile(r'(?:(?P<owner>[\w$]+|"[^"]+")\.)?(?P<word>"?[\w$]*)$')
_WANTS_TABLE = re.compile(
    r"\b(?:from|join|into|update|table|describe|optimize|vacuum|history|detail)\s+(?:[\w.$\"]+\s*,\s*)*$",
    re.IGNORECASE,
)
_ALIAS = re.compile(
    r"\b(?:from|join|into|update)\s+([\w.$]+)(?:\s+(?:as\s+)?([\w$]+))?", re.IGNORECASE
)


class Vocabulary(msgspec.Struct, frozen=True):
    """What names there are: columns by table, and functions."""

    columns: Mapping[str, Sequence[str]]
    functions: Sequence[str]

    @classmethod
    def of(cls, runtime: Runtime) -> Vocabulary:
        """The names of a runtime's session, and of the profile's tables."""
        found: dict[str, list[str]] = {name: [] for name in runtime.folders.names()}
        columns = runtime.session.sql(
            "select table_schema, table_name, column_name from information_schema.columns "
            "where table_schema <> 'information_schema' order by ordinal_position"
        ).to_pydict()
        for schema, table, column in zip(*columns.values(), strict=True):
            name = table if schema == "public" else f"{schema}.{table}"
            found.setdefault(name, []).append(column)
        routines = runtime.session.sql(
            "select distinct routine_name from information_schema.routines order by 1"
        ).to_pydict()
        return cls(found, routines["routine_name"])


class Completion(msgspec.Struct, frozen=True):
    """A text in place of the last `replaces` characters, and what it is the name of."""

    text: str
    replaces: int
    kind: str


def completions(
    before: str, vocabulary: Vocabulary, dot_commands: Mapping[str, Sequence[str]]
) -> list[Completion]:
    """What may follow a text.

    - `dot_commands`: the shell's commands by name, and the words that they take; the word `table` stands
      for all tables.
    """
    stripped = before.lstrip()
    if stripped.startswith("."):
        return _of_dot_commands(stripped, vocabulary, dot_commands)
    found = _WORD.search(before)
    if found is None:
        return []
    word, owner = found["word"], found["owner"]
    if owner is not None:
        return _matching(word, _columns_of(owner.strip('"'), before, vocabulary), "column")
    if _WANTS_TABLE.search(before[: found.start("word")]):
        return _matching(word, vocabulary.columns, "table")
    if not word:
        return []
    columns = _columns_near(before, vocabulary)
    shown = [key.upper() if word.isupper() else key for key in KEYWORDS]
    return [
        *_matching(word, columns, "column"),
        *_matching(word, vocabulary.functions, "function"),
        *_matching(word, shown, "keyword"),
        *_matching(word, vocabulary.columns, "table"),
    ]


def _of_dot_commands(
    text: str, vocabulary: Vocabulary, dot_commands: Mapping[str, Sequence[str]]
) -> list[Completion]:
    name, blank, rest = text.partition(" ")
    if not blank:
        names = [known for known in dot_commands if known.startswith(name)]
        return [Completion(known, len(name), "command") for known in names]
    words = dot_commands.get(name, ())
    return _matching(rest.lstrip(), vocabulary.columns if "table" in words else words, "word")


def _matching(word: str, names: Iterable[str], kind: str) -> list[Completion]:
    sought = word.strip('"').casefold()
    found = (name for name in names if name.casefold().startswith(sought))
    return [Completion(_quoted(name, kind), len(word), kind) for name in found]


def _quoted(name: str, kind: str) -> str:
    """A name as SQL takes it: in quotes where it has capitals or the like."""
    if kind not in ("column", "table"):
        return name
    parts = name.split(".") if kind == "table" else [name]
    return ".".join(map(as_written, parts))


def _columns_of(owner: str, before: str, vocabulary: Vocabulary) -> list[str]:
    """The columns of a table by its name or alias; the tables of a schema."""
    aliases = {
        alias.lower(): table for table, alias in _ALIAS.findall(without_quoted(before)) if alias
    }
    table = aliases.get(owner.lower(), owner)
    for name, columns in vocabulary.columns.items():
        if name.lower() == table.lower() or name.lower().endswith(f".{table.lower()}"):
            return list(columns)
    prefix = f"{owner.lower()}."
    names = (name for name in vocabulary.columns if name.lower().startswith(prefix))
    return [name[len(prefix) :] for name in names]


def _columns_near(before: str, vocabulary: Vocabulary) -> list[str]:
    """The columns of the tables that the statement has named so far; of all before it has."""
    named = {table.lower() for table, _ in _ALIAS.findall(without_quoted(before))}
    tables = [name for name in vocabulary.columns if name.lower() in named] or vocabulary.columns
    return list(dict.fromkeys(column for name in tables for column in vocabulary.columns[name]))
