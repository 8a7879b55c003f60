"""One candidate writes one case, once: `python -m benchmarks.stage.once CANDIDATE CASE SCALE TARGET`.

Prints, as JSON, seconds by the clock and of CPU, and the peak of resident memory: of the writing, and
of the process before it.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from benchmarks.stage.candidates import CANDIDATES


def _resident_bytes(field: str) -> int:
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def main() -> None:
    """Write and print."""
    name, case, scale, target = sys.argv[1:]
    candidate = CANDIDATES[name]()
    before = _resident_bytes("VmRSS")
    started, started_cpu = time.perf_counter(), time.process_time()
    if case == "query":
        candidate.query(float(scale), Path(target))
    else:
        candidate.stream(case, float(scale), Path(target))
    measured = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - started_cpu,
        "peak_bytes": _resident_bytes("VmHWM"),
        "before_bytes": before,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
