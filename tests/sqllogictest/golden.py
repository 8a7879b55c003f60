"""The queries that run in the session, with the reason: `golden/session.txt`.

A reason is a line without indentation; below it stands, for each file, the lines of its queries. Statements
about the session itself (EXPLAIN, SHOW, DESCRIBE, `information_schema`) are told by their number, and so are the
queries of files that are about Spark's functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "golden/session.txt"

HEAD = """\
# Queries of DataFusion's own sqllogictest files that run in the session, with the reason.
# Written by `python suite.py --write`; checked by the suite and, in part, by test_selection.py.
"""

_ABOUT_THE_SESSION = re.compile(
    r"(?:\s|--[^\n]*\n)*(?:explain|show|describe|desc)\b|.*\binformation_schema\s*\.",
    re.IGNORECASE | re.DOTALL,
)
_ANSWERED = frozenset({"same", "volatile", "unstable", "differs"})

# What stands in a reason beside its kind: how often it was wrapped, names, types, advice.
_STABLE: tuple[tuple[str, str], ...] = (
    (r"\s+", " "),
    (r"\b(?:Exception|(?:[A-Z]\w+ (?:\w+ )?)?error|Error during planning): ", ""),
    (r" (?:This issue was likely caused by|No function matches|Did you mean) .*", ""),
    (r"(another schema): .*, \(\) in the engine$", r"\1: no columns"),
    (r"(another schema): (?!no columns).*", r"\1: other names or types"),
    (r"(can't be read): .*not provided for (\w+ function) .*", r"\1: no codec for the \2"),
    (r"(No field named) .*", r"\1 ..."),
    (r"^\w+ (may be the function of)", r"... \1"),
    (r"outer_ref\([^)]*\)", "outer_ref(...)"),
    (r"\S+ (IN \(<subquery>\))", r"... \1"),
    (r"(Assertion failed: [^:]+::\w+).*", r"\1"),
)


def reason(told: dict[str, Any]) -> str:
    """The reason of an outcome as the golden list has it."""
    text = str(told["reason"])
    for pattern, replacement in _STABLE:
        text = re.sub(pattern, replacement, text)
    return text.strip()


def is_answered(told: dict[str, Any]) -> bool:
    """Whether both routes gave rows."""
    return told["outcome"] in _ANSWERED


def is_counted(told: dict[str, Any]) -> bool:
    """Whether an answered query is about data, and so one that the engine could run."""
    return is_answered(told) and not is_about_the_session(told["sql"])


def is_about_the_session(sql: str) -> bool:
    """Whether a query shows the session, its plans or its settings."""
    return bool(_ABOUT_THE_SESSION.match(sql))


def listing(outcomes: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """By reason and file: where its queries stand."""
    found: dict[tuple[str, str], set[tuple[str, int]]] = {}
    for told in outcomes:
        if is_answered(told) and told["route"] == "session":
            place = "" if told["file"] == told["suite"] else told["file"].rpartition("/")[2] + ":"
            found.setdefault((_class(told), told["suite"]), set()).add((place, told["line"]))
    return {
        (why, file): _told(why, sorted(places)) for (why, file), places in sorted(found.items())
    }


def _class(told: dict[str, Any]) -> str:
    if is_counted(told):
        return reason(told)
    return f"{_ABOUT}{reason(told)}"


_ABOUT = "about the session itself: "


def _told(why: str, places: list[tuple[str, int]]) -> list[str]:
    if why.startswith(_ABOUT) or "datafusion.functions.spark" in why:
        return [str(len(places)), "queries" if len(places) > 1 else "query"]
    return [f"{place}{line}" for place, line in places]


def text(outcomes: Iterable[dict[str, Any]]) -> str:
    """The golden list of these outcomes."""
    lines = [HEAD]
    newest = None
    for (why, file), places in listing(outcomes).items():
        if why != newest:
            lines.append(f"\n{why}\n")
            newest = why
        lines.append(f"  {file}: {' '.join(places)}\n")
    return "".join(lines)


def write(outcomes: Iterable[dict[str, Any]]) -> None:
    """Write the list anew."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(text(outcomes), encoding="utf-8")


def read() -> dict[tuple[str, str], list[str]]:
    """The list as it is kept."""
    found: dict[tuple[str, str], list[str]] = {}
    why = ""
    if not PATH.exists():
        return found
    for line in PATH.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            file, _, places = line.strip().partition(": ")
            found[why, file] = places.split(" ")
        elif line and not line.startswith("#"):
            why = line
    return found


def changes(outcomes: Iterable[dict[str, Any]]) -> list[str]:
    """How these outcomes differ from the list as it is kept, as far as their files go."""
    outcomes = list(outcomes)
    ran = {told["suite"] for told in outcomes}
    now = listing(outcomes)
    kept = {(why, file): places for (why, file), places in read().items() if file in ran}
    return [
        f"{file}: {why}: {' '.join(kept.get((why, file), ['none']))} in the golden list,"
        f" {' '.join(now.get((why, file), ['none']))} now"
        for why, file in sorted(now.keys() | kept.keys())
        if now.get((why, file)) != kept.get((why, file))
    ]
