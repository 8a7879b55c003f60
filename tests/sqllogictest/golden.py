"""What is known of the files, with the reason: a list for each form, in `golden`.

- `session.txt`: the queries that run in the session. Statements about the session itself (EXPLAIN, SHOW,
  DESCRIBE, `information_schema`) are told by their number, and so are the queries of files that are about
  Spark's functions.
- `routes.txt`: the queries whose results in the engine are known to be others than in the session, with a cause.
- `delta.txt`: the tables that aren't held by a Delta table; and the queries whose results over Delta tables are known to
  be others, with a cause that whoever looked into it wrote into the list: writing it anew keeps the causes.

A reason is a line without indentation; below it stand, for each file, the lines of its queries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent / "golden"
UNEXPLAINED = "unexplained"

Listing = dict[tuple[str, str], list[str]]
# The reason of a place in a file.
Known = dict[tuple[str, str], str]
ReasonOf = Callable[[dict[str, Any], Known], "str | None"]

WRONG = frozenset({"differs", "fails", "answers what the session refuses", "died"})

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
    (r"(Cannot execute pipeline breaking queries), operator: (\w+).*", r"\1: \2"),
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


def _in_session(told: dict[str, Any], known: Known) -> str | None:
    """The reason of a query that runs in the session."""
    if not is_answered(told) or told["route"] != "session":
        return None
    return reason(told) if is_counted(told) else f"{_ABOUT}{reason(told)}"


def _over_delta(told: dict[str, Any], known: Known) -> str | None:
    """The reason of a table that isn't held, or the known cause of a result that differs."""
    if told["outcome"] == "not held":
        return f"{_NOT_HELD}{told['reason']}"
    return _different(told, known)


def _different(told: dict[str, Any], known: Known) -> str | None:
    """The known cause of a result that differs."""
    if told["outcome"] not in WRONG:
        return None
    return known.get((told["suite"], _text(_place(told))), UNEXPLAINED)


Place = tuple[str, int, str]


def _place(told: dict[str, Any]) -> Place:
    """Where a query stands: a file, if it is an included one, the line, and what ran it, where that is told."""
    place = "" if told["file"] == told["suite"] else told["file"].rpartition("/")[2] + ":"
    return place, told["line"], f"/{told['by']}" if "by" in told else ""


def _text(place: Place) -> str:
    return "".join(map(str, place))


_ABOUT = "about the session itself: "
_NOT_HELD = "held by no Delta table: "


def _told(why: str, places: list[Place]) -> list[str]:
    if why.startswith(_ABOUT) or "datafusion.functions.spark" in why:
        return [str(len(places)), "queries" if len(places) > 1 else "query"]
    return list(map(_text, places))


class GoldenList:
    """A list as it is kept, to be held against outcomes."""

    def __init__(
        self, path: Path, head: str, reason_of: ReasonOf, keeps_causes: bool = False
    ) -> None:
        self._path = path
        self._keeps_causes = keeps_causes
        self._head = head
        self._reason_of = reason_of

    def listing(self, outcomes: Iterable[dict[str, Any]]) -> Listing:
        """By reason and file: where its queries stand."""
        found: dict[tuple[str, str], set[Place]] = {}
        known = self._known()
        for told in outcomes:
            if (why := self._reason_of(told, known)) is not None:
                found.setdefault((why, told["suite"]), set()).add(_place(told))
        return {
            (why, file): _told(why, sorted(places)) for (why, file), places in sorted(found.items())
        }

    def write(self, outcomes: Iterable[dict[str, Any]]) -> None:
        """Write the list anew."""
        lines = [self._head]
        newest = None
        for (why, file), places in self.listing(outcomes).items():
            if why != newest:
                lines.append(f"\n{why}\n")
                newest = why
            lines.append(f"  {file}: {' '.join(places)}\n")
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text("".join(lines), encoding="utf-8")

    def read(self) -> Listing:
        """The list as it is kept."""
        found: Listing = {}
        why = ""
        if not self._path.exists():
            return found
        for line in self._path.read_text(encoding="utf-8").splitlines():
            if line.startswith("  "):
                file, _, places = line.strip().partition(": ")
                found[why, file] = places.split(" ")
            elif line and not line.startswith("#"):
                why = line
        return found

    def changes(self, outcomes: Iterable[dict[str, Any]]) -> list[str]:
        """How these outcomes differ from the list as it is kept, as far as their files go."""
        outcomes = list(outcomes)
        ran = {told["suite"] for told in outcomes}
        now = self.listing(outcomes)
        kept = {(why, file): places for (why, file), places in self.read().items() if file in ran}
        return [
            f"{file}: {why}: {' '.join(kept.get((why, file), ['none']))} in the golden list,"
            f" {' '.join(now.get((why, file), ['none']))} now"
            for why, file in sorted(now.keys() | kept.keys())
            if now.get((why, file)) != kept.get((why, file))
        ]

    def wrong(self, outcomes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The outcomes that must not be, and whose cause the list doesn't have."""
        known = self._known()
        return [
            told
            for told in outcomes
            if told["outcome"] in WRONG
            and known.get((told["suite"], _text(_place(told))), UNEXPLAINED) == UNEXPLAINED
        ]

    def _known(self) -> Known:
        if not self._keeps_causes:
            return {}
        return {
            (file, place): why for (why, file), places in self.read().items() for place in places
        }


SESSION = GoldenList(
    DIRECTORY / "session.txt",
    "# Queries of DataFusion's own sqllogictest files that run in the session, with the reason.\n"
    "# Written by `python suite.py --write`; checked by the suite and, in part, by test_selection.py.\n",
    _in_session,
)
ROUTES = GoldenList(
    DIRECTORY / "routes.txt",
    "# Queries that are known to give others in the engine than in the session.\n"
    "# Written by `python suite.py --write`, which keeps the causes that are written here.\n",
    _different,
    keeps_causes=True,
)
DELTA = GoldenList(
    DIRECTORY / "delta.txt",
    "# Tables of the same files that no Delta table holds, and queries that are known to give others over Delta tables.\n"
    "# Written by `python suite.py --form delta --write`, which keeps the causes that are written here.\n",
    _over_delta,
    keeps_causes=True,
)
