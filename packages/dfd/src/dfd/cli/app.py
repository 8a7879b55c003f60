"""The command's composition: every group of commands in one application, run with an exit code."""

from __future__ import annotations

import os
import sys

from cyclopts import App, CycloptsError

import dfd
from dfd.cli.demo import demo
from dfd.cli.exit_codes import DONE, FAILED, INTERRUPTED, USAGE, exit_code
from dfd.cli.inspection import doctor, history, report
from dfd.cli.mutations import optimize, restore, vacuum, write
from dfd.cli.native_stderr import native_stderr_held
from dfd.cli.queries import sql
from dfd.cli.row_changes import delete, merge, update
from dfd.display.messages import without_traceback
from dfd.display.printable import one_line

app = App(
    name="dfd",
    help="Delta Lake tables queried with Apache DataFusion, made dependable.",
    version=lambda: dfd.__version__,
    version_flags=["--version"],
)
for _command in (
    demo,
    doctor,
    sql,
    write,
    delete,
    update,
    merge,
    history,
    optimize,
    vacuum,
    restore,
    report,
):
    app.command(_command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; errors are one line on stderr."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
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


def _fail(error: Exception, code: int) -> int:
    message = one_line(without_traceback(str(error)))
    sys.stderr.write(f"dfd: {message or type(error).__name__}\n")
    return code


def run() -> None:
    """Run the command as a console script, which ends the process with its exit code."""
    with native_stderr_held():
        code = main()
    sys.exit(code)
