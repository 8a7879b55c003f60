"""Run files in one form: `both_routes` with the tables as they are, `delta_form` with Delta tables.

`python one_file.py FORM DIRECTORY FILE...` prints one JSON object a query as it goes. Each file has a
process of its own, so that a crash is that file's alone: a fork of one that has imported what all of them
need and started nothing.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import both_routes
import delta_form
import dfd

TIMEOUT_S = 600
FORMS = {"routes": both_routes.run, "delta": delta_form.run}

Run = Callable[[str, Path], Iterator[dict[str, Any]]]


def _tell(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


def _in_this_process(run: Run, file: str, directory: Path) -> None:
    faulthandler.enable()
    signal.alarm(TIMEOUT_S)
    for told in run(file, directory):
        _tell({"suite": file, **told})


def main() -> None:
    form, directory, *files = sys.argv[1:]
    # Imported at first use, which is here, before the forks, rather than in each of them.
    _ = dfd.connect
    for number, file in enumerate(files):
        with warnings.catch_warnings():
            # The other threads are the allocator's, which knows of forks.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            code = 1
            try:
                _in_this_process(FORMS[form], file, Path(directory, str(number)))
                code = 0
            except BaseException:  # noqa: BLE001 (the process ends here, whatever it was)
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            _tell({"suite": file, "outcome": "died", "code": code})
        shutil.rmtree(Path(directory, str(number)), ignore_errors=True)


if __name__ == "__main__":
    main()
