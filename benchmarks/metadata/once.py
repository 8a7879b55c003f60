"""One candidate opens one table and asks it twice, in a process of its own, which prints what each step took."""

from __future__ import annotations

import json
import sys
import time
import urllib.request

from benchmarks.metadata.candidates import CANDIDATES, Unavailable, imported
from benchmarks.metadata.data import ROWS_PER_FILE


def main() -> None:
    """Print seconds and requests of each step, or why there are none."""
    candidate, uri, files, options, counter = sys.argv[1:]
    wanted = int(files) * ROWS_PER_FILE // 2
    sql = f"select c3 from t where id = {wanted}"
    make = CANDIDATES[candidate]
    steps: dict[str, dict[str, float]] = {}

    imported(candidate)

    def requests() -> int:
        if not counter:
            return 0
        with urllib.request.urlopen(counter) as answer:
            return int(answer.read())

    def step(name: str, work):  # type: ignore[no-untyped-def]
        before = requests()
        began = time.perf_counter()
        done = work()
        steps[name] = {"seconds": time.perf_counter() - began, "requests": requests() - before}
        return done

    try:
        storage = json.loads(options)
        ask = step("open", lambda: make(uri, storage))
        for name in ("first", "second"):
            found = step(name, lambda: ask(sql))
            if found.to_pydict() != {"c3": [wanted]}:
                raise RuntimeError(f"{candidate} finds {found.to_pydict()}")
        step("open again", lambda: make(uri, storage))
    except Unavailable as missing:
        steps = {}
        print(missing, file=sys.stderr)
    print(json.dumps(steps))


if __name__ == "__main__":
    main()
