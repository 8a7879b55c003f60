"""`dfd` alone: a shell where somebody types, the statements of stdin where nobody does."""

from __future__ import annotations

import sys

from dfd.cli.parameters import STDIN, Profile, Tables, open_runtime, register_tables
from dfd.cli.verbosity import is_verbose


def shell(*, table: Tables = None, profile: Profile = None) -> int:
    """Open a shell for SQL; what is piped in is run as by `dfd sql -`.

    It needs prompt_toolkit (pip install 'dfd[shell]'). `.help` in it lists its commands.

    For example:

    ```text
    dfd -t flights=/data/flights
    ```
    """
    if not sys.stdin.isatty():
        from dfd.cli.queries import sql

        return sql(STDIN, table=table, profile=profile)
    try:
        from dfd.cli.shell.prompt import prompt_reader
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "prompt_toolkit":
            raise
        from dfd.errors import ConfigurationError

        raise ConfigurationError(
            "The shell needs prompt_toolkit: pip install 'dfd[shell]'. `dfd --help` lists the commands "
            "that do without."
        ) from None
    import dfd
    from dfd.cli.shell.dot_commands import run_dot_command
    from dfd.cli.shell.session import Shell

    with open_runtime(profile) as runtime:
        register_tables(runtime, table)
        opened = Shell(runtime, run_dot_command, is_verbose())
        opened.write(f"dfd {dfd.__version__}. A statement ends with ;  .help lists commands.")
        return opened.run(prompt_reader(opened))
