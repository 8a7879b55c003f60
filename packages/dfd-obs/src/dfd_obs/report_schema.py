"""The JSON Schema of a report, which `report.schema.json` in this package has as a file."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec

from dfd_obs.document import ReportDocument

FILE = "report.schema.json"


def published() -> dict[str, Any]:
    """The schema as it is published with this version."""
    found: dict[str, Any] = msgspec.json.decode((files("dfd_obs") / FILE).read_bytes())
    return found


def made() -> str:
    """The schema of the document's types, as the file has it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(ReportDocument),
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
