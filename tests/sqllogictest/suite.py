"""Many files, and what they came to: `python suite.py` runs them all, a process each, two at a time.

- `--form delta` runs them with their tables as Delta tables of many files (`delta_form.py`);
- `--write` writes the golden list of the form anew;
- `--outcomes FILE` keeps every outcome as JSON lines;
- further arguments are the files to run (`joins.slt spark/math/abs.slt`).

It ends with 1 if a result differs, if a query fails that the plain session answers, if a process dies, if
fewer than 97 % of the queries run in the engine (those with Spark's functions, which it hasn't, apart), or if the
golden list is another.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import golden
from delta_form import BY
from upstream import files

PROCESSES = 2
AT_LEAST = 0.97
# The last of a form has the causes of what differs.
LISTS = {"routes": (golden.SESSION, golden.ROUTES), "delta": (golden.DELTA,)}


def run(names: Sequence[str], form: str = "routes") -> list[dict[str, Any]]:
    """The outcomes of these files in a form of `one_file`, each with its `suite` file.

    It is `died` where the process of a file does.
    """
    with ThreadPoolExecutor(PROCESSES) as pool:
        shares = [names[start::PROCESSES] for start in range(PROCESSES)]
        outcomes = [told for share in pool.map(partial(_run_share, form), shares) for told in share]
    return sorted(outcomes, key=lambda told: names.index(told["suite"]))


def _run_share(form: str, names: Sequence[str]) -> list[dict[str, Any]]:
    script = Path(__file__).with_name("one_file.py")
    with tempfile.TemporaryDirectory() as directory:
        ran = subprocess.run(
            [sys.executable, str(script), form, directory, *names],
            stdout=subprocess.PIPE,
            check=True,
        )
    outcomes: list[dict[str, Any]] = []
    for line in ran.stdout.decode().splitlines():
        told = json.loads(line)
        if told["outcome"] == "died":
            # One process after the other, so the newest outcome is the last of the file, if it has one.
            newest = outcomes[-1] if outcomes and outcomes[-1]["suite"] == told["suite"] else {}
            told |= {"file": newest.get("file", told["suite"]), "line": newest.get("line", 0)}
            told |= {
                "sql": "",
                "reason": None,
                "error": f"with code {told['code']}, in the query after that line",
            }
        outcomes.append(told)
    return outcomes


def wrong(outcomes: Iterable[dict[str, Any]], form: str = "routes") -> list[str]:
    """What must not be, a paragraph each."""
    return [
        f"{told['suite']} ({told['file']}:{told['line']}) {told['outcome']}"
        f" [{told.get('by', told.get('route'))}]: {told.get('difference') or told.get('error') or ''}\n"
        f"{told['sql']}"
        for told in LISTS[form][-1].wrong(outcomes)
    ]


def engine_share(outcomes: Iterable[dict[str, Any]], spark: bool = False) -> tuple[int, int]:
    """Queries that the engine ran, and queries that could: answered, and not about the session itself.

    Of files that use Spark's functions with `spark`, and of the others without: the engine has none of those.
    """
    routes = Counter(
        told["route"]
        for told in outcomes
        if golden.is_counted(told)
        and told["suite"].startswith("spark/") is spark
        and told.get("by") != "leaf"
    )
    return routes["engine"], sum(routes.values())


def summary(outcomes: Sequence[dict[str, Any]]) -> str:
    """The totals, in a line."""
    counted = Counter(told["outcome"] for told in outcomes)
    about = sum(golden.is_answered(told) and not golden.is_counted(told) for told in outcomes)
    metadata = sum(told.get("metadata") is False for told in outcomes)
    named = ", ".join(f"{count:,} {name}" for name, count in counted.most_common())
    return (
        f"{len(outcomes):,} queries: {named}. By the engine: {_share_text(outcomes, False)};"
        f" with Spark's functions {_share_text(outcomes, True)}."
        f" {about:,} more are about the session itself. In {metadata:,} the metadata differs."
    )


def _share_text(outcomes: Sequence[dict[str, Any]], spark: bool) -> str:
    engine, of = engine_share(outcomes, spark)
    return f"{engine:,} of {of:,} ({engine / max(of, 1):.2%})"


def summary_of_delta(outcomes: Sequence[dict[str, Any]]) -> str:
    """The totals of the Delta form, in lines."""
    lines = []
    for what, told_of in (
        ("tables", [told for told in outcomes if "table" in told]),
        *(
            (f"queries by the {by}", [told for told in outcomes if told.get("by") == by])
            for by in BY
        ),
    ):
        counted = Counter(told["outcome"] for told in told_of)
        named = ", ".join(f"{count:,} {name}" for name, count in counted.most_common())
        lines.append(f"{len(told_of):,} {what}: {named}.")
    expected = Counter(told.get("expected") for told in outcomes if told.get("by") == "engine")
    return "\n".join(
        [
            *lines,
            f"In the engine: {_share_text(outcomes, False)}.",
            f"Of the judge's results {expected[True]:,} are as the files expect, {expected[False]:,} not:"
            " data that the crate lacks, the nearest types.",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="DataFusion's sqllogictest files on both routes.")
    parser.add_argument("--form", choices=list(LISTS), default="routes")
    parser.add_argument("--write", action="store_true", help="write the golden list anew")
    parser.add_argument("--outcomes", type=Path, help="keep every outcome in this file")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    outcomes = run(options.files or files(), options.form)
    if options.outcomes:
        options.outcomes.write_text("".join(json.dumps(told) + "\n" for told in outcomes))
    found = wrong(outcomes, options.form)
    told = summary if options.form == "routes" else summary_of_delta
    print("\n\n".join([*found, told(outcomes)]))
    engine, of = engine_share(outcomes)
    changes: list[str] = []
    for kept in LISTS[options.form]:
        if options.write and not options.files:
            kept.write(outcomes)
        changes += kept.changes(outcomes)
    print("\n".join(changes))
    return int(bool(found or changes or engine < AT_LEAST * of))


if __name__ == "__main__":
    sys.exit(main())
