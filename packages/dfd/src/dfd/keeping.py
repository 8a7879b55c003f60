"""The upkeep of all tables of a profile: what each wants, and what was done of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from deltalake.exceptions import DeltaError
from dfd_base import DfdError
from dfd_delta_policy import Outcome, Upkeep

if TYPE_CHECKING:
    from dfd.runtime import Runtime


class Kept(msgspec.Struct, frozen=True):
    """One table: what it wanted, what was run, and why it went no further where it failed.

    - `found`: None where the table couldn't be looked at.
    - `done`: the outcomes of what was run, in order.
    """

    name: str
    found: Upkeep | None
    done: tuple[Outcome, ...] = ()
    error: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether nothing failed, and the table's log is sound as far as that was looked at."""
        return self.error is None and self.found is not None and self.found.is_sound is not False


def keep(runtime: Runtime, names: Sequence[str], run: bool) -> Iterator[Kept]:
    """Look after tables, one after the other; one that fails stops no other.

    - `names`: names or URIs. None: the tables of the profile and its folders that follow the newest version.
    - `run`: do what is due by the profile's `[keep]`, and not only say so. VACUUM removes files then.
    """
    for name in names or named_tables(runtime):
        found = None
        done: list[Outcome] = []
        try:
            table = runtime.table(name)
            found = table.upkeep(runtime.profile.keep)
            for task in found.due if run else ():
                done.append(table.run_upkeep(task))
        except (DfdError, DeltaError, OSError) as error:
            yield Kept(name, found, tuple(done), str(error))
        else:
            yield Kept(name, found, tuple(done))


def named_tables(runtime: Runtime) -> list[str]:
    """The tables that the profile names, and those of its folders, each by one name."""
    runtime.folders.find_all()
    by_uri: dict[str, str] = {}
    for table in runtime.tables():
        if not table.pinned:
            by_uri.setdefault(table.uri, table.name)
    return sorted(by_uri.values())
