"""The tables that are read: made once, kept under `~/.cache/dfd/bench`.

Each is a Delta table, and beside it a directory of hard links to its data files: what a reader of
plain Parquet reads are the very same files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

# Part of a directory's name: data of another layout is made anew.
TPCH_LAYOUT, KEYS_LAYOUT = 1, 2
TPCH_FILES = {
    "lineitem": 4, "orders": 4, "partsupp": 4, "customer": 2, "part": 2,
    "supplier": 1, "nation": 1, "region": 1,
}  # fmt: skip
KEY_ROWS = 10_000_000
MANY = 2_000


@dataclass(frozen=True)
class Stored:
    """A table: the directory of its Delta log, and one with links to the same data files."""

    name: str
    delta: str
    parquet: str


def tpch(scale: float) -> tuple[Stored, ...]:
    """The eight tables of TPC-H, the larger ones in several files."""

    def make(directory: Path) -> None:
        for name, files in TPCH_FILES.items():
            _write(directory / name, _generated(name, files, scale))

    directory = _once(f"tpch-{scale:g}-v{TPCH_LAYOUT}", make)
    return tuple(_stored(name, directory / name) for name in TPCH_FILES)


def keys(files: int, scale: float, checkpoint: bool = True) -> Stored:
    """`keys`: rows sorted by `id`, in so many files, each of a commit of its own."""

    def make(directory: Path) -> None:
        plain = directory / "without-checkpoint"
        _write(plain, _keys(files, scale))
        for table in (plain, Path(f"{plain}.parquet")):
            linked = directory / table.name.replace("without", "with")
            shutil.copytree(table, linked, copy_function=os.link)
        DeltaTable(directory / "with-checkpoint").create_checkpoint()

    directory = _once(f"keys-{files}-{scale:g}-v{KEYS_LAYOUT}", make)
    return _stored("keys", directory / f"{'with' if checkpoint else 'without'}-checkpoint")


def key_rows(scale: float) -> int:
    """Rows of `keys`; `id` counts from 0."""
    return max(MANY, int(KEY_ROWS * scale))


def _once(name: str, make: Callable[[Path], None]) -> Path:
    """The directory of that name, made where it isn't there; never half made."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dfd/bench"
    directory = cache / name
    if not directory.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"Making {directory}", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            made = Path(work) / "made"
            made.mkdir()
            make(made)
            made.rename(directory)
    return directory


def _stored(name: str, delta: Path) -> Stored:
    return Stored(name, str(delta), f"{delta}.parquet")


def _write(delta: Path, parts: Iterator[pa.RecordBatchReader]) -> None:
    """One file and one commit for each part, as deltalake's appends leave them; and the links.

    Every part is written as a table of its own, and its commit moved over: 2,000 appends would
    read the log 2,000 times.
    """
    log, links = delta / "_delta_log", Path(f"{delta}.parquet")
    log.mkdir(parents=True)
    links.mkdir()
    for version, part in enumerate(parts):
        with tempfile.TemporaryDirectory(dir=delta.parent) as name:
            alone = Path(name)
            write_deltalake(alone, part, mode="append", target_file_size=1 << 40)
            (file,) = alone.glob("*.parquet")
            os.link(file, links / file.name)
            file.rename(delta / file.name)
            actions = (alone / f"_delta_log/{0:020}.json").read_text().splitlines()
        if version:
            actions = [
                each for each in actions if not {"protocol", "metaData"} & {*json.loads(each)}
            ]
        (log / f"{version:020}.json").write_text("\n".join(actions))


def _generated(name: str, files: int, scale: float) -> Iterator[pa.RecordBatchReader]:
    generator = Path(sys.executable).with_name("tpchgen-cli")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [generator, "parquet", "--quiet", "-s", str(scale), "-T", name,
             "-p", str(files), "--output-dir", directory],
            check=True,
        )  # fmt: skip
        for path in sorted(Path(directory).rglob("*.parquet")):
            source = pq.ParquetFile(path)
            # Plain strings, and no field ids: not every reader takes the others.
            schema = pa.schema(
                pa.field(
                    field.name,
                    pa.string() if field.type == pa.string_view() else field.type,
                    field.nullable,
                )
                for field in source.schema_arrow
            )
            batches = (batch.cast(schema) for batch in source.iter_batches(1 << 16))
            yield pa.RecordBatchReader.from_batches(schema, batches)


def _keys(files: int, scale: float) -> Iterator[pa.RecordBatchReader]:
    total = key_rows(scale)
    for part in range(files):
        first, last = total * part // files, total * (part + 1) // files
        # A bijection of 32 bits: values in no order, and no two alike.
        mixed = pl.col("id") * 2_654_435_761 % (1 << 32)
        frame = pl.select(id=pl.int_range(first, last, dtype=pl.Int64)).with_columns(
            day=pl.date(2020, 1, 1) + pl.duration(days=pl.col("id") * 1_000 // total),
            code=mixed,
            value=mixed / (1 << 32),
            label=pl.format("label {} of {}", mixed, mixed % 1_009),
        )
        schema = pa.schema(
            [("id", pa.int64()), ("day", pa.date32()), ("code", pa.int64()),
             ("value", pa.float64()), ("label", pa.string())]
        )  # fmt: skip
        table = frame.to_arrow().cast(schema)
        yield pa.RecordBatchReader.from_batches(schema, table.to_batches())
