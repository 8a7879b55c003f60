"""Tables of many small files, one a commit, with and without a checkpoint; their logs are written by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

ROWS_PER_FILE = 10
COLUMNS = ("id", *(f"c{n}" for n in range(1, 20)))
_SCHEMA = {
    "type": "struct",
    "fields": [
        {"name": name, "type": "long", "nullable": True, "metadata": {}} for name in COLUMNS
    ],
}
_FIRST = (
    {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
    {
        "metaData": {
            "id": "00000000-0000-0000-0000-000000000000",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(_SCHEMA),
            "partitionColumns": [],
            "configuration": {},
            "createdTime": 0,
        }
    },
)


def made(directory: Path, files: int) -> tuple[Path, Path]:
    """A table of `files` files of 20 columns in as many commits, and the same with a checkpoint of the last."""
    plain = directory / f"commits-{files}"
    log = plain / "_delta_log"
    log.mkdir(parents=True)
    for number in range(files):
        ids = range(number * ROWS_PER_FILE, (number + 1) * ROWS_PER_FILE)
        rows = pa.table({name: pa.array(ids, pa.int64()) for name in COLUMNS})
        path = plain / f"part-{number:05}.parquet"
        pq.write_table(rows, path)
        bounds = {
            "numRecords": len(ids),
            "minValues": dict.fromkeys(COLUMNS, ids[0]),
            "maxValues": dict.fromkeys(COLUMNS, ids[-1]),
            "nullCount": dict.fromkeys(COLUMNS, 0),
        }
        add = {
            "path": path.name,
            "partitionValues": {},
            "size": path.stat().st_size,
            "modificationTime": 0,
            "dataChange": True,
            "stats": json.dumps(bounds),
        }
        actions = [*(() if number else _FIRST), {"add": add}]
        lines = "".join(json.dumps(action) + "\n" for action in actions)
        (log / f"{number:020}.json").write_text(lines)
    short = directory / f"checkpoint-{files}"
    shutil.copytree(plain, short, copy_function=_linked)
    DeltaTable(short).create_checkpoint()
    return plain, short


def _linked(source: str, target: str) -> None:
    """Files never change: a link is a copy."""
    Path(target).hardlink_to(source)
