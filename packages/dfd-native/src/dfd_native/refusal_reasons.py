"""Codes for why the engine doesn't take a plan, which say nothing of what is in the plan.

The engine gives its reasons in words alone, with values of the plan in them. All begin or end in one way,
which the code is taken from (`crates/dfd-engine/src/unsupported_plan.rs`); a test provokes each.
"""

from __future__ import annotations

REASONS = frozenset(
    [
        "ambiguous_type",
        "function_of_spark",
        "no_rows",
        "other_schema",
        "statement",
        "unplannable",
        "unreadable",
        "unwritable",
    ]
)

_BEGINNINGS = {
    "the plan can't be planned": "unplannable",
    "the plan can't be read": "unreadable",
    "the plan can't be written": "unwritable",
    "the plan comes back with another schema": "other_schema",
    "a relation without rows comes back with another schema": "no_rows",
    "a Float16 literal loses its type": "ambiguous_type",
}
_ENDINGS = {
    "may be the function of datafusion.functions.spark, and the plan doesn't say": "function_of_spark",
    "runs in the session": "statement",
}


def refusal_reason(message: str) -> str:
    """The code of a reason in words; `"unplannable"` for one that is new."""
    for beginning, code in _BEGINNINGS.items():
        if message.startswith(beginning):
            return code
    for ending, code in _ENDINGS.items():
        if message.endswith(ending):
            return code
    return "unplannable"
