"""Placeholders of the style `named` (`:low`), as DataFusion writes them (`$low`)."""

from __future__ import annotations

import re
from collections.abc import Collection

# What stands in quotes and comments has no placeholders, and `::` is a cast.
_TOKENS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/|::|:(?P<name>[A-Za-z_]\w*)""",
    re.DOTALL,
)


def with_dollars(operation: str, names: Collection[str]) -> str:
    """The statement with `$name` in place of `:name`, for each of the names that have a value."""

    def written(found: re.Match[str]) -> str:
        return f"${found['name']}" if found["name"] in names else found[0]

    return _TOKENS.sub(written, operation)
