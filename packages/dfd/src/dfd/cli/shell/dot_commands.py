"""The shell's own commands, which begin with a dot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_args

from dfd.cli.results import Format
from dfd.cli.shell.session import Shell
from dfd.display.cells import type_name
from dfd.display.printable import printable
from dfd.errors import ConfigurationError
from dfd.suggestions import did_you_mean
from dfd.table_reference import as_written

_ON_OFF = ("on", "off")


class DotCommand(NamedTuple):
    """A command: what it does, the words that it takes, and a line of help."""

    run: Callable[[Shell, str], None]
    words: tuple[str, ...]
    help: str


def run_dot_command(shell: Shell, text: str) -> None:
    """Do one.

    Raises:
        ConfigurationError: there is none of this name, or it takes something else.
    """
    name, _, rest = text.partition(" ")
    found = DOT_COMMANDS.get(name)
    if found is None:
        raise ConfigurationError(
            f"There is no {name}. {did_you_mean(name, DOT_COMMANDS, 'commands')}"
        )
    found.run(shell, rest.strip().rstrip(";").strip())


def _tables(shell: Shell, _: str) -> None:
    shell.runtime.folders.find_all()
    for table in shell.runtime.tables():
        shell.write(printable(f"{table.name}  version {table.version}  {table.uri}"))
    others = sorted(set(shell.vocabulary.columns) - {t.name for t in shell.runtime.tables()})
    for name in others:
        shell.write(printable(name))


def _schema(shell: Shell, name: str) -> None:
    # A table of the profile that isn't there yet has none.
    known = [found for found, columns in shell.vocabulary.columns.items() if columns]
    written = [".".join(map(as_written, found.split("."))) for found in known]
    for table in [name] if name else written:
        schema = shell.runtime.sql(f"select * from {table} limit 0").schema  # noqa: S608
        shell.write(printable(table))
        width = max(map(len, schema.names), default=0)
        for field in schema:
            shell.write(printable(f"    {field.name:{width}}  {type_name(field.type)}"))


def _mode(shell: Shell, name: str) -> None:
    if not name:
        shell.write(shell.options.format or "table")
        return
    formats = get_args(Format)
    if name not in formats:
        raise ConfigurationError(f".mode has no {name!r}. {did_you_mean(name, formats, 'formats')}")
    shell.set_format(name)


def _timer(shell: Shell, word: str) -> None:
    if word not in _ON_OFF:
        raise ConfigurationError(f".timer is on or off, not {word!r}.")
    shell.times = word == "on"


def _read(shell: Shell, name: str) -> None:
    if not name:
        raise ConfigurationError(".read takes a file of SQL.")
    shell.execute(Path(name).expanduser().read_text(encoding="utf-8"))


def _plan(shell: Shell, _: str) -> None:
    if shell.last is None or shell.last.outcome is not None:
        raise ConfigurationError(".plan draws the plan of the last query: there is none yet.")
    from dfd.cli.output import console

    for line in shell.last.plan().draw(console().width).splitlines():
        shell.write(line)


def _help(shell: Shell, _: str) -> None:
    shell.write("A statement ends with a semicolon. Ctrl-C stops it, Ctrl-D ends the shell.")
    for name, command in DOT_COMMANDS.items():
        shell.write(f"{name:9} {command.help}")


def _quit(shell: Shell, _: str) -> None:
    shell.ended = True


DOT_COMMANDS = {
    ".tables": DotCommand(_tables, (), "the tables, with their versions and places"),
    ".schema": DotCommand(_schema, ("table",), "the columns of a table, or of all"),
    ".mode": DotCommand(
        _mode, get_args(Format), "how results are shown: " + ", ".join(get_args(Format))
    ),
    ".timer": DotCommand(_timer, _ON_OFF, "on or off: what a statement took in all"),
    ".plan": DotCommand(_plan, (), "the plan of the last query, with shares of time"),
    ".read": DotCommand(_read, (), "run a file of SQL"),
    ".help": DotCommand(_help, (), "this list"),
    ".quit": DotCommand(_quit, (), "end the shell"),
}
