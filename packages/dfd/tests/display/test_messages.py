"""Messages of errors are what they say, without the traceback that they quote."""

from __future__ import annotations

from dfd.display.messages import without_traceback


def test_a_quoted_traceback_is_left_out() -> None:
    of_a_stream = (
        "it failed: no. Detail: Python exception: Traceback (most recent call last):\n  File"
    )
    assert without_traceback(of_a_stream) == "it failed: no"
    of_a_function = (
        "Execution error: PyErr { type: <class 'x.Y'>, value: Y('can\\'t'), traceback: "
        'Some("Traceback (most recent call last):\\n  File") } here'
    )
    assert without_traceback(of_a_function) == "Execution error: can't here"
    assert without_traceback("plain") == "plain"
