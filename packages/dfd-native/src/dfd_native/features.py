"""The table features of the protocol that are honoured, and by which work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from dfd_native import _native

Work: TypeAlias = Literal["scan", "stage", "rewrite", "commit"]
"""Work on a table: scanning its files, staging new rows, rewriting files, committing."""


def table_features() -> dict[str, frozenset[Work]]:
    """The work by which each feature is honoured, or of which it asks nothing; the one list of dfd.

    - `scan`: by a scan of the table's files. Other reader features are left to deltalake's own scan, which
      refuses what it doesn't know. Features of writers alone ask nothing of a scan, and don't name it.
    - `stage`: in data files of new rows.
    - `rewrite`: in data files made of others, with the same rows.
    - `commit`: by a commit that adds and removes files.

    A feature that isn't here is honoured by nothing.
    """
    return {feature: frozenset(by) for feature, by in _native.table_features()}


def unsupported_features(features: Iterable[str], *work: Work) -> list[str]:
    """Those among `features` that some of `work` doesn't honour, sorted."""
    known = table_features()
    return sorted(name for name in {*features} if not known.get(name, frozenset()).issuperset(work))
