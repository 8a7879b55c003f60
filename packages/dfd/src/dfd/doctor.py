"""The findings of `dfd doctor`, in words."""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import msgspec
from deltalake.exceptions import TableNotFoundError
from dfd_delta_policy import UpkeepTask
from rich.console import Console

from dfd.display.console import table_of
from dfd.display.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dfd_delta_policy import Audit
    from dfd_native import AbandonedStage

    from dfd.advice import Advice
    from dfd.runtime import Runtime

_PATHS_SHOWN = 3


class Examined(msgspec.Struct, frozen=True):
    """The findings at a table: what killed writers left, and what its log says (None: there is no table)."""

    abandoned: list[AbandonedStage]
    audit: Audit | None
    advice: Advice | None = None

    @property
    def is_sound(self) -> bool:
        """Whether there is a table, and its newest version is right."""
        return self.audit is not None and self.audit.is_sound


def examine(runtime: Runtime, uri: str) -> Examined:
    """Look at a table; nothing of it is changed."""
    abandoned = runtime.abandoned_stages(uri)
    try:
        return Examined(abandoned, runtime.table(uri).audit(), runtime.advise(uri))
    except TableNotFoundError:
        return Examined(abandoned, None)


def print_examined(uri: str, found: Examined, out: Console) -> None:
    """Say what was found at a table."""
    if not found.abandoned and found.audit is not None:
        out.print(printable(f"{uri}: no writer left files behind."), soft_wrap=True)
    for line in (
        *_of_stages(found.abandoned),
        *_of_log(uri, found.audit),
        *_of_advice(uri, found.advice),
    ):
        out.print(printable(f"{uri}: {line}"), soft_wrap=True)


def _of_advice(uri: str, advice: Advice | None) -> Iterator[str]:
    if advice is None:
        return
    yield (
        f"version {advice.version} has {advice.files} file(s) of {advice.bytes} bytes; opening it anew took "
        f"{advice.opening_s:.3f} s and {advice.opening_requests} requests, with {advice.commits} commit(s) of "
        f"{advice.log_bytes} bytes since the last checkpoint."
    )
    if UpkeepTask.OPTIMIZE in advice.due:
        yield f"{advice.files_to_compact} file(s) would be made into fewer: `dfd optimize {uri}`."
    if UpkeepTask.CHECKPOINT in advice.due:
        yield f"a checkpoint would spare reading those commits: `dfd checkpoint {uri}`."


def _of_stages(stages: list[AbandonedStage]) -> Iterator[str]:
    for stage in stages:
        yield (
            f"stage {stage.stage_id} of process {stage.pid} on {stage.host}, begun "
            f"{stage.started:%Y-%m-%d %H:%M:%S} UTC, left {len(stage.files)} file(s) of "
            f"{stage.bytes} bytes in all. Its rows are in no version; "
            "`dfd vacuum --full --delete` removes them once they are older than the retention."
        )


def _of_log(uri: str, audit: Audit | None) -> Iterator[str]:
    if audit is None:
        yield "there is no table."
        return
    if not audit.violations:
        yield f"versions {audit.first} to {audit.last} of the log are sound."
        return
    commits = groupby(audit.violations, key=lambda v: (v.version, v.operation, v.writer))
    for (version, operation, writer), violations in commits:
        yield f"version {version} ({operation or 'unnamed'} by {writer or 'an unknown writer'}):"
        for (kind, earlier), alike in groupby(violations, key=lambda v: (v.kind, v.earlier)):
            paths = [violation.path for violation in alike]
            shown = ", ".join(islice(paths, _PATHS_SHOWN))
            more = ", ..." if len(paths) > _PATHS_SHOWN else ""
            before = "" if earlier is None else f" (before: version {earlier})"
            yield f"    {kind}{before}: {len(paths)} file(s): {shown}{more}"
    if audit.is_sound:
        yield f"version {audit.last} is sound again: the table was restored to one before that."
    elif audit.sound_version is None:
        yield "no version is sound."
    else:
        yield (
            f"version {audit.sound_version} is the newest that is sound; `dfd restore {uri} "
            f"{audit.sound_version}` makes it the table's, without what came later."
        )


def print_capabilities(snapshot: dict[str, Any], out: Console) -> None:
    """Say what is installed, and which defects it has."""
    inside = snapshot["datafusion_inside"]
    libraries = table_of("library", "installed", "DataFusion inside")
    for name, found in snapshot["libraries"].items():
        libraries.add_row(name, found or "missing", inside.get(name) or "")
    rest = table_of("what", "value")
    for key, value in snapshot.items():
        if isinstance(value, str):
            rest.add_row(key, value)
        elif key in ("plugin_abi", "build", "functions"):
            for name, part in value.items():
                rest.add_row(f"{key}.{name}", str(part))
    rest.add_row("features", ", ".join(snapshot["features"]))
    out.print(libraries)
    out.print(rest)
    for defect in snapshot["known_defects"]:
        out.print(f"{defect['library']}: {defect['defect']}.", soft_wrap=True)
        out.print(f"    {defect['closed_by']} ({defect['evidence']})", soft_wrap=True)
