"""What a table costs who opens and reads it, and the operations that make it less."""

from __future__ import annotations

from typing import Any

import dfd_native
import msgspec
from datafusion import SessionContext
from dfd_delta_policy import GuardedTable, UpkeepTask, UpkeepThresholds

# What readers pay for; which files VACUUM may take costs none of them anything.
_OF_READERS = UpkeepThresholds(vacuum_files=None, audit=False)


class Advice(msgspec.Struct, frozen=True):
    """What was measured at a table, and the operations of its upkeep that would make it less.

    - `checkpoint`: version of the last one, or None. `commits`, `log_bytes`: since then; all of them
      are read where the table is opened.
    - `files`, `bytes`: of the newest version. `files_to_compact`: those that OPTIMIZE would rewrite.
    - `deleted_share`: of the rows that files hold, those that deletion vectors take away; None where
      the log doesn't count rows.
    - `opening_s`, `opening_requests`: what it took to open the newest version, of which nothing was kept.
    - `due`: as `GuardedTable.upkeep` has it, by its default thresholds.
    """

    uri: str
    version: int
    checkpoint: int | None
    commits: int
    log_bytes: int
    files: int
    bytes: int
    files_to_compact: int
    deleted_share: float | None
    opening_s: float
    opening_requests: int
    due: tuple[UpkeepTask, ...]


_FILES = """
select count(*) as files, coalesce(sum(size_bytes), 0) as bytes,
    sum(deleted_records) as deleted, sum(num_records) as rows
from delta_files($uri)
"""


def advise(table: GuardedTable, options: dict[str, str], session_context: SessionContext) -> Advice:
    """Measure a table; nothing of it is changed. `session_context` has the function `delta_files`."""
    location = table.uri
    cost = dfd_native.opening_cost(location, options)
    log = dfd_native.log_length(location, options)
    upkeep = table.upkeep(_OF_READERS)
    files = _files(session_context, location)
    rows, deleted = files["rows"], files["deleted"]
    return Advice(
        uri=location,
        version=upkeep.version,
        checkpoint=log.checkpoint,
        commits=log.commits,
        log_bytes=log.bytes,
        files=files["files"],
        bytes=files["bytes"],
        files_to_compact=upkeep.files_to_compact or 0,
        deleted_share=None if rows is None else deleted / max(rows, 1),
        opening_s=cost.seconds,
        opening_requests=cost.requests,
        due=upkeep.due,
    )


def _files(session_context: SessionContext, location: str) -> dict[str, Any]:
    quoted = location.replace("'", "''")
    found = session_context.sql(_FILES.replace("$uri", f"'{quoted}'")).to_arrow_table()
    row: dict[str, Any] = found.to_pylist()[0]
    return row
