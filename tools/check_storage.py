"""Fail where a source builds options of a store by hand: dfd-storage renders them, and nobody else.

Looks into every package but dfd-storage for names of options (`aws_...`, `AZURE_...`, `google_...`) in text, for
`storage_options=` given a dictionary on the spot, and for looks at the clouds' variables.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
OPTION = re.compile(
    r"(?:aws|azure|azurite|google)_[a-z0-9_]+|"
    r"(?:access_key_id|secret_access_key|session_token|account_key|sas_token|skip_signature|allow_http)",
    re.IGNORECASE,
)
STORES = {
    "AmazonS3",
    "MicrosoftAzure",
    "GoogleCloud",
    "Http",
    "S3FileSystem",
    "AzureFileSystem",
    "GcsFileSystem",
}


def findings(source: str) -> Iterator[tuple[int, str]]:
    """Line and reason of everything that is dfd-storage's to do."""
    tree = ast.parse(source)
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(
                node
            ) not in documentation and OPTION.fullmatch(text):
                yield node.lineno, f"{text!r} is an option of a store"
            case ast.keyword(arg="storage_options" | "options", value=ast.Dict(keys=keys)) if keys:
                yield node.value.lineno, "options of a store are built by hand"
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in STORES:
                yield node.lineno, f"{name} is built by hand"


def main(roots: list[str]) -> int:
    """Print what is found below the roots, or all packages but dfd-storage; 1 if there is any."""
    packages = (p for p in sorted(ROOT.glob("packages/*/src")) if p.parent.name != "dfd-storage")
    files = [
        file
        for root in ([Path(r) for r in roots] or packages)
        for file in sorted(root.rglob("*.py"))
    ]
    found = [
        f"{file}:{line}: {reason}: take it from a StorageProfile"
        for file in files
        for line, reason in findings(file.read_text(encoding="utf-8"))
    ]
    print("\n".join(found) if found else f"{len(files)} files, no options built by hand")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
