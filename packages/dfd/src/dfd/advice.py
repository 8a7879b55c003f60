"""What a table costs who reads it, and the verbs that make it less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dfd_native
import msgspec

if TYPE_CHECKING:
    from dfd.runtime import Runtime

# Each commit since the last checkpoint is a request where a table is opened.
_COMMITS = 100
_LOG_BYTES = 16 * 1024 * 1024
_SMALL_FILE_BYTES = 16 * 1024 * 1024
_SMALL_FILES = 20
_DELETED_SHARE = 0.05


class Remedy(msgspec.Struct, frozen=True):
    """One thing that costs, and the verb of `GuardedTable` and of the command that mends it."""

    reason: str
    verb: str


class Advice(msgspec.Struct, frozen=True):
    """What was measured at a table, and what would help; `remedies` is empty where nothing would.

    - `checkpoint`: version of the last one, or None. `commits`, `log_bytes`: since then.
    - `files`, `bytes`: of the newest version; `small_files`: those below 16 MiB.
    - `deleted_share`: of the rows that files hold, those that deletion vectors take away; None where
      the log doesn't count rows.
    - `opening_s`, `opening_requests`: what it took to open the newest version, of which nothing was kept.
    """

    uri: str
    version: int
    checkpoint: int | None
    commits: int
    log_bytes: int
    files: int
    bytes: int
    small_files: int
    deleted_share: float | None
    opening_s: float
    opening_requests: int
    remedies: tuple[Remedy, ...]


_FILES = """
select count(*) as files, coalesce(sum(size_bytes), 0) as bytes,
    count(*) filter (where size_bytes < $small) as small_files,
    sum(deleted_records) as deleted, sum(num_records) as rows,
    count(distinct partition_values) as partitions
from delta_files($uri)
"""


def advise(runtime: Runtime, uri: str) -> Advice:
    """Measure a table; nothing of it is changed."""
    location, options = runtime.located(uri)
    cost = dfd_native.opening_cost(location, options)
    log = dfd_native.log_length(location, options)
    table = runtime.opened(uri)
    files = _files(runtime, location)
    rows, deleted = files["rows"], files["deleted"]
    share = None if rows is None else deleted / (rows + deleted) if rows + deleted else 0.0
    return Advice(
        uri=location,
        version=table.version,
        checkpoint=log.checkpoint,
        commits=log.commits,
        log_bytes=log.bytes,
        files=files["files"],
        bytes=files["bytes"],
        small_files=files["small_files"],
        deleted_share=share,
        opening_s=cost.seconds,
        opening_requests=cost.requests,
        remedies=tuple(_remedies(log, files, share)),
    )


def _files(runtime: Runtime, location: str) -> dict[str, Any]:
    quoted = location.replace("'", "''")
    text = _FILES.replace("$small", str(_SMALL_FILE_BYTES)).replace("$uri", f"'{quoted}'")
    found = runtime.session.sql(text).to_arrow_table()
    row: dict[str, Any] = found.to_pylist()[0]
    return row


def _remedies(
    log: dfd_native.LogLength, files: dict[str, Any], share: float | None
) -> Iterator[Remedy]:
    if log.commits > _COMMITS or log.bytes > _LOG_BYTES:
        yield Remedy(
            f"{log.commits} commits of {log.bytes} bytes are read where it is opened", "checkpoint"
        )
    spare = files["small_files"] - files["partitions"]
    if spare >= _SMALL_FILES:
        yield Remedy(
            f"{files['small_files']} of {files['files']} files are below {_SMALL_FILE_BYTES} bytes",
            "optimize",
        )
    elif share is not None and share > _DELETED_SHARE:
        yield Remedy(f"{share:.0%} of the rows in its files are deleted", "optimize")
