"""The `dfd` command: one file a group of commands.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration, 3 incompatible
installation, 130 interrupted.
"""

from dfd.cli.app import main, run
from dfd.cli.exit_codes import DONE, FAILED, INCOMPATIBLE, INTERRUPTED, USAGE

__all__ = ["DONE", "FAILED", "INCOMPATIBLE", "INTERRUPTED", "USAGE", "main", "run"]
