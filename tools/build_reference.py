"""Write the API reference of all parts into a directory, from their sources and docstrings, with pdoc.

Fails where a part can't be imported, where a public name has no docstring, and where the page of the documents
that leads to them has a link to nothing. What is defined in Rust
has its signatures from the stub, and its words in the functions that wrap it.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pdoc
import uncompiled

PARTS = [name.replace("-", "_") for name in uncompiled.SOURCES]
# Public modules that no part exports from its root.
BESIDE = ["dfd.dbapi"]
PAGE = Path(__file__).parent.parent / "docs/reference/api.md"


def undocumented(module: ModuleType) -> Iterator[str]:
    """The public names of a part, and their public methods, that have no docstring."""
    if not inspect.getdoc(module):
        yield module.__name__
    for name in module.__all__:
        value = getattr(module, name)
        if getattr(value, "__module__", None) == uncompiled.COMPILED:
            continue
        if (inspect.isclass(value) or inspect.isroutine(value)) and not inspect.getdoc(value):
            yield f"{module.__name__}.{name}"
        if inspect.isclass(value):
            yield from (f"{module.__name__}.{name}.{member}" for member in _bare_members(value))


def _bare_members(cls: type) -> Iterator[str]:
    for name, value in vars(cls).items():
        member = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not name.startswith("_") and inspect.isfunction(member) and not inspect.getdoc(member):
            yield name


def main(directory: str) -> int:
    """Write the pages; 1 where a docstring is missing."""
    missing = [name for part in PARTS for name in undocumented(importlib.import_module(part))]
    if missing:
        print("\n".join(f"{name} has no docstring" for name in missing))
        return 1
    # Its names are public where a part exports them.
    pdoc.pdoc(*PARTS, *BESIDE, "!dfd_native._native", output_directory=Path(directory))
    links = re.findall(r'href="\.\./api/([^"]+)"', PAGE.read_text(encoding="utf-8"))
    lost = [link for link in links if not (Path(directory) / link).exists()]
    if lost or not links:
        print(f"{PAGE.name} leads to what isn't there: {', '.join(lost) or 'nothing'}")
        return 1
    print(f"{len(PARTS)} parts in {directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
