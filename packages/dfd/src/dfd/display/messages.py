"""Messages of errors of libraries in Rust or C++, which quote the traceback of Python in them.

Only their texts are looked at. pyarrow and datafusion make a text of what Python code raised, and so
there is no `__cause__` from which it could be had; an error of ours quotes no traceback of its own.
"""

from __future__ import annotations

import re

# pyarrow's, of a stream that Python wrote; and datafusion's, of a function that Python wrote.
_OF_A_STREAM = re.compile(r"\.? Detail: Python exception: .*", re.DOTALL)
_OF_A_FUNCTION = re.compile(
    r"""PyErr \{ type: .*?, value: \w+\((['"])(?P<message>.*?)\1\), traceback: .* \}""", re.DOTALL
)


def without_traceback(message: str) -> str:
    """The text of a message, without the traceback that it quotes."""
    return _OF_A_FUNCTION.sub(_quoted, _OF_A_STREAM.sub("", message))


def _quoted(found: re.Match[str]) -> str:
    return found["message"].replace("\\'", "'")
