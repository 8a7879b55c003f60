"""How a generated table is laid out: a few numbers and words, from which all of it follows, its rows too."""

from __future__ import annotations

import random
from typing import NamedTuple

# What happens to a table after its first commit, one commit each.
STEPS = (
    "append",
    "add columns",
    "rename columns",
    "delete by vectors",
    "delete by rewriting",
    "overwrite",
    "optimize",
    "restore",
)
# Columns that come with the step "add columns": `r.w` is a field of a struct that is there before.
LATE = ("i", "s", "f", "ts", "l", "r", "r.w")
MAPPINGS = (None, "name", "id", "upgraded")
STATISTICS = ("all", "all", "some", "count", "none", "mixed")
CHECKPOINTS = ("classic", "parts", "v2 json", "v2 parquet")


class Files(NamedTuple):
    """How data files are written, and where.

    - `pages`: with a dictionary, plain, or plain and of few rows each.
    - `spelling`: of columns: as in the log, in another case, or (mapped by id) names of their own.
    - `paths`: flat, in folders of partitions with their odd texts, or absolute.
    - `is_shuffled`: columns, and fields of structs, stand in another order in each file.
    - `has_more`: the files have a column that the table doesn't.
    """

    row_group_size: int = 1000
    pages: str = "dictionary"
    spelling: str = "log"
    paths: str = "flat"
    is_shuffled: bool = False
    has_more: bool = False


class Checkpoint(NamedTuple):
    """A checkpoint of a version, or of the newest where there are fewer.

    `statistics` are texts of JSON, structs of their own, or both.
    """

    version: int
    kind: str = "classic"
    statistics: str = "json"


class Layout(NamedTuple):
    """The history of a table whose first commit has `rows` rows in some `files` files.

    - `mapping`: of columns; `upgraded` is one by name that came after the first commit.
    - `variety`: how many values a column has, so that there are ties, and files that can be skipped.
    - `is_cleaned`: commits before the last checkpoint are gone, and data files that only they had.
    """

    seed: int
    rows: int
    files: int
    partition_by: tuple[str, ...] = ()
    mapping: str | None = None
    statistics: str = "all"
    deleted_percent: int = 10
    variety: int = 8
    is_clustered: bool = False
    steps: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    is_cleaned: bool = False
    written: Files = Files()

    def chance(self, *of: object) -> random.Random:
        """Chance that depends on nothing but the seed and what it is for: layouts share their rows."""
        return random.Random(" ".join(map(str, (self.seed, *of))))
