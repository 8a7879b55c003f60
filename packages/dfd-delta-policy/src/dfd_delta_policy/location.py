"""Folders of tables, refused where deltalake takes them for others."""

from __future__ import annotations

import re

from dfd_storage.uri import parse_uri

from dfd_delta_policy.errors import UnsupportedTable

# It decodes a name once too often, takes a backslash for a slash, and panics over brackets.
_ODD = re.compile(r"%[0-9A-Fa-f]{2}|[\\\[\]^|]")


def refuse_odd_folder(uri: str) -> None:
    """Refuse a table whose folder deltalake takes for another.

    Raises:
        UnsupportedTable: its path has a percent escape that is part of a name, a backslash, or one
            of `[]^|`.
    """
    path = parse_uri(uri).path
    odd = _ODD.search(path)
    if odd is not None:
        raise UnsupportedTable(
            f"deltalake can't open a table under {path}: it takes {odd[0]!r} there for something else. "
            "Nothing was read or written. Rename the folder; dfd-native reads the table as it is."
        )
