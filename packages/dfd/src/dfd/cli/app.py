"""The command's composition: every group of commands in one application, run with an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

import dfd
from dfd.cli.demo import demo
from dfd.cli.exit_codes import DONE, FAILED, INTERRUPTED, USAGE, exit_code, one_line_of
from dfd.cli.inspection import doctor, history
from dfd.cli.keep import keep
from dfd.cli.mutations import checkpoint, constraint, optimize, restore, vacuum, write
from dfd.cli.native_stderr import native_stderr_held
from dfd.cli.parameters import STDIN
from dfd.cli.queries import sql
from dfd.cli.report import report
from dfd.cli.row_changes import delete, merge, update
from dfd.cli.shell.command import shell
from dfd.cli.tables import cdf, files, schema, tables
from dfd.cli.verbosity import is_verbose, set_verbose
from dfd.errors import ConfigurationError
from dfd.suggestions import did_you_mean

_HELP = """
Delta Lake tables queried with Apache DataFusion, made dependable.

`dfd` alone opens a shell for SQL. A table is a URI (a path, `s3://...`), or a name that the profile gives it
(`[[table]]` in the TOML file of --profile, or of $DFD_PROFILE).

For example:

```text
dfd sql "select origin, count(*) as n from f group by 1" -t f=/data/flights
dfd write /data/flights january.csv.gz --partition-by month
dfd history /data/flights --json
dfd doctor --table /data/flights
```

`dfd COMMAND --help` has examples of each, and `dfd --install-completion` completes them in your shell.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration, 3 incompatible installation, 130 interrupted.
"""
app = App(
    name="dfd",
    help=_HELP,
    version=lambda: dfd.__version__,
    version_flags=["--version"],
    # `main` says that it was interrupted.
    suppress_keyboard_interrupt=False,
)
app.meta.suppress_keyboard_interrupt = False
for _command in (
    demo,
    doctor,
    sql,
    write,
    delete,
    update,
    merge,
    tables,
    schema,
    files,
    history,
    cdf,
    optimize,
    checkpoint,
    constraint,
    vacuum,
    restore,
    keep,
    report,
):
    app.command(_command)
app.default(shell)
app.register_install_completion_command()


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    verbose: Annotated[
        bool,
        Parameter(
            name=["--verbose", "-v"], negative="", help="Show what is logged, and tracebacks."
        ),
    ] = False,
) -> object:
    set_verbose(verbose)
    if tokens and not tokens[0].startswith("-") and tokens[0] not in [*app]:
        raise ConfigurationError(
            f"There is no command {tokens[0]!r}. "
            f"{did_you_mean(tokens[0], _commands(), 'commands')} `dfd --help` lists them."
        )
    given = [STDIN if argument == "-" else argument for argument in tokens]
    return app(given, exit_on_error=False, print_error=False, result_action="return_value")


def _commands() -> list[str]:
    return [name for name in app if not name.startswith("-")]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; errors are one line on stderr."""
    set_verbose(False)
    try:
        given = [*map(_as_text, sys.argv[1:] if arguments is None else arguments)]
        code = app.meta(given, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        return _fail(error, USAGE)
    except BrokenPipeError:
        # Who reads has seen enough, like `head`; what is still buffered would fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("dfd: interrupted.\n")
        return INTERRUPTED
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        return _fail(error, code)
    return code if isinstance(code, int) else DONE


def _as_text(argument: str) -> str:
    """An argument of bytes that the locale can't read, as the UTF-8 that they are mostly."""
    # Python keeps bytes that it can't read as such characters.
    if not any("\udc80" <= character <= "\udcff" for character in argument):
        return argument
    try:
        return os.fsencode(argument).decode()
    except UnicodeDecodeError:
        return argument


def _fail(error: Exception, code: int) -> int:
    if is_verbose():
        traceback.print_exception(error)
    sys.stderr.write(f"dfd: {one_line_of(error)}\n")
    return code


def run() -> None:
    """Run the command as a console script, which ends the process with its exit code."""
    # What the locale has no character for is an escape, and no error.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with native_stderr_held():
        code = main()
    sys.exit(code)
