"""The public API as a user's type checker sees it."""

from __future__ import annotations

import dfd_base


@dfd_base.renamed_keywords(size="size_bytes")
def function(size_bytes: int) -> int:
    return size_bytes


class Refused(dfd_base.DfdError, ValueError):
    """No constructor of its own."""

    code = "refused"


def use() -> None:
    dfd_base.warn_renamed("old", "new")
    size: int = function(size_bytes=1)
    code: str = dfd_base.DfdError("no").code
    look_up = dfd_base.renamed(__name__, {"old": "new"})
    print(size, code, look_up("old"), Refused("no"))
