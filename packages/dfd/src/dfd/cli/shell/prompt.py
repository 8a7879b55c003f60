"""The prompt: prompt_toolkit, with history, several lines and completion."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, ThreadedCompleter
from prompt_toolkit.completion import Completion as Offer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from dfd.cli.shell.completion import completions
from dfd.cli.shell.dot_commands import DOT_COMMANDS
from dfd.cli.shell.session import Shell
from dfd.cli.shell.statements import is_whole


class _Completer(Completer):
    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._words = {name: command.words for name, command in DOT_COMMANDS.items()}

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Offer]:
        try:
            vocabulary = self._shell.vocabulary
        except Exception:  # noqa: BLE001  Whatever it is: who types isn't disturbed.
            return
        for found in completions(document.text_before_cursor, vocabulary, self._words):
            yield Offer(found.text, -found.replaces, display_meta=found.kind)


def prompt_reader(shell: Shell) -> Callable[[], str]:
    """What asks for the next statement: Enter ends it where it is whole, and else begins another line."""
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(_history_file())),
        completer=ThreadedCompleter(_Completer(shell)),
        complete_while_typing=False,
        multiline=True,
        key_bindings=_bindings(),
        prompt_continuation="...> ",
        enable_history_search=True,
    )
    return lambda: session.prompt("dfd> ")


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    def whole() -> bool:
        from prompt_toolkit.application import get_app

        return is_whole(get_app().current_buffer.text)

    @bindings.add("enter", filter=Condition(whole))
    def _accept(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return bindings


def _history_file() -> Path:
    """`$XDG_STATE_HOME/dfd/history`, which its owner alone can read: statements may have secrets."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(home) / "dfd"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "history"
    file.touch(mode=0o600)
    return file
